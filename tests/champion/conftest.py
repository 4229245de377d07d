"""Feeds and sides that several tests need."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made.feeds import DAY, feed, made_feed, movielens_feed
from made.fixtures import models

from recsys.champion.sides import Side

__all__ = ["models"]


@pytest.fixture(scope="session")
def made_world():
    """The made world of seed 0."""
    return made_feed()


@pytest.fixture(scope="session")
def movielens():
    """MovieLens-100K."""
    home = os.environ.get("RECSYS_DATA_DIR")
    if not home:
        pytest.skip("RECSYS_DATA_DIR is not set")
    return movielens_feed(home)


@pytest.fixture(scope="session")
def steady():
    """A hundred days of a shop of 400 people who come back, and nobody new: about 200 rows a day, pairs may repeat."""
    random = np.random.default_rng(1)
    popularity = 1 / np.arange(1, 301) ** 0.8
    quality = random.normal(3.5, 0.6, 300)
    a_day = random.gamma(2, 0.25, 400)
    rows = random.poisson(a_day * random.lognormal(0, 0.15, (100, 1)))
    day, user = (np.repeat(each.ravel(), rows.ravel()) for each in np.indices(rows.shape))
    item = random.choice(300, len(user), p=popularity / popularity.sum())
    value = np.clip(np.round(quality[item] + random.normal(0, 0.8, len(item))), 1, 5)
    return feed(user, item, value, day * DAY + random.integers(0, DAY, len(user)))


@pytest.fixture(scope="session")
def side() -> Callable[..., Side]:
    """Makes one side of users who all count, with a row each."""
    return _side


def _side(values, primary="ndcg@10", **changes) -> Side:
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    plain = Side(
        primary=primary,
        users=np.arange(n),
        before=np.full(n, 15),
        counted=np.ones(n, dtype=bool),
        values=values,
        rows=np.ones(n, dtype=np.int64),
        k=10,
        novelty=np.full(n, 3.0),
        coverage=0.5,
        items=np.tile(np.arange(10), (n, 1)),
    )
    return replace(plain, **changes)

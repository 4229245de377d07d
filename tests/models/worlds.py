"""Small worlds of interactions whose right answer is known."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.data.dataset import Dataset, Entities
from recsys.data.interactions import Interactions
from recsys.retrieval.ann import Shape, VectorIndex
from recsys.retrieval.lists import recommend
from recsys.training.run import FitRun
from recsys.training.validation import RankingValidation

DAY = 86_400_000_000
LIKED, DISLIKED = 5.0, 1.0


def entities(n, start=10):
    """Entities with ids that are not their positions."""
    return Entities(np.arange(n, dtype=np.int64) * 3 + start, pd.DataFrame(index=range(n)), {})


def ml_100k(order=slice(None)):
    """MovieLens-100K, of the folder that the tests of real data name; order: of its rows."""
    path = Path(os.environ["RECSYS_DATA_DIR"]) / "ml-100k" / "u.data"
    rows = pd.read_csv(path, sep="\t", header=None, names=["user", "item", "value", "timestamp"]).iloc[order]
    user, item = (np.unique(rows[name], return_inverse=True)[1].astype(np.int32) for name in ("user", "item"))
    return Dataset(
        user=user,
        item=item,
        value=rows["value"].to_numpy(np.float32),
        timestamp=rows["timestamp"].to_numpy(np.int64) * 10**6,
        part=None,
        users=entities(943),
        items=entities(1682),
        sessions=None,
        clock="time",
        account={},
    )


def told(items):
    """The items, each with a text that says its colour of the checkerboard and its group of the taste world."""
    colours, groups = ("black", "white"), ("apple", "bread", "cheese", "dill", "egg", "fig")
    texts = [f"{colours[i % 2]} {groups[i % 6]}" for i in range(len(items))]
    return Entities(items.ids, pd.DataFrame({"text": texts}), {"text": "text"})


def interactions(user, item, *, value=None, timestamp=None, positive=None, weight=None, n_users=None, n_items=None):
    """Interactions of positions; everything left out takes its plainest form."""
    user, item = np.asarray(user, dtype=np.int32), np.asarray(item, dtype=np.int32)
    return Interactions(
        user=user,
        item=item,
        value=None if value is None else np.asarray(value, dtype=np.float32),
        timestamp=None if timestamp is None else np.asarray(timestamp, dtype=np.int64),
        positive=np.ones(len(user), bool) if positive is None else np.asarray(positive, dtype=bool),
        weight=np.ones(len(user), np.float32) if weight is None else np.asarray(weight, dtype=np.float32),
        users=entities(n_users or int(user.max()) + 1),
        items=entities(n_items or int(item.max()) + 1, start=1000),
    )


def of_histories(histories, **more):
    """Interactions from a list of items for each user."""
    user = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    item = np.array([item for history in histories for item in history], dtype=np.int32)
    return interactions(user, item, n_users=len(histories), **more)


@cache
def checkerboard(n=40):
    """Users like the items of their own colour and dislike the others; two of each are held out, (train, held out).

    held out: (n, 2) items of each user's own colour, ascending. The two of the other colour are not seen either, so
    that the four of them compete for the first places.
    """
    user, item = (part.ravel() for part in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    first = user * 7 % n // 2 * 2
    hidden = np.isin((item - first) % n, (0, 1, n // 2, n // 2 + 1))
    own = user % 2 == item % 2
    value = np.where(own, LIKED, DISLIKED)
    kept = ~hidden
    train = interactions(
        user[kept], item[kept], value=value[kept], positive=own[kept], timestamp=np.arange(kept.sum()) * DAY
    )
    return train, item[hidden & own].reshape(n, 2)


@cache
def taste_world(n_users=200, n_items=120, groups=6, seed=0):
    """Users who mostly take and value items of two groups, popular ones more often, (train, the rest as validation)."""
    rng = np.random.default_rng(seed)
    group = np.arange(n_items) % groups
    attraction = (1 + np.arange(n_items) // groups) ** -0.5
    histories, held_out, values = [], [], []
    for _ in range(n_users):
        liked = np.isin(group, rng.choice(groups, 2, replace=False))
        chance = attraction * np.where(liked, 20, 1)
        taken = rng.choice(n_items, 24, replace=False, p=chance / chance.sum())
        histories.append(taken[:18])
        held_out.append(taken[18:])
        values.append(np.where(liked[taken[:18]], 4, 2) + rng.integers(-1, 2, 18))
    user, item = np.repeat(np.arange(n_users), 18), np.concatenate(histories)
    train = interactions(
        user,
        item,
        value=np.concatenate(values),
        timestamp=rng.permutation(len(user)) * DAY // 10,
        n_users=n_users,
        n_items=n_items,
    )
    return train, RankingValidation(train, np.repeat(np.arange(n_users), 6), np.concatenate(held_out))


def fitted(config, train, **run):
    """A model of this configuration, fitted."""
    from recsys.models.registry import model_class

    model = model_class(config.name)(config)
    model.learn(train, FitRun(**run))
    return model


def with_strangers(train, histories, values=None):
    """Users outside training with these histories, as `serving_view` gives them."""
    source = of_histories(histories, n_items=train.n_items, value=values)
    return replace(source, items=train.items)


def finds_the_same(model, train):
    """Assert that an index of the model's item vectors and biases finds the lists of all users, with their scores."""
    users = np.arange(train.n_users)
    expected = recommend(model, train, users, 10, exclude_seen=False)
    index = VectorIndex.build(model.item_vectors, model.item_biases, shape=Shape(head=16))
    vectors = model.user_vectors(train.batch(users))
    found = [index.search(vector, 10) for vector in vectors]
    np.testing.assert_allclose([scores for _, scores in found], expected[1], rtol=1e-4, atol=1e-5)
    assert np.mean([items for items, _ in found] == expected[0]) > 0.99

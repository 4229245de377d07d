"""The made world puts models in the order in which MovieLens-100K puts them."""

import numpy as np
import pandas as pd
import pytest
from likeness import dataset, kendall_tau, movielens, ndcg_by_user

from recsys.data.config import SyntheticData

SEEDS = range(3)


@pytest.fixture(scope="module")
def real():
    return ndcg_by_user(dataset(movielens()))


@pytest.fixture(scope="module")
def made():
    return [ndcg_by_user(dataset(SyntheticData(seed=seed))) for seed in SEEDS]


@pytest.mark.data
def test_same_order_as_movielens(real, made):
    found = [kendall_tau(real, world) for world in made]
    assert np.mean([tau for tau, _ in found]) >= 0.8
    assert min(pairs for _, pairs in found) >= 25  # of 36: the intervals leave enough to be judged


@pytest.mark.data
def test_same_heights_as_movielens(real, made):
    heights = pd.concat([world.mean() for world in made], axis=1).mean(axis=1)
    strong = real.mean().drop(["random", "mf"])
    np.testing.assert_allclose(heights[strong.index], strong, rtol=0.15)
    assert heights["ease"] / heights["popularity"] == pytest.approx(2.03, abs=0.4)


def values(*means):
    """A thousand users, models with these means, noise that users share."""
    rng = np.random.default_rng(0)
    shared, own = rng.standard_normal((1000, 1)), 0.2 * rng.standard_normal((1000, len(means)))
    return pd.DataFrame(np.array(means) + shared + own, columns=list("abcd")[: len(means)])


def test_tau_of_the_same_order_is_one():
    assert kendall_tau(values(1, 2, 3), values(10, 11, 12)) == (1.0, 3)


def test_tau_of_the_opposite_order_is_minus_one():
    assert kendall_tau(values(1, 2, 3), values(3, 2, 1)) == (-1.0, 3)


def test_tau_finds_models_by_name():
    assert kendall_tau(values(1, 2, 3), values(1, 2, 3)[["c", "a", "b"]]) == (1.0, 3)


def test_a_pair_that_either_does_not_tell_apart_is_left_out():
    assert kendall_tau(values(1, 2, 2), values(1, 2, 3)) == (1.0, 2)
    assert kendall_tau(values(1, 2, 3), values(1, 1, 0)) == (-1.0, 2)
    assert np.isnan(kendall_tau(values(1, 1), values(1, 2))[0])


def test_one_pair_of_six_turned():
    tau, pairs = kendall_tau(values(1, 2, 3, 4), values(1, 2, 4, 3))
    assert (tau, pairs) == (pytest.approx(4 / 6), 6)

"""All pairs at once: p-values worked out another way, how often equal models are called different, and the letters."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from likeness import dataset, movielens, ndcg_by_user
from scipy.stats import binom, norm

from recsys.comparison.bootstrap import Bootstrap, bootstrap
from recsys.comparison.family import ALPHA, adjusted_p, letters
from recsys.data.config import SyntheticData

TRIALS = 4_000
AT_ONCE = 100
WORLDS = ["made", pytest.param("movielens", marks=pytest.mark.data)]


def naive(drawn, members):
    """Step by step as the paper has it: the clearest pair first, against all that are left."""
    pairs = list(combinations(range(len(members)), 2))
    observed, resampled = drawn.observed[members], drawn.resampled[:, members]
    statistics, nulls = {}, {}
    for one, other in pairs:
        difference = resampled[:, one] - resampled[:, other]
        error = difference.std()
        statistics[one, other] = abs(observed[one] - observed[other]) / error
        nulls[one, other] = abs(difference - difference.mean()) / error
    left, p, found = sorted(pairs, key=lambda pair: -statistics[pair]), 0.0, np.eye(len(members))
    while left:
        largest = np.max([nulls[pair] for pair in left], axis=0)
        p = max(p, (1 + np.sum(largest >= statistics[left[0]])) / (1 + len(largest)))
        found[left[0]] = found[left[0][::-1]] = p
        left = left[1:]
    return found


class TestAdjusted:
    def test_as_the_paper_has_it(self):
        random = np.random.default_rng(0)
        values = random.random((50, 1)) + random.normal(0, 0.3, (50, 5)) + [0, 0, 0.1, 0.3, 0.05]
        drawn = bootstrap(values, 400)
        np.testing.assert_allclose(adjusted_p(drawn, [0, 1, 2, 3, 4]), naive(drawn, [0, 1, 2, 3, 4]))
        np.testing.assert_allclose(adjusted_p(drawn, [3, 1, 4]), naive(drawn, [3, 1, 4]))

    def test_a_pair_alone_is_not_adjusted(self):
        values = np.random.default_rng(0).normal([0, 0.5], 1, (40, 2))
        drawn = bootstrap(values, 2_000)
        gains = values[:, 1] - values[:, 0]
        plain = 2 * norm.sf(gains.mean() / (gains.std() / np.sqrt(40)))
        assert adjusted_p(drawn, [0, 1])[0, 1] == pytest.approx(plain, abs=0.01)

    def test_the_same_lists_are_not_different(self):
        one = np.random.default_rng(0).random(60)
        found = adjusted_p(bootstrap(np.stack([one, one, one + 1], axis=1), 500), [0, 1, 2])
        assert found[0, 1] == 1
        assert found[0, 2] == found[1, 2] == 1 / 501

    def test_more_models_ask_for_more(self):
        values = np.random.default_rng(3).normal(0, 1, (100, 12))
        values[:, 0] += 0.35
        drawn = bootstrap(values, 1_000)
        assert adjusted_p(drawn, [0, 1])[0, 1] < adjusted_p(drawn, list(range(12)))[0, 1]

    def test_too_few_users(self):
        found = adjusted_p(bootstrap(np.random.default_rng(0).random((29, 3)), 100), [0, 1, 2])
        assert np.isnan(found[0, 1])
        assert found[1, 1] == 1

    def test_nobody_to_hold_it_against(self):
        drawn = bootstrap(np.random.default_rng(0).random((50, 2)), 100)
        assert adjusted_p(drawn, [1]).tolist() == [[1.0]]
        assert adjusted_p(drawn, []).shape == (0, 0)


def families(pool, n_users, size, seed, shift=0.0):
    """p-values of families of models that are equal but for the first, which gains `shift`; (trials, size, size).

    A user's value in each model is that of one of the really fitted models, drawn anew, so that no model is better.
    """
    random = np.random.default_rng(seed)
    for _ in range(TRIALS // AT_ONCE):
        users = random.integers(0, len(pool), (n_users, AT_ONCE))
        which = random.integers(0, pool.shape[1], (n_users, AT_ONCE, size))
        values = pool[users[:, :, None], which]
        values[:, :, 0] += shift
        drawn = bootstrap(values.reshape(n_users, -1), 1_000, seed=seed)
        for trial in range(AT_ONCE):
            own = slice(trial * size, (trial + 1) * size)
            yield adjusted_p(Bootstrap(drawn.observed[own], drawn.resampled[:, own]), list(range(size)))


@pytest.fixture(scope="module")
def pool():
    worlds = {"made": SyntheticData(seed=0), "movielens": movielens()}
    return lambda name: ndcg_by_user(dataset(worlds[name]), ("item-knn", "ease")).to_numpy()


def share_of_false(pool, size, seed, n_users=100):
    upper = np.triu_indices(size, 1)
    return sum((found[upper] <= ALPHA).any() for found in families(pool, n_users, size, seed))


def test_equal_models_are_seldom_called_different(pool):
    assert share_of_false(pool("made"), 4, seed=0) <= binom.ppf(0.999, TRIALS, ALPHA)


@pytest.mark.soak
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("size", [2, 9, 20])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equal_models_of_any_number(pool, world, size, seed):
    found = share_of_false(pool(world), size, seed)
    assert 0.03 * TRIALS < found <= binom.ppf(0.999, TRIALS, ALPHA)


@pytest.mark.soak
@pytest.mark.parametrize("world", WORLDS)
def test_a_difference_is_found_as_often_as_theory_says(pool, world):
    """Of two models, so that there is nothing to adjust for: power of a two-sided test on a normal mean."""
    values, n_users = pool(world), 100
    apart = values[:, 0] - values[:, 1]
    error = np.sqrt(np.square(apart).mean() / 2 / n_users)  # half the users have the same value in both
    shift = 2.5 * error
    expected = norm.sf(norm.ppf(1 - ALPHA / 2) - shift / error)
    found = sum(p[0, 1] <= ALPHA for p in families(values, n_users, 2, seed=5, shift=shift))
    low, high = binom.interval(0.999, TRIALS, expected)
    assert low - 0.01 * TRIALS <= found <= high + 0.01 * TRIALS


class TestLetters:
    def test_all_alike(self):
        assert letters(np.zeros((3, 3), dtype=bool)) == ["a", "a", "a"]

    def test_all_different(self):
        assert letters(~np.eye(3, dtype=bool)) == ["a", "b", "c"]

    def test_one_between(self):
        different = np.zeros((3, 3), dtype=bool)
        different[0, 2] = different[2, 0] = True
        assert letters(different) == ["a", "ab", "b"]

    def test_one_and_none(self):
        assert letters(np.zeros((1, 1), dtype=bool)) == ["a"]
        assert letters(np.zeros((0, 0), dtype=bool)) == []

    @given(st.integers(2, 9).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n * (n - 1) // 2 - 1)))))
    def test_share_one_exactly_where_they_are_not_different(self, drawn):
        n, chosen = drawn
        different = np.zeros((n, n), dtype=bool)
        for place, (one, other) in enumerate(combinations(range(n), 2)):
            different[one, other] = different[other, one] = place in chosen
        found = letters(different)
        for one, other in combinations(range(n), 2):
            assert bool(set(found[one]) & set(found[other])) != different[one, other]
        assert found[0].startswith("a")
        assert all(found)

"""Metrics about the items of lists: by hand, one user at a time, and of lists whose value is known."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import entropy
from sklearn.metrics.pairwise import cosine_similarity

from recsys.metrics.context import Context
from recsys.metrics.diversity import unlikeness
from recsys.metrics.evaluate import evaluate

N_USERS, N_ITEMS, K = 40, 30, 8
ALL = ["gini", "popularity_bias", "popularity_lift", "serendipity", "diversity", "calibration"]


def ones(rows, width):
    """Rows of item numbers as a matrix of ones."""
    matrix = np.zeros((len(rows), width), dtype=np.int8)
    for number, row in enumerate(rows):
        matrix[number, list(row)] = 1
    return sparse.csr_array(matrix)


def context(history, features=None, genres=None, seen=None, n_candidates=None):
    """Of users with these items in training; seen: more than these."""
    n_items = history.shape[1]
    return Context(
        np.bincount(history.indices, minlength=n_items),
        history.shape[0],
        n_candidates or n_items,
        history=history,
        seen=history if seen is None else seen,
        features=features,
        genres=genres,
    )


def value(name, lists, known, k, wanted=None):
    truth = ones([[0]] * len(lists) if wanted is None else wanted, len(known.popularity))
    found = evaluate(np.array(lists), truth, [name], [k], known)
    return found.per_user.get(f"{name}@{k}", found.overall.get(f"{name}@{k}"))


@pytest.fixture(scope="module")
def drawn():
    """Lists without what the user has seen, two of them short and one empty; items 0 to 2 without features."""
    random = np.random.default_rng(5)
    appeal = np.linspace(0.7, 0.05, N_ITEMS)
    taken = random.random((N_USERS, N_ITEMS)) < appeal
    taken[0] = False  # nothing is known of this user
    lists = np.full((N_USERS, K), -1)
    for user in range(N_USERS):
        unseen = np.flatnonzero(~taken[user])
        chosen = random.permutation(unseen)[:K]
        lists[user, : len(chosen)] = chosen
    lists[1, 1:], lists[2, 3:], lists[3] = -1, -1, -1
    wanted = [random.permutation(N_ITEMS)[: random.integers(1, 9)] for _ in range(N_USERS)]
    features = random.random((N_ITEMS, 6)) < 0.3
    features[:3] = False
    features[3:, 0] |= ~features[3:].any(axis=1)
    matrix = sparse.csr_array(features.astype(np.float32))
    return lists, wanted, context(sparse.csr_array(taken.astype(np.int8)), matrix, matrix)


def one_by_one(name, listed, wanted, known, user):
    """The definition in plain Python."""
    popularity, n = known.popularity, known.n_users
    taken = known.history[[user]].indices.tolist()
    listed = [item for item in listed.tolist() if item >= 0]
    features = known.features.toarray()

    def mean(items):
        return sum(popularity[item] / n for item in items) / len(items) if len(items) else 1.0

    def genres(items):
        shares = [features[item] / features[item].sum() for item in items if features[item].any()]
        return sum(shares) / len(shares) if shares else np.zeros(features.shape[1])

    if name == "popularity_bias":
        return mean(listed)
    if name == "popularity_lift":
        return (mean(listed) - mean(taken)) / mean(taken) if taken else math.nan
    if name == "serendipity":
        unseen = sorted(set(range(len(popularity))) - set(taken), key=lambda item: (-popularity[item], item))
        return len(set(listed) & set(wanted) - set(unseen[:K])) / K
    if name == "diversity":
        pairs = list(combinations([item for item in listed if features[item].any()], 2))
        alike = [cosine_similarity(features[[one]], features[[other]])[0, 0] for one, other in pairs]
        return 1 - sum(alike) / len(pairs) if pairs else 0.0
    p, q = genres(taken), genres(listed)
    return entropy(p, 0.99 * q + 0.01 * p) if p.any() and q.any() else math.log(100) if p.any() else math.nan


@pytest.mark.parametrize("name", [name for name in ALL if name != "gini"])
def test_equals_the_definition(drawn, name, monkeypatch):
    lists, wanted, known = drawn
    found = value(name, lists, known, K, wanted)
    expected = [one_by_one(name, lists[user], wanted[user], known, user) for user in range(N_USERS)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert len(set(np.round(found, 6))) > 3
    monkeypatch.setattr("recsys.metrics.sums.BLOCK", 3 * K)
    np.testing.assert_array_equal(value(name, lists, known, K, wanted), found)


class TestGini:
    known = Context(np.array([5, 3, 2, 1]), 5, n_candidates=4)

    @pytest.mark.parametrize(
        ("lists", "expected"),
        [
            ([[0, 1], [2, 3]], 0),
            ([[1, -1], [1, -1]], 3 / 4),
            ([[0, 1], [0, 2]], (-1 * 1 + 1 * 1 + 3 * 2) / (4 * 4)),
            ([[-1, -1]], 1),
        ],
        ids=["all alike", "one item", "2, 1, 1, 0", "no list"],
    )
    def test_by_hand(self, lists, expected):
        assert value("gini", lists, self.known, 2) == pytest.approx(expected)

    def test_equals_half_the_relative_mean_difference(self, drawn):
        lists, _, known = drawn
        listed = np.bincount(lists[lists >= 0], minlength=N_ITEMS)
        expected = np.abs(listed[:, None] - listed).sum() / (2 * N_ITEMS * listed.sum())
        assert value("gini", lists, known, K) == pytest.approx(expected)

    def test_only_the_first_k_and_only_candidates(self):
        lists = [[0, 1], [2, 3]]
        assert value("gini", lists, self.known, 1) == pytest.approx(1 / 2)
        assert value("gini", [[0, 1]], Context(np.array([5, 3, 2, 1]), 5, n_candidates=2), 2) == 0


class TestPopularity:
    # Of 4 users: item 0 has them all, item 1 two, item 2 one, item 3 none.
    known = context(ones([[0], [0, 1], [0, 1], [0, 2]], 4))

    def test_bias(self):
        lists = [[0, 1], [2, -1], [3, 0], [-1, -1]]
        assert value("popularity_bias", lists, self.known, 2) == pytest.approx([3 / 4, 1 / 4, 1 / 2, 1])

    def test_lift(self):
        # their own: 1, 3/4, 3/4, 5/8
        lists = [[0, -1], [1, -1], [-1, -1], [2, 3]]
        expected = [0, 2 / 3 - 1, 4 / 3 - 1, (1 / 8) / (5 / 8) - 1]
        assert value("popularity_lift", lists, self.known, 2) == pytest.approx(expected)

    def test_the_mean_leaves_out_whose_taste_is_unknown(self):
        known = context(ones([[0], [], [0, 1], [0, 2]], 4))
        lists = np.array([[0], [0], [0], [0]])
        scores = evaluate(lists, ones([[1]] * 4, 4), ["popularity_lift"], [1], known)
        assert np.isnan(scores.per_user["popularity_lift@1"]).tolist() == [False, True, False, False]
        assert scores.overall["popularity_lift@1"] == pytest.approx((0 + 1 / 2 + 1 / 2) / 3)

    def test_nobody_has_a_value(self):
        known = context(ones([[], []], 3))
        assert evaluate(np.array([[0], [1]]), ones([[1]] * 2, 3), ["popularity_lift"], [1], known).overall == {}


class TestSerendipity:
    def test_the_most_popular_unseen_items_are_never_serendipitous(self, drawn):
        _, _, known = drawn
        order = np.argsort(-known.popularity, kind="stable")
        taken = known.history.toarray()
        lists = np.array([order[taken[user, order] == 0][:K] for user in range(N_USERS)])
        everything = [range(N_ITEMS)] * N_USERS
        assert value("serendipity", lists, known, K, everything).tolist() == [0] * N_USERS
        assert value("serendipity", lists[:, ::-1], known, K - 1, everything) == pytest.approx(1 / (K - 1))

    def test_what_counts_as_seen(self):
        # by popularity 0, 1, 2, 3; the list of length 1 is item 1 where item 0 is seen, and item 0 where it is left in
        history = ones([[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]], 4)
        lists, wanted = [[1], [0], [0], [0]], [[0, 1]] * 4
        assert value("serendipity", lists, context(history), 1, wanted)[0] == 0
        nothing = sparse.csr_array(history.shape, dtype=np.int8)
        assert value("serendipity", lists, context(history, seen=nothing), 1, wanted)[0] == 1

    def test_a_miss_and_an_end_count_nothing(self):
        history = ones([[0], [0]], 4)
        assert value("serendipity", [[3, -1], [3, 2]], context(history), 2, [[2], [2, 3]]).tolist() == [0, 0.5]

    def test_everything_seen(self):
        history = ones([range(4), []], 4)
        assert value("serendipity", [[-1], [3]], context(history), 1, [[2], [3]]).tolist() == [0, 1]


class TestDiversity:
    # Items 0 and 1 are twins, item 2 shares nothing with them, item 3 half of theirs; nothing is known of item 4.
    features = ones([[0, 1], [0, 1], [2], [1, 2], []], 3).astype(np.float32)

    @pytest.mark.parametrize(
        ("listed", "expected"),
        [
            ([0, 1], 0),
            ([0, 2], 1),
            ([0, 1, 2], 2 / 3),
            ([0, 3], 1 / 2),
            ([2, 3], 1 - 1 / math.sqrt(2)),
            ([0, 2, 4], 1),
            ([0, 4], 0),
            ([0], 0),
            ([], 0),
        ],
        ids=str,
    )
    def test_by_hand(self, listed, expected):
        lists = np.full((1, 4), -1)
        lists[0, : len(listed)] = listed
        known = context(ones([[0]], 5), features=self.features)
        assert value("diversity", lists, known, 4) == pytest.approx([expected])

    def test_vectors_that_point_apart(self):
        """Of any vectors, not of features alone: opposite ones are as unlike as can be."""
        vectors = sparse.csr_array(np.array([[1.0, 0], [-3, 0], [0, 0.5]]))
        assert unlikeness(np.array([[0, 1, -1], [0, 2, -1], [0, 1, 2]]), vectors) == pytest.approx([2, 1, 4 / 3])
        assert vectors.data.tolist() == [1, -3, 0.5]


class TestCalibration:
    # Item 0 is a drama, item 1 a comedy, item 2 both; nothing is known of item 3.
    genres = ones([[0], [1], [0, 1], []], 2).astype(np.float32)

    @pytest.mark.parametrize(
        ("taken", "listed", "expected"),
        [
            ([0, 1], [2], 0),
            ([0, 1, 3], [1, 0, 3], 0),
            ([0], [1], math.log(100)),
            ([0], [3], math.log(100)),
            ([0], [], math.log(100)),
            ([0], [0, 1], math.log(1 / (0.99 / 2 + 0.01))),
            ([0, 2], [1], 0.75 * math.log(100) + 0.25 * math.log(0.25 / (0.99 + 0.0025))),
            ([3], [0], math.nan),
            ([], [0], math.nan),
        ],
        ids=str,
    )
    def test_by_hand(self, taken, listed, expected):
        lists = np.full((1, 4), -1)
        lists[0, : len(listed)] = listed
        known = context(ones([taken], 4), genres=self.genres)
        assert value("calibration", lists, known, 4) == pytest.approx([expected], nan_ok=True)

    def test_genres_are_left_as_they_are(self):
        known = context(ones([[2]], 4), genres=self.genres)
        value("calibration", [[2]], known, 1)
        assert self.genres.data.tolist() == [1, 1, 1, 1]


class TestWhatIsMissing:
    lists, truth = np.array([[0, 1]]), ones([[0]], 3)

    @pytest.mark.parametrize("name", ["diversity", "calibration"])
    def test_data_without_features_have_no_column(self, name):
        scores = evaluate(self.lists, self.truth, [name, "recall"], [2], context(ones([[2]], 3)))
        assert list(scores.per_user) == list(scores.overall) == ["recall@2"]

    @pytest.mark.parametrize("name", ["popularity_lift", "serendipity", "calibration"])
    def test_a_context_without_users(self, name):
        bare = Context(np.array([1, 1, 1]), 1, 3, genres=ones([[0]] * 3, 1))
        with pytest.raises(ValueError, match=f"{name} needs a context with "):
            evaluate(self.lists, self.truth, [name], [2], bare)

    @pytest.mark.parametrize("name", ALL)
    def test_no_context(self, name):
        with pytest.raises(ValueError, match=f"{name} needs a context"):
            evaluate(self.lists, self.truth, [name], [2])

    @pytest.mark.parametrize("name", ALL)
    def test_no_users(self, name):
        features = ones([[0]] * 3, 1)
        known = context(ones([[2]], 3), features, features).of(np.array([False]))
        scores = evaluate(np.zeros((0, 2), dtype=int), ones([], 3), [name], [2], known)
        assert scores.overall in ({}, {"gini@2": 1.0})

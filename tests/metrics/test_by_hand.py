"""Metrics worked out by hand, and cases at the edge."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys.metrics.context import Context
from recsys.metrics.evaluate import evaluate, evaluate_values
from recsys.metrics.hits import hits_of
from recsys.metrics.registry import METRICS
from recsys.metrics.truth import truth_of

OF_HITS = [name for name, metric in METRICS.items() if metric.needs == "hits"]


def truth(*sets, n_items=10):
    rows = np.repeat(np.arange(len(sets)), [len(wanted) for wanted in sets])
    columns = np.array([item for wanted in sets for item in wanted], dtype=int)
    return sparse.csr_array((np.ones(len(columns)), (rows, columns)), shape=(len(sets), n_items))


def values(lists, wanted, k, metrics=OF_HITS):
    per_user = evaluate(np.array(lists), wanted, metrics, [k]).per_user
    return {name.partition("@")[0]: column.tolist() for name, column in per_user.items()}


def test_three_of_five():
    # Hits at ranks 1, 3 and 4; five wanted; cut at 4.
    found = values([[0, 9, 1, 2, 3]], truth([0, 1, 2, 3, 4]), 4)
    discount = 1 / np.log2(np.arange(2, 6))
    assert found["ndcg"] == pytest.approx([discount[[0, 2, 3]].sum() / discount.sum()])
    assert found["recall"] == pytest.approx([3 / 5])
    assert found["precision"] == pytest.approx([3 / 4])
    assert found["map"] == pytest.approx([(1 + 2 / 3 + 3 / 4) / 4])
    assert found["mrr"] == found["hit_rate"] == [1]


def test_one_wanted_at_rank_two():
    found = values([[9, 0, 8]], truth([0]), 3)
    assert found["ndcg"] == pytest.approx([np.log2(2) / np.log2(3)])
    assert found["recall"] == [1]
    assert found["precision"] == pytest.approx([1 / 3])
    assert found["map"] == found["mrr"] == [0.5]
    assert found["hit_rate"] == [1]


def test_a_perfect_list_reaches_the_top():
    found = values([[3, 1, 2], [5, -1, -1]], truth([1, 2, 3], [5]), 3)
    for name in ("ndcg", "recall", "map", "mrr", "hit_rate"):
        assert found[name] == pytest.approx([1, 1]), name
    assert found["precision"] == pytest.approx([1, 1 / 3])


@pytest.mark.parametrize("listed", [[-1, -1, -1], [7, 8, 9]])
def test_nothing_found_counts_zero(listed):
    found = values([listed, [0, 1, 2]], truth([0], [0]), 3)
    assert all(column[0] == 0 and column[1] > 0 for column in found.values())


def test_a_list_longer_than_the_catalogue():
    assert values([[0, 1]], truth([1], n_items=2), 50)["recall"] == [1]
    assert values([[0, 1]], truth([1], n_items=2), 50)["precision"] == [1 / 50]


def test_a_pair_twice_in_the_test_is_wanted_once():
    twice = truth([0, 0, 0, 1])
    twice = sparse.csr_array((np.ones(4), np.array([0, 0, 0, 1]), np.array([0, 4])), shape=(1, 10))
    once = truth([0, 1])
    assert values([[0, 9, 8]], twice, 3) == values([[0, 9, 8]], once, 3)
    assert twice.nnz == 4


def test_items_that_cannot_be_listed_stay_wanted():
    assert values([[0, 1, 2]], truth([0, 9]), 3)["recall"] == [0.5]


def test_cuts_of_one_list():
    scores = evaluate(np.array([[9, 0, 1, 8, 2]]), truth([0, 1, 2]), ["recall"], [5, 1, 3, 3])
    assert scores.overall == pytest.approx({"recall@1": 0, "recall@3": 2 / 3, "recall@5": 1})


def test_blocks_do_not_change_hits(monkeypatch):
    random = np.random.default_rng(0)
    lists = np.argsort(random.random((50, 40)), axis=1)[:, :8]
    wanted = truth(*[random.permutation(40)[: 1 + user % 9] for user in range(50)], n_items=40)
    whole = values(lists, wanted, 8)
    monkeypatch.setattr("recsys.metrics.hits.BLOCK", 130)
    assert values(lists, wanted, 8) == whole


class TestItemMetrics:
    context = Context(popularity=np.array([8, 4, 1, 0]), n_users=8, n_candidates=3)

    def test_coverage(self):
        scores = evaluate(
            np.array([[0, 1], [0, 2], [-1, -1]]), truth([0], [0], [0], n_items=4), ["coverage"], [1, 2], self.context
        )
        assert scores.overall == pytest.approx({"coverage@1": 1 / 3, "coverage@2": 1})
        assert scores.per_user == {}

    def test_novelty(self):
        lists = np.array([[0, 1], [2, 3], [2, -1], [-1, -1]])
        scores = evaluate(lists, truth([0], [0], [0], [0], n_items=4), ["novelty"], [2], self.context)
        assert scores.per_user["novelty@2"].tolist() == [0.5, 3, 3, 0]  # nobody has item 3: as if one of 8 had it

    def test_context_is_needed(self):
        with pytest.raises(ValueError, match="coverage needs a context"):
            evaluate(np.array([[0]]), truth([0]), ["coverage"], [1])

    def test_items_of_the_test_alone_are_in_no_list(self):
        wider = truth([0, 9])
        assert evaluate(np.array([[0, 1]]), wider, ["coverage"], [2], self.context).overall["coverage@2"] == 2 / 3


class TestValueErrors:
    def test_by_hand(self):
        scores = evaluate_values(
            np.array([3, 5, 2.0]), np.array([3, 3, 1.0]), np.array([0, 0, 2]), 3, ["rmse", "mae", "ndcg"]
        )
        assert scores.per_user["rmse"] == pytest.approx([np.sqrt(2), np.nan, 1], nan_ok=True)
        assert scores.per_user["mae"] == pytest.approx([1, np.nan, 1], nan_ok=True)
        assert scores.overall == pytest.approx({"rmse": np.sqrt(5 / 3), "mae": 1})  # over rows, not over users

    def test_nan_is_refused(self):
        with pytest.raises(ValueError, match="1 predicted values"):
            evaluate_values(np.array([np.nan]), np.array([1.0]), np.array([0]), 1, ["rmse"])


class TestWrongLists:
    def test_an_item_twice(self):
        with pytest.raises(ValueError, match="1 lists name an item twice; first: list 1, item 4"):
            evaluate(np.array([[0, 1, 2], [4, 5, 4]]), truth([0], [0]), ["recall"], [3])

    @pytest.mark.parametrize("item", [-2, 10])
    def test_an_item_that_does_not_exist(self, item):
        with pytest.raises(ValueError, match="there are 10"):
            evaluate(np.array([[item]]), truth([0]), ["recall"], [1])

    def test_users_without_positives(self):
        with pytest.raises(ValueError, match="1 users have no test positives"):
            evaluate(np.array([[0], [1]]), truth([0], []), ["recall"], [1])

    def test_no_users(self):
        scores = evaluate(np.zeros((0, 3), dtype=int), truth(), ["recall", "ndcg"], [3])
        assert scores.per_user["recall@3"].shape == (0,)
        assert scores.overall == {}


def test_truth_of_leaves_others_out():
    found = truth_of(np.array([5, 3, 9, 5, 1]), np.array([0, 1, 2, 0, 3]), np.array([3, 5, 7]), 4)
    np.testing.assert_array_equal(found.toarray(), [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    assert truth_of(np.array([5]), np.array([0]), np.array([], dtype=int), 4).shape == (0, 4)


def test_hits_among_more_items_than_a_table_holds(monkeypatch):
    """Every wanted item looked for in its user's list: what the table of users and items finds."""
    random = np.random.default_rng(0)
    wanted = sparse.random_array((50, 20), density=0.3, format="csr", rng=random)
    lists = np.argsort(random.random((50, 20)), axis=1)[:, :6]
    lists[random.random(50) < 0.3, 4:] = -1
    found = hits_of(lists, wanted)
    assert np.array_equal(found, (wanted.toarray() > 0)[np.arange(50)[:, None], lists] & (lists >= 0))
    for block in (2**21, 20):
        monkeypatch.setattr("recsys.metrics.hits.BLOCK", block)
        monkeypatch.setattr("recsys.metrics.hits.FEWEST", 2**21)
        assert np.array_equal(hits_of(lists, wanted), found)

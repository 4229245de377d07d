"""Metrics of ranks: by hand, and equal to scikit-learn, to ir-measures and to the metrics of whole lists."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from ir_measures import RR
from sklearn.metrics import roc_auc_score

from recsys.metrics.evaluate import evaluate_ranks
from recsys.metrics.ranks import Ranks

N_USERS, N_ITEMS = 50, 40


def ranks(rank, user, n_candidates):
    return Ranks(np.array(rank), np.array(user), np.array(n_candidates))


def of(name, found):
    return evaluate_ranks(found, None, [name], [10]).per_user[name].tolist()


@pytest.fixture(scope="module")
def drawn():
    """Scores without equals, sets of 1 to 9 relevant items, and the ranks of these."""
    random = np.random.default_rng(2)
    scores = random.permuted(np.tile(np.arange(N_ITEMS), (N_USERS, 1)), axis=1)
    relevant = random.random((N_USERS, N_ITEMS)) < 0.12
    relevant[:, 0] |= ~relevant.any(axis=1)
    user, item = np.nonzero(relevant)
    mixed = random.permutation(len(user))
    user, item = user[mixed], item[mixed]
    return scores, relevant, ranks(N_ITEMS - scores[user, item], user, [N_ITEMS] * N_USERS)


class TestReciprocalRank:
    def test_by_hand(self):
        found = of("reciprocal_rank", ranks([20, 5, 0, 3, 0], [0, 0, 0, 1, 2], [30, 30, 30]))
        assert found == pytest.approx([1 / 5, 1 / 3, 0])

    def test_equals_ir_measures(self, drawn):
        scores, relevant, found = drawn
        run = {str(u): {str(i): float(score) for i, score in enumerate(row)} for u, row in enumerate(scores)}
        qrels = {str(u): {str(i): 1 for i in np.flatnonzero(row)} for u, row in enumerate(relevant)}
        theirs = {int(one.query_id): one.value for one in ir_measures.iter_calc([RR], qrels, run)}
        assert of("reciprocal_rank", found) == pytest.approx([theirs[u] for u in range(N_USERS)])


class TestAuc:
    @pytest.mark.parametrize(
        ("rank", "n_candidates", "expected"),
        [
            ([1, 2], 5, 1),
            ([5, 4], 5, 0),
            ([2], 3, 1 / 2),
            ([4, 1], 5, (3 / 3 + 1 / 3) / 2),
            ([1, 0], 5, 1 / 2),
            ([0], 5, 0),
            ([2, 1], 2, 1),
            ([1, 0], 1, 1 / 2),
        ],
        ids=[
            "first",
            "last",
            "middle",
            "first and fourth",
            "one unreachable",
            "none reachable",
            "all relevant",
            "both",
        ],
    )
    def test_by_hand(self, rank, n_candidates, expected):
        assert of("auc", ranks(rank, [0] * len(rank), [n_candidates])) == pytest.approx([expected])

    def test_equals_scikit_learn(self, drawn):
        scores, relevant, found = drawn
        theirs = [roc_auc_score(row, score) for row, score in zip(relevant, scores, strict=True)]
        assert of("auc", found) == pytest.approx(theirs)


class TestTopKAccuracy:
    rows = ranks([1, 3, 3, 11, 0, 2], [0, 0, 0, 0, 1, 1], [20, 20])

    def test_by_hand(self):
        scores = evaluate_ranks(None, self.rows, ["topk_accuracy"], [3, 1, 10])
        assert scores.per_user["topk_accuracy@1"].tolist() == [1 / 4, 0]
        assert scores.per_user["topk_accuracy@3"].tolist() == [3 / 4, 1 / 2]
        assert scores.per_user["topk_accuracy@10"].tolist() == [3 / 4, 1 / 2]

    def test_the_mean_is_over_rows(self):
        scores = evaluate_ranks(None, self.rows, ["topk_accuracy"], [3])
        assert scores.overall == {"topk_accuracy@3": pytest.approx(4 / 6)}

    def test_a_user_without_rows(self):
        found = evaluate_ranks(None, ranks([1], [1], [5, 5]), ["topk_accuracy"], [1])
        assert found.per_user["topk_accuracy@1"] == pytest.approx([np.nan, 1], nan_ok=True)
        assert found.overall["topk_accuracy@1"] == 1


def test_what_a_model_did_not_leave_has_no_column():
    names = ["reciprocal_rank", "auc", "topk_accuracy", "ndcg", "rmse"]
    nothing = evaluate_ranks(None, None, names, [10])
    assert (nothing.per_user, nothing.overall) == ({}, {})
    assert list(evaluate_ranks(ranks([1], [0], [2]), None, names, [10]).overall) == ["reciprocal_rank", "auc"]


def test_nobody():
    empty = ranks(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int))
    found = evaluate_ranks(empty, empty, ["reciprocal_rank", "auc", "topk_accuracy"], [10])
    assert found.overall == {}
    assert all(len(values) == 0 for values in found.per_user.values())

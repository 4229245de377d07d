"""Equality with ir-measures, and with the definitions written out one user at a time."""

from __future__ import annotations

import math

import ir_measures
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG
from scipy import sparse

from recsys.errors import InputError
from recsys.metrics.evaluate import evaluate
from recsys.metrics.registry import METRICS
from recsys.metrics.tables import OF_HITS, metrics_from_tables

KS = (1, 3, 10)


def one_by_one(name, listed, wanted, k):
    """The definition in plain Python."""
    hits = [item in wanted for item in listed[:k]]
    if name == "ndcg":
        best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(wanted)) + 1))
        return sum(hit / math.log2(rank + 1) for rank, hit in enumerate(hits, 1)) / best
    if name == "map":
        return sum(sum(hits[:rank]) / rank for rank, hit in enumerate(hits, 1) if hit) / min(k, len(wanted))
    if name == "mrr":
        return next((1 / rank for rank, hit in enumerate(hits, 1) if hit), 0.0)
    return {"recall": sum(hits) / len(wanted), "precision": sum(hits) / k, "hit_rate": float(any(hits))}[name]


@st.composite
def cases(draw):
    n_users, n_items = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    items = st.integers(0, n_items - 1)
    lists = draw(st.lists(st.lists(items, unique=True, max_size=n_items), min_size=n_users, max_size=n_users))
    wanted = draw(st.lists(st.lists(items, min_size=1, max_size=8), min_size=n_users, max_size=n_users))
    return lists, wanted, n_items


def as_matrix(lists, width):
    return np.array([listed + [-1] * (width - len(listed)) for listed in lists])


def as_truth(wanted, n_items):
    """With duplicates as they come."""
    pointers = np.cumsum([0] + [len(each) for each in wanted])
    columns = np.array([item for each in wanted for item in each])
    return sparse.csr_array((np.ones(len(columns)), columns, pointers), shape=(len(wanted), n_items))


@settings(max_examples=200)
@given(cases())
def test_equals_the_definition(case):
    lists, wanted, n_items = case
    scores = evaluate(as_matrix(lists, n_items), as_truth(wanted, n_items), OF_HITS, KS)
    for name in OF_HITS:
        for k in KS:
            expected = [one_by_one(name, mine, set(his), k) for mine, his in zip(lists, wanted, strict=True)]
            np.testing.assert_allclose(scores.per_user[f"{name}@{k}"], expected, rtol=1e-12, atol=1e-15)


@settings(max_examples=100)
@given(cases(), st.booleans(), st.randoms(use_true_random=False))
def test_tables_equal_the_definition(case, text, random):
    lists, wanted, _ = case
    key = (lambda number: f"id{number}") if text else (lambda number: number * 1000)
    listed = [(key(u), key(i), r) for u, items in enumerate(lists) for r, i in enumerate(items, 1)]
    tested = [(key(u), key(i)) for u, items in enumerate(wanted) for i in items]
    random.shuffle(listed)
    random.shuffle(tested)
    found = metrics_from_tables(
        pd.DataFrame(listed, columns=["user", "item", "rank"]).astype({"rank": int}),
        pd.DataFrame(tested, columns=["user", "item"]),
        k=KS,
    )
    assert list(found.index) == sorted(key(u) for u in range(len(wanted)))
    for name in OF_HITS:
        for k in KS:
            for u, (mine, his) in enumerate(zip(lists, wanted, strict=True)):
                assert found.loc[key(u), f"{name}@{k}"] == pytest.approx(one_by_one(name, mine, set(his), k))


@pytest.fixture(scope="module")
def drawn():
    """400 users, 150 items, lists of 50 that find something, sets of 1 to 60."""
    random = np.random.default_rng(3)
    sizes = random.integers(1, 61, size=400)
    wanted = [random.permutation(150)[:size] for size in sizes]
    lists = []
    for items in wanted:
        scores = random.random(150)
        scores[items] += 0.3
        lists.append(np.argsort(-scores, kind="stable")[:50])
    return np.array(lists), wanted


@pytest.mark.parametrize("k", [1, 5, 10, 50])
def test_equals_ir_measures(drawn, k):
    lists, wanted = drawn
    run = {str(u): {str(i): float(50 - rank) for rank, i in enumerate(items)} for u, items in enumerate(lists)}
    qrels = {str(u): {str(i): 1 for i in items} for u, items in enumerate(wanted)}
    theirs = {
        "ndcg": nDCG @ k,
        "recall": R @ k,
        "precision": P @ k,
        "map": AP @ k,
        "mrr": RR @ k,
        "hit_rate": Success @ k,
    }
    assert set(theirs) == set(OF_HITS)
    names = {measure: name for name, measure in theirs.items()}
    mine = evaluate(lists, as_truth([items.tolist() for items in wanted], 150), OF_HITS, [k]).per_user
    compared = 0
    for found in ir_measures.iter_calc(theirs.values(), qrels, run):
        name, user = names[found.measure], int(found.query_id)
        # trec_eval divides average precision by all relevant items, we by those that fit into k.
        scale = min(k, len(wanted[user])) / len(wanted[user]) if name == "map" else 1
        assert mine[f"{name}@{k}"][user] * scale == pytest.approx(found.value, abs=1e-9)
        compared += 1
    assert compared == 400 * len(OF_HITS)


class TestTables:
    lists = pd.DataFrame({"user": [1, 1, 2], "item": [5, 6, 5], "rank": [1, 2, 1]})
    truth = pd.DataFrame({"user": [1, 3], "item": [6, 5]})

    def test_whom_it_counts(self):
        found = metrics_from_tables(self.lists, self.truth, ["recall"], [2])
        assert found["recall@2"].to_dict() == {1: 1.0, 3: 0.0}

    def test_no_lists(self):
        assert metrics_from_tables(self.lists[:0], self.truth, ["recall"], [2])["recall@2"].to_dict() == {1: 0, 3: 0}

    def test_two_items_at_one_rank(self):
        with pytest.raises(InputError, match="two items at one rank"):
            metrics_from_tables(self.lists.assign(rank=1), self.truth)

    def test_an_item_twice(self):
        with pytest.raises(InputError, match="item twice"):
            metrics_from_tables(self.lists.assign(item=5), self.truth)

    def test_ranks_start_at_one(self):
        with pytest.raises(InputError, match="start at 1"):
            metrics_from_tables(self.lists.assign(rank=[0, 1, 0]), self.truth)

    def test_metrics_of_other_things(self):
        with pytest.raises(InputError, match="'coverage' cannot"):
            metrics_from_tables(self.lists, self.truth, ["coverage"])


def test_every_metric_is_tested_here_or_elsewhere():
    by_hand = {"coverage", "novelty", "rmse", "mae"}
    beyond_accuracy = {"gini", "popularity_bias", "popularity_lift", "serendipity", "diversity", "calibration"}
    of_ranks = {"reciprocal_rank", "auc", "topk_accuracy"}
    assert set(OF_HITS) | by_hand | beyond_accuracy | of_ranks == set(METRICS)

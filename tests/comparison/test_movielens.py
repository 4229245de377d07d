"""From the split to the numbers on MovieLens-100K, against those that other libraries reach (peers.md)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.comparison.leaderboard import Outcome, leaderboard
from recsys.data.dataset import Dataset, Entities
from recsys.data.interactions import training_view
from recsys.metrics.context import Context
from recsys.metrics.evaluate import evaluate
from recsys.metrics.truth import truth_of
from recsys.retrieval.topk import top_k
from recsys.splits.account import account
from recsys.splits.config import RandomSplit
from recsys.splits.fold import training_rows
from recsys.splits.leaks import ERRORS, Case, check_fold
from recsys.splits.splitting import split

NAMES = ["ndcg", "recall", "hit_rate", "precision", "map", "mrr", "coverage", "novelty"]

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def data():
    home = os.environ.get("RECSYS_DATA_DIR")
    if not home:
        pytest.skip("RECSYS_DATA_DIR is not set")
    user, item, rating, at = np.loadtxt(Path(home) / "ml-100k" / "u.data", dtype=np.int64, unpack=True)

    def entities(n):
        return Entities(np.arange(1, n + 1), pd.DataFrame(index=range(n)), {})

    return Dataset(
        user=(user - 1).astype(np.int32),
        item=(item - 1).astype(np.int32),
        value=rating.astype(np.float32),
        timestamp=at * 10**6,
        part=None,
        users=entities(943),
        items=entities(1682),
        sessions=None,
        clock="time",
        account={},
    )


@pytest.fixture(scope="module")
def fold(data):
    return split(data, RandomSplit())[0]


@pytest.fixture(scope="module")
def scored(data, fold):
    """Scores of popularity and EASE, what is seen, the truth and the context, all in the codes of training."""
    train = training_view(data, training_rows(data, fold, refit=True), None, None)
    users = np.intersect1d(data.user[fold.test], train.users.ids - 1)
    seen = train.seen[train.users.positions(users + 1)]
    gram = (train.seen.T @ train.seen).toarray().astype(np.float64)
    inverse = np.linalg.inv(gram + 500 * np.eye(len(gram)))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    scores = {
        "popularity": np.tile(train.popularity.astype(np.float32), (len(users), 1)),
        "ease": (seen @ weights).astype(np.float32),
    }
    unknown = train.n_items + np.arange(len(data.items))  # items only in the test stay in the truth
    item = train.items.positions(data.items.ids[data.item[fold.test]])
    item = np.where(item < 0, unknown[data.item[fold.test]], item)
    truth = truth_of(data.user[fold.test], item, users, train.n_items + len(data.items))
    return scores, seen, truth, Context(train.popularity, train.n_users, train.n_items)


def test_the_split_is_that_of_the_peers(data, fold):
    order = np.random.default_rng(42).permutation(100_000)
    np.testing.assert_array_equal(fold.test, np.sort(order[80_000:]))
    found = account(data, fold, None)
    assert found["test"]["rows"] == 20_000
    assert found["train"]["rows"] + found["validation"]["rows"] == 80_000
    assert found["test_users_with_positives"] == found["warm_test_users_with_positives"] == 941
    assert check_fold(Case(data, fold), ERRORS) == []


@pytest.mark.parametrize(
    ("model", "ndcg", "recall", "hit_rate", "deep"),
    [("popularity", 0.2171, 0.1163, 0.7673, 0.4246), ("ease", 0.4406, 0.2341, 0.9171, 0.7033)],
)
def test_equals_the_peers(scored, model, ndcg, recall, hit_rate, deep):
    scores, seen, truth, _ = scored
    lists, _ = top_k(scores[model], 100, exclude=seen)
    found = evaluate(lists, truth, ["ndcg", "recall", "hit_rate"], [10, 100]).overall
    assert found["ndcg@10"] == pytest.approx(ndcg, abs=6e-5)
    assert found["recall@10"] == pytest.approx(recall, abs=6e-5)
    assert found["hit_rate@10"] == pytest.approx(hit_rate, abs=6e-5)
    assert found["recall@100"] == pytest.approx(deep, abs=6e-5)


def test_the_leaderboard_tells_them_apart(scored):
    scores, seen, truth, context = scored
    tables = []
    for model, block in scores.items():
        found = evaluate(top_k(block, 10, exclude=seen)[0], truth, NAMES, [10], context)
        tables.append(pd.DataFrame({"model": model, "seed": 42, "fold": 0, "user": range(941), **found.per_user}))
    board = leaderboard(
        pd.concat(tables),
        [Outcome("popularity", control=True), Outcome("ease")],
        [f"{name}@10" for name in NAMES],
        "ndcg@10",
    )
    ease, popularity = board.frame.to_dict("records")
    assert (ease["model"], popularity["model"]) == ("ease", "popularity")
    assert ease["ndcg@10_high"] - ease["ndcg@10_low"] == pytest.approx(2 * 1.96 * 0.0088, rel=0.1)  # peers' error
    assert board.differences["high"][1] < -0.2
    assert popularity["novelty@10"] < ease["novelty@10"]

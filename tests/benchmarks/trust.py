"""What makes a comparison one to trust, and the page that shows it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.comparison.leaderboard import Outcome, leaderboard
from recsys.metrics.context import Context
from recsys.metrics.evaluate import evaluate
from recsys.report.page import write_report
from tests.benchmarks.measure import Figure, function
from tests.report.conftest import Made, small_data, write_board

PER_USER = ["ndcg", "recall", "precision", "map", "mrr", "hit_rate"]
TEN = [*PER_USER, "coverage", "gini", "novelty", "popularity_bias"]
MODELS = 20


def figures() -> Iterator[Figure]:
    """All of them, in the order of the page."""
    yield _statistics()
    yield _many_users()
    yield _report()


def _statistics(n_users: int = 6_040, n_items: int = 3_700) -> Figure:
    random = np.random.default_rng(0)
    truth = sparse.random_array((n_users, n_items), density=0.01, format="csr", rng=random)
    lists = [np.argsort(random.random((n_users, 200)), axis=1)[:, :50].astype(np.int64) for _ in range(MODELS)]
    columns = [f"{name}@{k}" for name in PER_USER for k in (5, 10, 50)]
    outcomes = [Outcome(f"m{number}", control=False) for number in range(MODELS)]

    def body() -> None:
        tables = []
        for outcome, items in zip(outcomes, lists, strict=True):
            values = evaluate(items, truth, PER_USER, [5, 10, 50]).per_user
            about = {"model": outcome.label, "seed": 0, "fold": 0, "user": np.arange(n_users)}
            tables.append(pd.DataFrame(about | values))
        leaderboard(pd.concat(tables, ignore_index=True), outcomes, columns, "ndcg@10", intervals=columns)

    what = f"{len(columns)} columns, intervals and the family of {MODELS} models × 6,040 users, 10,000 resamples"
    return function(what, body, "≤ 20 s", runs=1)


def _many_users(n_users: int = 100_000, n_items: int = 10_000) -> Figure:
    random = np.random.default_rng(0)
    relevant = random.integers(0, n_items, (n_users, 10))
    truth = sparse.csr_array((np.ones(relevant.size), (np.repeat(np.arange(n_users), 10), relevant.ravel())))
    seen = sparse.random_array((n_users, n_items), density=0.002, format="csr", rng=random)
    first = random.integers(0, n_items, (n_users, 1))
    items = (first + np.arange(100) * 97) % n_items
    context = Context(np.diff(seen.tocsc().indptr), n_users, n_items, history=seen, seen=seen)
    what = "ten metrics at k = 100 of 100,000 users"
    return function(what, lambda: evaluate(items, truth, TEN, [100], context), "≤ 3 s", runs=3)


def _report() -> Figure:
    models = tuple(Made(f"model {number}", 0.2 + 0.01 * number) for number in range(MODELS))
    with tempfile.TemporaryDirectory() as folder:
        board, dataset = write_board(Path(folder), models, small_data(943, 1_682), n_users=943)
        page = Path(folder) / "report.html"
        figure = function(
            f"the report of {MODELS} models", lambda: write_report(page, board, dataset), "≤ 10 s", runs=1
        )
        megabytes = page.stat().st_size / 1e6
    return Figure(*(getattr(figure, name) for name in ("what", "wall", "cpu", "target")), note=f"{megabytes:.1f} MB")

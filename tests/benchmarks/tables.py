"""Metrics from tables of ids, and other libraries beside them on the same tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from recsys.metrics.tables import metrics_from_tables
from tests.benchmarks.measure import Figure, beside, function
from tests.benchmarks.peers import elsewhere

NAMES = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")
N_ITEMS = 3_700


def figures() -> Iterator[Figure]:
    """All of them, in the order of the page."""
    for n_users, aim in ((6_040, "≥ 10 times RecTools, ≥ 50 times LensKit"), (100_000, "≥ 3 times RecTools")):
        tables = made(n_users)
        what = f"six metrics from tables of ids, {n_users:,} × 10"
        ours = function(what, lambda tables=tables: metrics_from_tables(*tables, NAMES, [10]), "")
        inputs = dict(zip(("lists", "truth"), tables, strict=True))
        others = [
            ("the same by RecTools calc_metrics", elsewhere("rectools", "rectools_metrics.py", **inputs).get("cpu"))
        ]
        if n_users < 10_000:
            taken = elsewhere("lenskit", "lenskit_metrics.py", **inputs).get("cpu")
            others.append(("the same by LensKit RunAnalysis", taken))
        yield from beside(ours, aim, *others)


def made(n_users: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lists of ten items (user, item, rank) and 33 relevant ones a user (user, item)."""
    random = np.random.default_rng(0)
    first = random.integers(0, N_ITEMS, n_users)
    lists = pd.DataFrame(
        {
            "user": np.repeat(np.arange(n_users), 10),
            "item": ((first[:, None] + 367 * np.arange(10)) % N_ITEMS).ravel(),
            "rank": np.tile(np.arange(1, 11), n_users),
        }
    )
    pairs = random.choice(n_users * N_ITEMS, 33 * n_users, replace=False)
    return lists, pd.DataFrame({"user": pairs // N_ITEMS, "item": pairs % N_ITEMS})

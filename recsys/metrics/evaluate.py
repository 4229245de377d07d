"""From ranked lists, or predicted values, to the values of all metrics asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.errors import NotANumberError
from recsys.metrics.context import Context
from recsys.metrics.hits import as_sets, hits_of, refuse_bad_lists
from recsys.metrics.ranks import Ranks
from recsys.metrics.registry import METRICS, Metric, column

# Parts of a context that data may lack: a metric that reads them then has no column.
FEATURES = ("features", "genres")


@dataclass(frozen=True)
class Scores:
    """Metric values under the names of their columns, such as `ndcg@10`.

    per_user: (n_users,) each. overall: one number each: the mean over users, the value of the whole set, or for
    predicted values the error over all rows.
    """

    per_user: dict[str, FloatArray]
    overall: dict[str, float]


def evaluate(
    lists: IntArray,
    truth: sparse.csr_array,
    metrics: Iterable[str],
    ks: Iterable[int],
    context: Context | None = None,
) -> Scores:
    """Every metric of lists at every length; metrics of ranks and of predicted values are left to `evaluate_ranks` and
    `evaluate_values`.

    lists: (n_users, any) item numbers in ranked order, -1 where a list ends early; a list without items counts 0.
    truth: (n_users, n_items), its stored entries are the user's test positives, a pair that stands twice counts once.
    context: for metrics about the items, such as coverage and novelty; one that reads features of items has no value
    where the data have none. Raises ValueError where a list names an item twice, a user has no positives (leave such
    users out: they have no value), or context is missing.
    """
    asked = [METRICS[name] for name in metrics if METRICS[name].of_lists]
    ks = sorted(set(ks))
    refuse_bad_lists(lists, truth.shape[1])
    per_user: dict[str, FloatArray] = {}
    overall: dict[str, float] = {}
    wide = _widened(lists, max(ks))
    hits, n_relevant = _found(wide, truth) if any("hits" in metric.needs for metric in asked) else (None, None)
    for metric in asked:
        if metric.needs != "hits" and not _can_be_read(metric, context):
            continue
        for k in ks:
            if metric.needs == "hits":
                values = metric.compute(hits, n_relevant, k)
            elif metric.needs == "items":
                values = metric.compute(wide, context, k)
            else:
                values = metric.compute(hits, wide, context, k)
            (per_user if metric.per == "user" else overall)[column(metric.name, k)] = values
    return Scores(per_user, _means(per_user) | overall)


def _found(lists: IntArray, truth: sparse.csr_array) -> tuple[BoolArray, IntArray]:
    """(hits, relevant items of each user). Raises ValueError where a user has none."""
    truth = as_sets(truth)
    n_relevant = np.diff(truth.indptr)
    if len(n_relevant) and not n_relevant.min():
        raise ValueError(f"{np.count_nonzero(n_relevant == 0)} users have no test positives and no value")
    return hits_of(lists, truth), n_relevant


def _can_be_read(metric: Metric, context: Context | None) -> bool:
    """Whether the context has what the metric reads; what the data lack is no error. Raises ValueError for the rest."""
    if context is None:
        raise ValueError(f"{metric.name} needs a context: popularity, users and candidates of the training part")
    lacking = [name for name in metric.reads if getattr(context, name) is None]
    if any(name not in FEATURES for name in lacking):
        raise ValueError(f"{metric.name} needs a context with {' and '.join(lacking)}")
    return not lacking


def _means(per_user: dict[str, FloatArray]) -> dict[str, float]:
    """The mean over the users who have a value, of each column that anybody has."""
    there = {name: values[~np.isnan(values)] for name, values in per_user.items()}
    return {name: float(values.mean()) for name, values in there.items() if len(values)}


def evaluate_ranks(ranks: Ranks | None, row_ranks: Ranks | None, metrics: Iterable[str], ks: Iterable[int]) -> Scores:
    """Every metric of ranks among `metrics`; those whose ranks are None have no value.

    ranks: of the relevant items, each once a user. row_ranks: of all test rows, seen items left in.
    """
    per_user: dict[str, FloatArray] = {}
    overall: dict[str, float] = {}
    for metric in (METRICS[name] for name in metrics):
        if metric.needs == "ranks" and ranks is not None:
            per_user[metric.name] = metric.compute(ranks)
        elif metric.needs == "row ranks" and row_ranks is not None:
            rows = np.bincount(row_ranks.user, minlength=row_ranks.n_users)
            for name, k in ((column(metric.name, k), k) for k in sorted(set(ks))):
                per_user[name] = metric.compute(row_ranks, k)
                if metric.pool and rows.any():
                    overall[name] = metric.pool.over(per_user[name], rows)
    return Scores(per_user, _means(per_user) | overall)


def require_finite(predicted: FloatArray) -> None:
    """Raises NotANumberError where a predicted value is NaN or infinite."""
    if not np.isfinite(predicted).all():
        raise NotANumberError(f"{np.count_nonzero(~np.isfinite(predicted))} predicted values are NaN or infinite")


def evaluate_values(
    predicted: FloatArray, actual: FloatArray, user: IntArray, n_users: int, metrics: Iterable[str]
) -> Scores:
    """Every metric of predicted values among `metrics`.

    predicted, actual: (n_rows,). user: (n_rows,) positions 0..n_users-1; a user without rows gets NaN. Raises
    NotANumberError where a prediction is NaN or infinite.
    """
    predicted, actual = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    require_finite(predicted)
    asked: list[Metric] = [METRICS[name] for name in metrics if METRICS[name].needs == "values"]
    per_user = {metric.name: metric.compute(predicted, actual, user, n_users) for metric in asked}
    rows = np.bincount(user, minlength=n_users)
    overall = {metric.name: float(metric.pool.over(per_user[metric.name], rows)) for metric in asked if metric.pool}
    return Scores(per_user, overall)


def _widened(lists: IntArray, width: int) -> IntArray:
    """The lists with places for `width` items at least."""
    missing = width - lists.shape[1]
    return lists if missing <= 0 else np.pad(lists, ((0, 0), (0, missing)), constant_values=-1)

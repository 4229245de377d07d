"""From ranked lists, or predicted values, to the values of all metrics asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.metrics.context import Context
from recsys.metrics.hits import as_sets, hits_of, refuse_bad_lists
from recsys.metrics.registry import METRICS, Metric, column


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
    """Every metric of lists at every length; metrics of predicted values are left to `evaluate_values`.

    lists: (n_users, any) item numbers in ranked order, -1 where a list ends early; a list without items counts 0.
    truth: (n_users, n_items), its stored entries are the user's test positives, a pair that stands twice counts once.
    context: for metrics about the items (coverage, novelty). Raises ValueError where a list names an item twice, a
    user has no positives (leave such users out: they have no value), or context is missing.
    """
    asked = [METRICS[name] for name in metrics]
    ks = sorted(set(ks))
    refuse_bad_lists(lists, truth.shape[1])
    per_user: dict[str, FloatArray] = {}
    overall: dict[str, float] = {}
    wide = _widened(lists, max(ks))
    if any(metric.needs == "hits" for metric in asked):
        truth = as_sets(truth)
        n_relevant = np.diff(truth.indptr)
        if len(n_relevant) and not n_relevant.min():
            raise ValueError(f"{np.count_nonzero(n_relevant == 0)} users have no test positives and no value")
        hits = hits_of(wide, truth)
    for metric in asked:
        for k in ks if metric.needs != "values" else ():
            name = column(metric.name, k)
            if metric.needs == "hits":
                per_user[name] = metric.compute(hits, n_relevant, k)
            elif context is None:
                raise ValueError(
                    f"{metric.name} needs a context: popularity, users and candidates of the training part"
                )
            elif metric.per == "user":
                per_user[name] = metric.compute(wide, context, k)
            else:
                overall[name] = metric.compute(wide, context, k)
    means = {name: float(values.mean()) for name, values in per_user.items() if len(values)}
    return Scores(per_user, means | overall)


def evaluate_values(
    predicted: FloatArray, actual: FloatArray, user: IntArray, n_users: int, metrics: Iterable[str]
) -> Scores:
    """Every metric of predicted values among `metrics`.

    predicted, actual: (n_rows,). user: (n_rows,) positions 0..n_users-1; a user without rows gets NaN. Raises
    ValueError where a prediction is NaN or infinite.
    """
    predicted, actual = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if not np.isfinite(predicted).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(predicted))} predicted values are NaN or infinite")
    asked: list[Metric] = [METRICS[name] for name in metrics if METRICS[name].needs == "values"]
    per_user = {metric.name: metric.compute(predicted, actual, user, n_users) for metric in asked}
    rows = np.bincount(user, minlength=n_users)
    overall = {metric.name: float(metric.pool.over(per_user[metric.name], rows)) for metric in asked if metric.pool}
    return Scores(per_user, overall)


def _widened(lists: IntArray, width: int) -> IntArray:
    """The lists with places for `width` items at least."""
    missing = width - lists.shape[1]
    return lists if missing <= 0 else np.pad(lists, ((0, 0), (0, missing)), constant_values=-1)

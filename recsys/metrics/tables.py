"""Metrics of tables of ids, for lists and a truth that come from anywhere."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.config import IntArray
from recsys.errors import InputError, did_you_mean
from recsys.metrics.evaluate import evaluate
from recsys.metrics.registry import METRICS
from recsys.metrics.truth import pairs_as_sets

OF_HITS = tuple(name for name, metric in METRICS.items() if metric.needs == "hits")


def metrics_from_tables(
    lists: pd.DataFrame, truth: pd.DataFrame, metrics: Iterable[str] = OF_HITS, k: Iterable[int] = (10,)
) -> pd.DataFrame:
    """One row a user of the truth, one column a metric and length; the mean of a column is the value of the lists.

    lists: columns user, item, rank (1, 2, …). truth: columns user, item; a pair that stands twice counts once. A user
    without a list counts 0; lists of users without truth are left out. Ids are integers or strings. Raises InputError
    where a list has two items at one rank or an item twice, or a metric needs more than hits.

    >>> lists = pd.DataFrame({"user": ["a", "a", "b"], "item": [7, 8, 7], "rank": [1, 2, 1]})
    >>> truth = pd.DataFrame({"user": ["a", "c"], "item": [8, 8]})
    >>> metrics_from_tables(lists, truth, metrics=["mrr"], k=[2])["mrr@2"].to_dict()
    {'a': 0.5, 'c': 0.0}
    """
    metrics = list(metrics)
    for name in metrics:
        if name not in OF_HITS:
            raise InputError("metrics", f"'{name}' cannot be computed from tables alone", did_you_mean(name, OF_HITS))
    users, wanted_by, listed_for = _codes(truth["user"], lists["user"])
    items, wanted, listed = _codes(truth["item"], lists["item"])
    matrix = pairs_as_sets(wanted_by, wanted, len(users), len(items))
    counted = np.flatnonzero(np.diff(matrix.indptr))
    ranked = _as_matrix(listed_for, listed, lists["rank"].to_numpy(), len(users))
    if len(counted) < len(users):
        matrix, ranked = matrix[counted], ranked[counted]
    try:
        scores = evaluate(ranked, matrix, metrics, k)
    except ValueError as error:
        raise InputError("lists", str(error)) from error
    return pd.DataFrame(scores.per_user, index=pd.Index(users[counted], name="user"))


def _codes(first: pd.Series, second: pd.Series) -> tuple[NDArray, IntArray, IntArray]:
    """(ids, code of each of the first, code of each of the second): integers that lie close together are their own."""
    if len(first) and len(second) and first.dtype == second.dtype == np.int64:
        one, other = first.to_numpy(), second.to_numpy()
        low, high = min(one.min(), other.min()), max(one.max(), other.max())
        if int(high) - int(low) < 4 * (len(one) + len(other)):
            return np.arange(low, high + 1), one - low, other - low
    codes, ids = pd.factorize(pd.concat([first, second], ignore_index=True), sort=True)
    return ids.to_numpy(), codes[: len(first)], codes[len(first) :]


def _as_matrix(user: IntArray, item: IntArray, rank: IntArray, n_users: int) -> IntArray:
    if len(rank) and not (np.issubdtype(rank.dtype, np.integer) and rank.min() >= 1):
        raise InputError("lists.rank", "ranks are whole numbers that start at 1")
    ranked = np.full((n_users, int(rank.max()) if len(rank) else 1), -1, dtype=np.int64)
    ranked[user, rank - 1] = item
    if np.count_nonzero(ranked >= 0) < len(rank):
        raise InputError(
            "lists.rank", "a list has two items at one rank", "give every item of a user a rank of its own"
        )
    return ranked

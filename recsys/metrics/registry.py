"""All metrics by name, and the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from recsys.errors import InputError, did_you_mean
from recsys.metrics.coverage import coverage
from recsys.metrics.hit_rate import hit_rate
from recsys.metrics.map import average_precision
from recsys.metrics.mrr import reciprocal_rank
from recsys.metrics.ndcg import ndcg
from recsys.metrics.novelty import novelty
from recsys.metrics.precision import precision
from recsys.metrics.recall import recall
from recsys.metrics.value_errors import PLAIN, SQUARES, Pool, mae, rmse


@dataclass(frozen=True)
class Metric:
    """A metric and what is known about it.

    needs: what `compute` reads: hits (hits, n_relevant, k), items (lists, context, k) or values (predicted, actual,
    user, n_users). per: a value a user, or one for the whole set. pool: how users' values make one; None: their mean.
    definition: the choices that others make differently, for the passport.
    """

    name: str
    compute: Callable[..., Any]
    needs: Literal["hits", "items", "values"]
    definition: dict[str, str]
    per: Literal["user", "set"] = "user"
    has_k: bool = True
    higher_is_better: bool = True
    pool: Pool | None = None


_ALL = (
    Metric("ndcg", ndcg, "hits", {"gain": "binary", "discount": "1/log2(rank+1)", "divisor": "ideal of min(k, |R|)"}),
    Metric("recall", recall, "hits", {"divisor": "|R|"}),
    Metric("precision", precision, "hits", {"divisor": "k"}),
    Metric("map", average_precision, "hits", {"divisor": "min(k, |R|)"}),
    Metric("mrr", reciprocal_rank, "hits", {"cut": "k"}),
    Metric("hit_rate", hit_rate, "hits", {}),
    Metric("coverage", coverage, "items", {"divisor": "candidate items"}, per="set"),
    Metric("novelty", novelty, "items", {"information": "-log2(max(1, users with item) / users)", "divisor": "|L|"}),
    Metric("rmse", rmse, "values", {"mean": "rows"}, has_k=False, higher_is_better=False, pool=SQUARES),
    Metric("mae", mae, "values", {"mean": "rows"}, has_k=False, higher_is_better=False, pool=PLAIN),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}


def column(name: str, k: int) -> str:
    """The column of a metric at a list length.

    >>> column("ndcg", 10), column("rmse", 10)
    ('ndcg@10', 'rmse')
    """
    return f"{name}@{k}" if METRICS[name].has_k else name


def parse_column(text: str) -> tuple[Metric, int | None]:
    """The metric and list length that a column names. Raises InputError where it names none.

    >>> metric, k = parse_column("hit_rate@50")
    >>> metric.name, k
    ('hit_rate', 50)
    """
    name, at, length = text.partition("@")
    if name not in METRICS:
        raise InputError("metric", f"no metric is called '{name}'", did_you_mean(name, METRICS))
    metric = METRICS[name]
    if metric.has_k != bool(at) or (at and not re.fullmatch(r"[1-9][0-9]*", length)):
        wanted = f"{name}@10" if metric.has_k else name
        raise InputError("metric", f"'{text}' names no column of {name}", f"write it as '{wanted}'")
    return metric, int(length) if at else None


def is_primary(column: str) -> bool:
    """Whether a column has a value a user, so that models can be ranked by it with an interval."""
    return parse_column(column)[0].per == "user"


def metric_key(column: str) -> str:
    """The column as a key that MLflow takes.

    >>> metric_key("ndcg@10"), metric_key("rmse")
    ('ndcg_at_10', 'rmse')
    """
    return column.replace("@", "_at_")


def column_of_key(key: str) -> str:
    """The column that a key stands for.

    >>> column_of_key("hit_rate_at_10"), column_of_key("rmse")
    ('hit_rate@10', 'rmse')
    """
    return re.sub(r"_at_(?=[0-9]+$)", "@", key)

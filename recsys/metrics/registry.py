"""All metrics by name, and the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from recsys.errors import InputError, did_you_mean
from recsys.metrics.auc import auc
from recsys.metrics.calibration import SMOOTHING, calibration
from recsys.metrics.coverage import coverage
from recsys.metrics.diversity import diversity
from recsys.metrics.gini import gini
from recsys.metrics.hit_rate import hit_rate
from recsys.metrics.map import average_precision
from recsys.metrics.mrr import mrr
from recsys.metrics.ndcg import ndcg
from recsys.metrics.novelty import novelty
from recsys.metrics.popularity_bias import popularity_bias, popularity_lift
from recsys.metrics.precision import precision
from recsys.metrics.recall import recall
from recsys.metrics.reciprocal_rank import reciprocal_rank
from recsys.metrics.serendipity import serendipity
from recsys.metrics.topk_accuracy import topk_accuracy
from recsys.metrics.value_errors import PLAIN, SQUARES, Pool, mae, rmse


@dataclass(frozen=True)
class Metric:
    """A metric and what is known about it.

    needs: what `compute` reads: hits (hits, n_relevant, k), items (lists, context, k), hits and items (hits, lists,
    context, k), ranks (Ranks of the relevant items), row ranks (Ranks of all test rows with seen items left in, k) or
    values (predicted, actual, user, n_users). reads: the optional parts of a context that it needs. per: a value a
    user, or one for the whole set. pool: how users' values make one; None: their mean. definition: the choices that
    others make differently, for the passport.
    """

    name: str
    compute: Callable[..., Any]
    needs: Literal["hits", "items", "hits and items", "ranks", "row ranks", "values"]
    definition: dict[str, str]
    per: Literal["user", "set"] = "user"
    has_k: bool = True
    higher_is_better: bool = True
    pool: Pool | None = None
    reads: tuple[str, ...] = ()

    @property
    def of_lists(self) -> bool:
        """Whether lists are all of a model that it looks at."""
        return self.needs in ("hits", "items", "hits and items")


_POPULARITY = {"popularity": "users with item / users", "divisor": "|L|", "empty_list": "as if everybody had its items"}
_ALL = (
    Metric("ndcg", ndcg, "hits", {"gain": "binary", "discount": "1/log2(rank+1)", "divisor": "ideal of min(k, |R|)"}),
    Metric("recall", recall, "hits", {"divisor": "|R|"}),
    Metric("precision", precision, "hits", {"divisor": "k"}),
    Metric("map", average_precision, "hits", {"divisor": "min(k, |R|)"}),
    Metric("mrr", mrr, "hits", {"cut": "k"}),
    Metric("hit_rate", hit_rate, "hits", {}),
    Metric("coverage", coverage, "items", {"divisor": "candidate items"}, per="set"),
    Metric("novelty", novelty, "items", {"information": "-log2(max(1, users with item) / users)", "divisor": "|L|"}),
    Metric("gini", gini, "items", {"over": "candidate items"}, per="set", higher_is_better=False),
    Metric("popularity_bias", popularity_bias, "items", _POPULARITY, higher_is_better=False),
    Metric(
        "popularity_lift",
        popularity_lift,
        "items",
        _POPULARITY | {"against": "the user's training positives", "lift": "ratio - 1"},
        higher_is_better=False,
        reads=("history",),
    ),
    Metric(
        "serendipity",
        serendipity,
        "hits and items",
        {"unexpected": "not among the user's k most popular unseen items", "divisor": "k"},
        reads=("seen",),
    ),
    Metric(
        "diversity",
        diversity,
        "items",
        {"likeness": "cosine of features as ones", "pairs": "of items with features"},
        reads=("features",),
    ),
    Metric(
        "calibration",
        calibration,
        "items",
        {
            "divergence": "KL(history, list), natural logarithm",
            "smoothing": str(SMOOTHING),
            "genres": "first column of labels, else of categories",
            "empty_list": "worst",
        },
        higher_is_better=False,
        reads=("history", "genres"),
    ),
    Metric("reciprocal_rank", reciprocal_rank, "ranks", {"cut": "none"}, has_k=False),
    Metric("auc", auc, "ranks", {"unreachable": "behind all", "all relevant": "1"}, has_k=False),
    Metric(
        "topk_accuracy",
        topk_accuracy,
        "row ranks",
        {"mean": "rows", "relevance": "every test row", "truth": "rows, unreachable ones included", "seen": "left in"},
        pool=PLAIN,
    ),
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


def reads(metrics: Iterable[str]) -> set[str]:
    """The optional parts of a Context that any of these metrics reads."""
    return {part for name in metrics for part in METRICS[name].reads}


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

"""The passport of a number: every choice that its definition makes. Numbers are compared under one passport only."""

from __future__ import annotations

from typing import Any

from recsys.metrics.registry import parse_column
from recsys.store import digest


def passport(
    column: str, *, exclude_seen: bool, users: str, candidates: str, positive: float | None, refit: bool
) -> dict[str, Any]:
    """The choices behind a column, as plain JSON.

    users: "warm" or "all". candidates: "train", "catalogue" or what names a candidates file for good, such as its
    digest. positive: the threshold of relevance, None where every row counts.
    """
    metric, k = parse_column(column)
    choices: dict[str, Any] = {
        "metric": metric.name,
        "k": k,
        "users": users,
        "refit": refit,
        "mean": "users",
        # Decides who is counted, also where values are measured.
        "relevance": "every test row" if positive is None else f"value >= {float(positive)!r}",
        **metric.definition,
    }
    if metric.needs == "values":
        return choices
    of_lists = {
        "truth": "set of items, unreachable ones included",
        "seen": "left out" if exclude_seen else "left in",
        "candidates": candidates,
        "ties": "score descending, then item ascending",
        "empty_list": 0,
    }
    return choices | of_lists | metric.definition


def passport_hash(column: str, **choices: Any) -> str:
    """The first 12 hexadecimal digits of the digest of a passport, whose arguments it takes."""
    return digest(passport(column, **choices))[:12]

"""Two leaderboards of one experiment, number by number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recsys.comparison.leaderboard import ABOUT, MEASURED

if TYPE_CHECKING:
    import pandas as pd


def differences(then: pd.DataFrame, now: pd.DataFrame) -> list[dict[str, Any]]:
    """Every number of either leaderboard but the measured ones: model, column, then, now, difference.

    A number that only one of them has is None in the other, and has no difference; models in the order of `then`.
    """
    old, new = _numbers(then), _numbers(now)
    found = []
    for model, column in dict.fromkeys([*old, *new]):
        was, is_now = old.get((model, column)), new.get((model, column))
        step = None if was is None or is_now is None else is_now - was
        found.append({"model": model, "column": column, "then": was, "now": is_now, "difference": step})
    return found


def largest(found: Sequence[Mapping[str, Any]]) -> float:
    """The largest difference without its sign; 0 where there is none."""
    return max((abs(each["difference"]) for each in found if each["difference"] is not None), default=0.0)


def _numbers(leaderboard: pd.DataFrame) -> dict[tuple[str, str], float]:
    columns = [
        name for name in leaderboard.select_dtypes("number").columns if name not in ABOUT and name not in MEASURED
    ]
    return {
        (row["model"], name): float(row[name])
        for row in leaderboard.to_dict(orient="records")
        for name in columns
        if math.isfinite(row[name])
    }

"""The leaderboard as text: what the terminal and the Prefect UI show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from recsys.comparison.leaderboard import OK, SPREADS, spread_column
from recsys.metrics.registry import METRICS

if TYPE_CHECKING:
    import pandas as pd

BAR: Final = 18
MOST = 6
NAME, INTERVAL, GROUP, TUNED = "model", "95 % interval", "group", "tuned"


def text_board(frame: pd.DataFrame, primary: str) -> list[dict[str, str]]:
    """A row a model, best first, by column: the primary metric with its interval as text and bar, what it varies over,
    the other metrics of its length, cost. All rows have the same columns.

    Models that share a letter in `group` cannot be told apart. A failed one has its reason in place of the interval.
    `tuned` is there where any model was tuned; a control leaves it empty.
    """
    spreads = {name: f"sd {over}" for over in SPREADS if (name := spread_column(primary, over)) in frame}
    spreads = {name: title for name, title in spreads.items() if frame[name].notna().any()}
    numbers = spreads | {name: name for name in _others(frame, primary)}
    ends = float(frame[f"{primary}_low"].min(skipna=True)), float(frame[f"{primary}_high"].max(skipna=True))
    with_tuned = bool(frame["tuned"].any())
    return [_row(row, primary, numbers, ends, with_tuned) for row in frame.to_dict(orient="records")]


def _row(
    row: Mapping[Any, Any], primary: str, numbers: Mapping[str, str], ends: tuple[float, float], with_tuned: bool
) -> dict[str, str]:
    failed, low, high = row["status"] != OK, row[f"{primary}_low"], row[f"{primary}_high"]
    around = "" if math.isnan(low) else f"{low:.4f} {_bar(row, primary, ends)} {high:.4f}"
    shown = {
        NAME: f"{row['model']}{' (control)' if row['control'] else ''}",
        primary: "failed" if failed else _number(row[primary]),
        INTERVAL: row["status"] if failed else around,
        "to best": _difference(row["difference_to_best"]),
        GROUP: row["group"] if isinstance(row["group"], str) else "",
        **{title: _number(row[name]) for name, title in numbers.items()},
        "fit s": _number(row["fit_seconds"], 1),
        "peak MB": _number(row["peak_memory_mb"], 0),
    }
    if with_tuned:
        shown[TUNED] = "" if row["control"] else "yes" if row["tuned"] else "no"
    return (
        {**dict.fromkeys(shown, ""), **{name: shown[name] for name in (NAME, primary, INTERVAL)}} if failed else shown
    )


def _others(frame: pd.DataFrame, primary: str) -> list[str]:
    """Columns beside the primary: of its length, or without any."""
    length = primary.rpartition("@")[2]
    return [
        name
        for name in frame.columns
        if name != primary
        and (name.endswith(f"@{length}") or (name in METRICS and not METRICS[name].has_k))
        and frame[name].notna().any()
    ][:MOST]


def _bar(row: Mapping[Any, Any], primary: str, ends: tuple[float, float]) -> str:
    """The interval on the scale of all intervals, `────━┿━──`."""
    first, last = ends
    scale = (BAR - 1) / (last - first) if last > first else 0.0
    low, middle, high = (round((row[name] - first) * scale) for name in (f"{primary}_low", primary, f"{primary}_high"))
    return "".join("┿" if i == middle else "━" if low <= i <= high else "·" for i in range(BAR))


def _number(value: float, digits: int = 4) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _difference(value: float) -> str:
    return "" if math.isnan(value) else "best" if value == 0 else f"{value:+.4f}"

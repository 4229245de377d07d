"""The leaderboard as a table in the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from recsys.metrics.registry import METRICS

if TYPE_CHECKING:
    import pandas as pd

BAR = 18
REASON = 60


def leaderboard_table(frame: pd.DataFrame, primary: str) -> Table:
    """Rows best first: the primary metric with its interval as text and bar, the other metrics of its length, cost.

    Models that share a letter in `group` cannot be told apart.
    """
    length = primary.rpartition("@")[2]
    others = [
        name
        for name in frame.columns
        if name != primary
        and (name.endswith(f"@{length}") or (name in METRICS and not METRICS[name].has_k))
        and frame[name].notna().any()
    ][:6]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column("model", no_wrap=True)
    table.add_column(primary, justify="right", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    table.add_column("to best", justify="right", no_wrap=True)
    table.add_column("group", no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    table.add_column("fit s", justify="right")
    table.add_column("peak MB", justify="right")
    low, high = f"{primary}_low", f"{primary}_high"
    ends = float(frame[low].min(skipna=True)), float(frame[high].max(skipna=True))
    for row in frame.to_dict(orient="records"):
        name = f"{row['model']}{' (control)' if row['control'] else ''}"
        if row["status"] != "ok":
            table.add_row(f"[red]{name}[/red]", "failed", escape(_short(row["status"])), *[""] * (len(others) + 4))
            continue
        interval = "" if math.isnan(row[low]) else f"{row[low]:.4f} {_bar(row, primary, ends)} {row[high]:.4f}"
        table.add_row(
            f"[dim]{name}[/dim]" if row["control"] else name,
            f"[bold]{_number(row[primary])}[/bold]",
            interval,
            _difference(row["difference_to_best"]),
            row["group"] if isinstance(row["group"], str) else "",
            *[_number(row[other]) for other in others],
            _number(row["fit_seconds"], 1),
            _number(row["peak_memory_mb"], 0),
        )
    return table


def _bar(row: dict[Any, Any], primary: str, ends: tuple[float, float]) -> str:
    """The interval on the scale of all intervals, `────━┿━──`."""
    first, last = ends
    scale = (BAR - 1) / (last - first) if last > first else 0.0
    low, middle, high = (round((row[name] - first) * scale) for name in (f"{primary}_low", primary, f"{primary}_high"))
    cells = ["┿" if i == middle else "━" if low <= i <= high else "·" for i in range(BAR)]
    return "".join(cells)


def _number(value: float, digits: int = 4) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _difference(value: float) -> str:
    return "" if math.isnan(value) else "best" if value == 0 else f"{value:+.4f}"


def _short(reason: str) -> str:
    """Why a model failed, in the room there is: it stands above the table and in leaderboard.csv in full."""
    return reason if len(reason) <= REASON else f"{reason[: REASON - 1]}…"

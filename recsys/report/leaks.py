"""What the leak checks found, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recsys.report.board import Board
from recsys.report.figures.base import Table
from recsys.report.words import MISSING, column_name, count, listed, number


def leaks_table(board: Board) -> Table | None:
    """A row a check and fold: how many rows, which, and what a metric would be with the leak closed."""
    found: list[Mapping[str, Any]] = board.manifest.get("leaks", [])
    rows = tuple(
        (
            each["check"].replace("_", " "),
            each["fold"] or MISSING,
            count(each["count"]),
            each["rows"],
            "; ".join(_closed(each, board)) or MISSING,
        )
        for each in found
    )
    header = ("Check", "Fold", "Rows", "Which", "With the leak closed")
    return Table("Leaks: rows, and what they are worth", header, rows) if rows else None


def _closed(leak: Mapping[str, Any], board: Board) -> Iterator[str]:
    """The values before and after: those the check knows, and of the best model and the controls."""
    for metric, (value, closed) in leak["values"].items():
        yield f"{metric} {number(value)} → {number(closed)}"
    shown = [row.label for row in board.ranked if row is board.best or row.control]
    told = [label for label in shown if label in leak["models"]]
    if told:
        pairs = [f"{label} {number(leak['models'][label][0])} → {number(leak['models'][label][1])}" for label in told]
        yield f"{column_name(board.primary)} {listed(pairs)}"

"""What a backtest found, as a table and as plain values."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recsys.comparison.backtest import Age, Course, Held, Policy
from recsys.splits.config import microseconds


@dataclass(frozen=True)
class Period:
    """A stretch of time. start, end: microseconds since 1970, end not included. users: who counts in it."""

    start: int
    end: int
    rows: int
    users: int


@dataclass(frozen=True)
class Backtest:
    """Models over time. column: the primary metric. every: length of a period. periods: oldest first. courses: in the
    order of the experiment. failures: why models are missing, by label. warm: only users with rows before count.
    """

    name: str
    column: str
    every: str
    periods: tuple[Period, ...]
    courses: tuple[Course, ...]
    failures: Mapping[str, str] = field(default_factory=dict)
    warm: bool = True

    @property
    def length(self) -> int:
        """Of a period, microseconds."""
        return microseconds(self.every)

    def to_csv(self) -> str:
        """A row for every age and policy of every model, full precision, empty where nothing is known."""
        rows = [
            {"model": course.label, "control": course.control, "kind": kind, **plain(held, self.column)}
            for course in self.courses
            for kind, each in (("age", course.ages), ("policy", course.policies))
            for held in each
        ]
        text = io.StringIO()
        writer = csv.DictWriter(text, header(self.column), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows([{name: "" if value is None else value for name, value in row.items()} for row in rows])
        return text.getvalue()


def header(column: str) -> list[str]:
    """The columns of backtest.csv."""
    bounds = [f"{name}{end}" for name in (column, "difference", "loss") for end in ("", "_low", "_high")]
    about = ["model", "control", "kind", "steps", "periods", "users"]
    return [*about, *bounds, "reference", "fits", "cpu_seconds"]


def plain(held: Held, column: str) -> dict[str, Any]:
    """The numbers of an age or policy under the names of backtest.csv, null where there are none."""
    found: dict[str, Any] = {"steps": held.steps, "users": held.users, "reference": held.reference}
    for name, interval in ((column, held.value), ("difference", held.difference), ("loss", held.loss)):
        found |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    if isinstance(held, Age):
        found["periods"] = held.periods
    if isinstance(held, Policy):
        found |= {"fits": held.fits, "cpu_seconds": held.cpu_seconds}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in found.items()}

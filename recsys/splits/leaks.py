"""Checks of a fold: whether its test says something about the future or only repeats what models were told.

Every check takes the same Case and returns a Finding or None; adding one is a function and a place in CHECKS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from recsys.config import BoolArray, IntArray
from recsys.data.dataset import Dataset
from recsys.errors import InputError
from recsys.splits.account import positives
from recsys.splits.fold import Fold, shown_rows

SHOWN = 3


@dataclass(frozen=True, eq=False)
class Finding:
    """What a check found. An error stops the flow; a warning is printed and stands in the report.

    rows: row numbers of the Dataset, ascending; `count` of them. remedy: what to do. fold: the name of the fold.
    """

    check: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str
    count: int
    rows: IntArray
    fold: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """What the checks look at: a fold, and how it will be evaluated."""

    data: Dataset
    fold: Fold
    positive: float | None = None
    exclude_seen: bool = True
    refit: bool = True

    @cached_property
    def seen(self) -> IntArray:
        """Rows that the final model has read."""
        return shown_rows(self.data, self.fold, self.refit)

    @cached_property
    def repeated(self) -> IntArray:
        """Test rows whose user has the same item among the rows seen, ascending."""
        return self.fold.test[_among(self.pairs(self.fold.test), self.pairs(self.seen))]

    def pairs(self, rows: IntArray) -> IntArray:
        """One number for each row's user and item, (n,) int64."""
        return self.data.user[rows].astype(np.int64) * len(self.data.items) + self.data.item[rows]

    def where(self, rows: IntArray) -> str:
        """The first few rows, in words."""
        data = self.data
        named = [
            f"{self._number(int(row))} (user {data.users.ids[data.user[row]]}, item {data.items.ids[data.item[row]]})"
            for row in rows[:SHOWN]
        ]
        return ("first: " if len(rows) > len(named) else "") + ", ".join(named)

    def _number(self, row: int) -> str:
        """A row by its number in the data; one of a test file by its number there. Headers are not counted."""
        part = self.data.part
        if part is None or not part[row]:
            return f"row {row + 1:,}"
        return f"test row {np.count_nonzero(part[: row + 1] == part[row]):,}"


def no_positives(case: Case) -> Finding | None:
    """A test part without positives measures nothing."""
    if len(positives(case.data, case.fold.test, case.positive)):
        return None
    test, value = case.fold.test, case.data.value
    largest = f"; the largest value there is {value[test].max():g}" if value is not None and len(test) else ""
    return Finding(
        check="no_positives",
        severity="error",
        message=f"none of the {len(test):,} test rows is a positive (value {case.positive} or more){largest}",
        remedy="lower `positive`, or leave it out to count every row",
        count=len(test),
        rows=test,
    )


def rows_on_both_sides(case: Case) -> Finding | None:
    """The same event on both sides: one user, item and time. Without times the next check is all one can know."""
    repeated, timestamp = case.repeated, case.data.timestamp
    if timestamp is None or not len(repeated):
        return None
    suspects = case.seen[_among(case.pairs(case.seen), case.pairs(repeated))]
    both = np.concatenate([suspects, repeated])
    event = _numbered(case.pairs(both), timestamp[both])
    rows = repeated[_among(event[len(suspects) :], event[: len(suspects)])]
    if not len(rows):
        return None
    return Finding(
        check="rows_on_both_sides",
        severity="error",
        message=f"{len(rows):,} of {len(case.fold.test):,} test rows are in the training part too, with the same user, "
        f"item and time; {case.where(rows)}",
        remedy=_REPEATS,
        count=len(rows),
        rows=rows,
    )


def _numbered(pair: IntArray, time: IntArray) -> IntArray:
    """A number for each different (pair, time), (n,): an order of magnitude faster than np.unique over an axis."""
    order = np.lexsort((time, pair))
    changes = (np.diff(pair[order]) != 0) | (np.diff(time[order]) != 0)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.concatenate([[0], np.cumsum(changes)])
    return number


def positives_already_seen(case: Case) -> Finding | None:
    """Under exclude_seen a pair that was seen is left out of every list, so that no model can find it."""
    if not case.exclude_seen:
        return None
    rows = positives(case.data, case.repeated, case.positive)
    if not len(rows):
        return None
    return Finding(
        check="positives_already_seen",
        severity="error",
        message=f"{len(rows):,} test positives are pairs of user and item seen in training, which "
        f"evaluation.exclude_seen leaves out of every list; {case.where(rows)}",
        remedy=f"{_REPEATS}; where users come back to items, set evaluation.exclude_seen: false",
        count=len(rows),
        rows=rows,
    )


def _among(keys: IntArray, others: IntArray) -> BoolArray:
    """Which keys are among the others. What both have is found in sorted order: np.isin takes 30 times as long."""
    common = _common(np.sort(keys), np.sort(others))
    if not len(common):
        return np.zeros(len(keys), dtype=bool)
    return common[np.searchsorted(common, keys).clip(max=len(common) - 1)] == keys


def _common(keys: IntArray, others: IntArray) -> IntArray:
    """Those of the keys that are among the others; both ascending."""
    if not len(others):
        return keys[:0]
    return keys[others[np.searchsorted(others, keys).clip(max=len(others) - 1)] == keys]


_REPEATS = "keep one row of each pair with data.duplicates: first, last or sum, or remove these rows from the test"

CHECKS: tuple[Callable[[Case], Finding | None], ...] = (no_positives, rows_on_both_sides, positives_already_seen)


def check_fold(case: Case) -> list[Finding]:
    """What all checks find, errors first."""
    found = [replace(finding, fold=case.fold.name) for check in CHECKS if (finding := check(case)) is not None]
    return sorted(found, key=lambda finding: finding.severity != "error")


def refuse_errors(findings: list[Finding]) -> None:
    """Raise InputError for the first error among the findings."""
    for finding in findings:
        if finding.severity == "error":
            raise InputError(f"split, {finding.fold}" if finding.fold else "split", finding.message, finding.remedy)

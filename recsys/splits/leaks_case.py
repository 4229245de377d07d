"""What the checks of a fold look at, and what they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from recsys.config import BoolArray, IntArray
from recsys.data.dataset import Dataset
from recsys.splits.account import positives
from recsys.splits.fold import Fold, shown_rows

SHOWN = 3


@dataclass(frozen=True, eq=False)
class Finding:
    """What a check found. An error stops the flow; a warning is printed and stands in the report.

    rows: row numbers of the Dataset, ascending; `count` of them. remedy: what to do. removable: whether the leak is
    closed by leaving these rows, of the test part, uncounted. values: what a metric is, and what it would be with the
    leak closed, by the name of the metric; where the check knows it. fold: the name of the fold.
    """

    check: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str
    count: int
    rows: IntArray
    removable: bool = False
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fold: str = ""

    @property
    def text(self) -> str:
        """What was found and what to do."""
        return f"{self.message}; {self.remedy}"

    def facts(self, where: str) -> dict[str, Any]:
        """The finding as plain JSON; where: its first rows, in words."""
        plain = {name: getattr(self, name) for name in ("check", "severity", "message", "remedy", "count", "fold")}
        return {**plain, "rows": where, "values": {name: list(pair) for name, pair in self.values.items()}}


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
    def known(self) -> IntArray:
        """Rows that are known before the test is looked at: all that a feature may be made of, ascending."""
        fold = self.fold
        return np.sort(np.concatenate([fold.train, fold.validation, fold.history]))

    @cached_property
    def truth(self) -> IntArray:
        """Test rows that are positives, ascending."""
        return positives(self.data, self.fold.test, self.positive)

    @cached_property
    def in_training(self) -> BoolArray:
        """Which items have a row among those seen, (n_items,)."""
        return np.bincount(self.data.item[self.seen], minlength=len(self.data.items)) > 0

    @cached_property
    def findable(self) -> IntArray:
        """Test rows that are positives on items with a row among those seen, ascending."""
        return self.truth[self.in_training[self.data.item[self.truth]]]

    @cached_property
    def repeated(self) -> IntArray:
        """Test rows whose user has the same item among the rows seen, ascending."""
        return self.fold.test[among(self.pairs(self.fold.test), self.pairs(self.seen))]

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


def among(keys: IntArray, others: IntArray) -> BoolArray:
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

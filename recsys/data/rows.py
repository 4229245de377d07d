"""Rows of interactions while they are cleaned: duplicates settled, rare users and items dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.config import BoolArray, IntArray
from recsys.data.config import DataOptions, Duplicates
from recsys.data.dataset import in_time


@dataclass(frozen=True, eq=False)
class Rows:
    """Coded interactions, (n,) each: user and item as positions, the others or None as in Dataset (value: float64)."""

    user: IntArray
    item: IntArray
    value: NDArray[np.float64] | None = None
    timestamp: IntArray | None = None
    part: NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.user)

    def take(self, kept: IntArray | BoolArray) -> Rows:
        """These rows, by position or mask."""

        def of(array: Any) -> Any:
            return None if array is None else array[kept]

        return Rows(self.user[kept], self.item[kept], of(self.value), of(self.timestamp), of(self.part))

    def pairs(self) -> IntArray:
        """A number for each user and item within a part, (n,)."""
        key = self.user.astype(np.int64) * (int(self.item.max(initial=0)) + 1) + self.item
        return key if self.part is None else key * 3 + self.part

    def to_split(self) -> BoolArray:
        """Which rows are still to be split, (n,): all but those of a test or validation file."""
        return np.ones(len(self), bool) if self.part is None else self.part == 0


def settle(rows: Rows, policy: Duplicates, refuse: Callable[[IntArray, IntArray], None]) -> Rows:
    """One row for each user and item within a part, as `duplicates` has it; the rows left keep their order.

    first, last: that row in time. sum: the last row in time, with the sum of the values, a row counting 1 where there
    are none. keep: all rows. error: calls `refuse` with the rows that repeat a pair and the first row of each.
    """
    if policy == "sum" and rows.value is None:
        rows = replace(rows, value=np.ones(len(rows)))
    if policy == "keep":
        return rows
    pairs = rows.pairs()
    often = _often(pairs)
    if not len(often):
        return rows
    key = pd.Series(pairs[often])
    if policy == "error":
        repeats = np.flatnonzero(key.duplicated())
        first = key.drop_duplicates()
        refuse(often[repeats], often[pd.Series(first.index, index=first.to_numpy())[key.iloc[repeats]].to_numpy()])
    order = in_time(None if rows.timestamp is None else rows.timestamp[often], len(often))
    dropped = key.iloc[order].duplicated(keep="first" if policy == "first" else "last").to_numpy()
    kept = np.ones(len(rows), dtype=bool)
    kept[often[order[dropped]]] = False
    if policy == "sum" and rows.value is not None:
        _, group = np.unique(key.to_numpy(), return_inverse=True)
        value = rows.value.copy()
        value[often] = np.bincount(group, weights=value[often])[group]
        rows = replace(rows, value=value)
    return rows.take(kept)


def _often(pairs: IntArray) -> IntArray:
    """The rows whose pair stands more than once, ascending. By sorting: hashing takes 20 times as long."""
    ordered = np.sort(pairs)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return twice
    return np.flatnonzero(np.append(twice, -1)[np.searchsorted(twice, pairs)] == pairs)


def drop_rare(rows: Rows, options: DataOptions) -> tuple[Rows, dict[str, int]]:
    """The rows left when every user and item that is to be split has rows enough, and how many fell for which reason.

    Dropping users makes items rare and the other way round, so both are dropped in turn until nothing changes. Rows of
    a test or validation file stay, and do not count.
    """
    counted = rows.to_split()
    alive = counted.copy()
    dropped = {"dropped_min_user_count": 0, "dropped_min_item_count": 0}
    limits = {
        "dropped_min_user_count": (rows.user, options.min_user_count),
        "dropped_min_item_count": (rows.item, options.min_item_count),
    }
    changed = True
    while changed:
        changed = False
        for reason, (codes, least) in limits.items():
            enough = np.bincount(codes[alive], minlength=int(codes.max(initial=0)) + 1) >= least
            fall = alive & ~enough[codes]
            n_fallen = int(np.count_nonzero(fall))
            dropped[reason] += n_fallen
            alive &= ~fall
            changed |= n_fallen > 0
    return (rows if alive.sum() == counted.sum() else rows.take(alive | ~counted)), dropped

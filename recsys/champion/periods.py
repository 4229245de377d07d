"""Rows in time, cut back from the newest into periods of equal length, and what each period looks like."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Dataset

EARLIER = 60
MOST_NEW = 30
MOST_LEVELS = 100
SAMPLED = 1_000_000
# Rows of an average item that the mean value of an item is drawn to.
DRAWN = 5


@dataclass(frozen=True, eq=False)
class Periods:
    """Rows of the newest periods, and what was before.

    Periods count back from the newest, 0: the first `n_new` hold the new rows, `n_earlier` of the same length come
    before them. period, user, item: (n,) of each row in any of these periods. value, rank: (n,) or None; rank: the
    share of the rows before the new ones whose value is smaller. counts, ranks: (n_items,) rows before the new ones,
    however old, and the sums of their ranks or None. first_user, first_item: (n,) whether the row's period is the one
    in which its user, its item was first seen. repeats: (n,) whether the user had the item before. low, high: bounds of
    the values before the new rows.
    """

    n_new: int
    n_earlier: int
    length: int
    n_users: int
    n_items: int
    period: IntArray
    user: IntArray
    item: IntArray
    value: FloatArray | None
    rank: FloatArray | None
    counts: IntArray
    ranks: FloatArray | None
    first_user: BoolArray
    first_item: BoolArray
    repeats: BoolArray
    low: float
    high: float

    def __len__(self) -> int:
        return self.n_new + self.n_earlier

    def total(self, of: FloatArray | BoolArray | None = None) -> FloatArray:
        """Rows of each period, or sums over them, (periods,)."""
        return sums_by(self.period, np.ones(len(self.period)) if of is None else of, len(self))

    @cached_property
    def by_user(self) -> Groups:
        """Rows of one user within a period."""
        return Groups.of(self.period, self.user, self.n_users)

    @cached_property
    def by_item(self) -> Groups:
        """Rows on one item within a period."""
        return Groups.of(self.period, self.item, self.n_items)

    @cached_property
    def share(self) -> FloatArray:
        """(n,) weight of each row that makes all users of a period weigh the same."""
        return 1 / self.by_user.size[self.by_user.group]


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows by period and user, or period and item. group: (n,) of each row. size, period: (groups,)."""

    group: IntArray
    size: IntArray
    period: IntArray

    @classmethod
    def of(cls, period: IntArray, code: IntArray, n: int) -> Groups:
        keys, group, size = np.unique(period.astype(np.int64) * n + code, return_inverse=True, return_counts=True)
        return cls(group, size, keys // n)

    def largest(self, periods: int, size: IntArray | FloatArray | None = None) -> FloatArray:
        """The largest group of each period, (periods,); size: (groups,) another size than rows."""
        most = np.zeros(periods)
        np.maximum.at(most, self.period, self.size if size is None else size)
        return most


def periods_of(data: Dataset, until: int, since: int | None, length: int) -> Periods:
    """The rows not after `until`, those after `since` being new; times in microseconds.

    since: None: the newest period alone is new. length: of a period; new rows of a longer span make several, which
    share it evenly, 30 at most. Up to 60 whole periods before `since` are looked at.
    """
    times = np.asarray(data.timestamp)
    since = until - length if since is None else min(since, until)
    n_new = min(MOST_NEW, max(1, round((until - since) / length)))
    length = max(1, -(-(until - since) // n_new))
    known = np.flatnonzero(times <= until)
    old = known[times[known] <= since]
    first = int(times[old].min()) if len(old) else since
    n_earlier = min(EARLIER, (since - first + 1) // length)
    period = np.where(
        times[known] > since,
        np.minimum((until - times[known]) // length, n_new - 1),
        n_new + (since - times[known]) // length,
    )
    looked_at = period < n_new + n_earlier
    rows, period = known[looked_at], period[looked_at]
    n_users, n_items = len(data.users), len(data.items)
    starts = np.append(until - (np.arange(n_new) + 1) * length, since - (np.arange(n_earlier) + 1) * length)[period]
    user, item = np.asarray(data.user), np.asarray(data.item)
    values = None if data.value is None else np.asarray(data.value)
    ranks = None if values is None or not len(old) else _ranks(values, old)
    seen = np.array([-np.inf, np.inf]) if values is None or not len(old) else values[old]
    return Periods(
        n_new=n_new,
        n_earlier=int(n_earlier),
        length=length,
        n_users=n_users,
        n_items=n_items,
        period=period,
        user=user[rows],
        item=item[rows],
        value=None if values is None else values[rows],
        rank=None if ranks is None else ranks[rows],
        counts=np.bincount(item[old], minlength=n_items),
        ranks=None if ranks is None else sums_by(item[old], ranks[old], n_items),
        first_user=_first(user[known], times[known], n_users)[user[rows]] > starts,
        first_item=_first(item[known], times[known], n_items)[item[rows]] > starts,
        repeats=_repeats(user, item, times, known, n_items)[rows],
        low=float(seen.min()),
        high=float(seen.max()),
    )


def sums_by(code: IntArray, of: FloatArray | BoolArray, n: int) -> FloatArray:
    """(n,) sums over the rows of each code."""
    return np.bincount(code, weights=of, minlength=n).astype(np.float64)


def _first(code: IntArray, times: IntArray, n: int) -> IntArray:
    """When each user or item was first seen, (n,)."""
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, code, times)
    return first


def _repeats(user: IntArray, item: IntArray, times: IntArray, known: IntArray, n_items: int) -> BoolArray:
    """(all rows,) whether an earlier row has the same user and item."""
    order = known[np.argsort(times[known], kind="stable")]
    _, first = np.unique(user[order].astype(np.int64) * n_items + item[order], return_index=True)
    again = np.ones(len(order), dtype=bool)
    again[first] = False
    repeats = np.zeros(len(user), dtype=bool)
    repeats[order] = again
    return repeats


def _ranks(value: FloatArray, old: IntArray) -> FloatArray:
    """The share of the old rows below each value, and half of those equal to it, (all rows,).

    Ranks say the same of stars, of counts with a long tail, and of anything else that is ordered.
    """
    sample = value[old[:: -(-len(old) // SAMPLED)]]
    levels = np.unique(sample)
    if len(levels) > MOST_LEVELS:
        levels = np.unique(np.quantile(sample, np.linspace(0, 1, MOST_LEVELS)))
    code = np.clip(np.searchsorted(levels, value, side="right") - 1, 0, None)
    shares = np.bincount(code[old], minlength=len(levels)) / len(old)
    return (np.cumsum(shares) - shares / 2)[code]

"""One joint bootstrap over users: intervals of every column, and of every difference between two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.config import FloatArray

Draws = NDArray[np.uint8]

FEWEST_USERS = 30
# Users drawn in one go: 16 bytes each, 32 MB in all.
BLOCK = 2**21
# Users that are drawn one by one. More are put into so many groups, and groups are drawn: ten million users would take
# an hour. The width of an interval then has an error of its own of 1 in 700, below that of 10,000 resamples.
MOST_UNITS = 2**18
# A byte for each user of each resample.
KEPT = 100_000_000


class Interval(NamedTuple):
    """A value with the bounds of its confidence interval, NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Means over users as measured and in every resample, the same resamples for all columns.

    observed: (columns,). resampled: (resamples, columns). note: why there are no intervals, or None.
    """

    observed: FloatArray
    resampled: FloatArray
    level: float = 0.95
    note: str | None = None

    def intervals(self) -> FloatArray:
        """Value, low and high of each column, (columns, 3)."""
        return self._with_bounds(self.observed, self.resampled)

    def interval(self, column: int) -> Interval:
        """The mean of a column."""
        return Interval(*self._with_bounds(self.observed[[column]], self.resampled[:, [column]])[0].tolist())

    def difference(self, column: int, other: int) -> Interval:
        """The mean of one column minus that of another, on the same users."""
        return Interval(*self.differences(other)[column].tolist())

    def differences(self, other: int) -> FloatArray:
        """Value, low and high of each column minus one of them, (columns, 3)."""
        return self._with_bounds(self.observed - self.observed[other], self.resampled - self.resampled[:, [other]])

    def _with_bounds(self, observed: FloatArray, resampled: FloatArray) -> FloatArray:
        if not len(resampled):
            return np.stack([observed, np.full_like(observed, np.nan), np.full_like(observed, np.nan)], axis=1)
        tail = 50 * (1 - self.level)
        low, high = np.percentile(resampled, [tail, 100 - tail], axis=0)
        return np.stack([observed, low, high], axis=1)


def bootstrap(
    values: FloatArray, resamples: int = 10_000, seed: int = 0, level: float = 0.95, weights: FloatArray | None = None
) -> Bootstrap:
    """Draw users with replacement and average every column over each draw. Efron 1979; percentile intervals.

    values: (n_users, columns). weights: None, or (n_users, 1 or columns) for weighted means: test rows for an error of
    predicted values, 0 where a user has no value in a column (whatever stands there). The users drawn depend on seed
    and number of users alone: a model has the same interval in any company. Above 262,144 users, equally large groups
    of users, put together by chance, are drawn in their stead. A column of fewer than 30 users has no interval, and the
    note says so. Raises ValueError where a value that counts is NaN or infinite.
    """
    n_users = len(values)
    shares = np.ones((n_users, 1)) if weights is None else np.asarray(weights, dtype=np.float64)
    both = np.concatenate([values, shares], axis=1)
    summed = both[:, : values.shape[1]]
    if weights is not None:
        summed[np.broadcast_to(shares == 0, values.shape)] = 0
        summed *= shares
    if not np.isfinite(summed).all():
        raise ValueError("values to be averaged are NaN or infinite")
    counted = np.broadcast_to(np.count_nonzero(shares, axis=0), values.shape[1:])
    few = counted < FEWEST_USERS
    resampled = np.empty((0 if few.all() else resamples, values.shape[1]))
    start = 0
    for times, units in _draws(seed, len(resampled), both):
        block = resampled[start : start + len(times)]
        block[:] = _means(times.astype(np.float64) @ units, values.shape[1])
        start += len(times)
    resampled[:, few] = np.nan
    note = f"{counted.min()} users are too few for an interval, {FEWEST_USERS} are needed" if few.any() else None
    return Bootstrap(_means(both.sum(axis=0)[None], values.shape[1])[0], resampled, level, note)


def _means(totals: FloatArray, n_columns: int) -> FloatArray:
    """Weighted sums over sums of weights, which stand beside each other."""
    sums, weights = totals[:, :n_columns], np.broadcast_to(totals[:, n_columns:], (len(totals), n_columns))
    return np.divide(sums, weights, out=np.full(sums.shape, np.nan), where=weights > 0)


def _grouped(random: np.random.Generator, totals: FloatArray) -> FloatArray:
    """The sums over users in random groups, (MOST_UNITS, columns); no two groups differ by more than one user."""
    group = random.permutation(len(totals)) % MOST_UNITS
    return np.stack([np.bincount(group, weights=each, minlength=MOST_UNITS) for each in totals.T], axis=1)


def _draws(seed: int, resamples: int, totals: FloatArray) -> Iterator[tuple[Draws, FloatArray]]:
    """How often each resample holds each user or group, (resamples, units) in blocks, and the sums over these."""
    if len(totals) <= MOST_UNITS and resamples * len(totals) <= KEPT:
        return ((times, totals) for times in _kept_draws(seed, resamples, len(totals)))
    random = np.random.default_rng(seed)
    units = totals if len(totals) <= MOST_UNITS else _grouped(random, totals)
    return ((times, units) for times in _times_drawn(random, resamples, len(units)))


@lru_cache(maxsize=1)
def _kept_draws(seed: int, resamples: int, n_users: int) -> list[Draws]:
    """The draws of so few users that they are kept: every model of a comparison is averaged over the same ones."""
    return list(_times_drawn(np.random.default_rng(seed), resamples, n_users))


def _times_drawn(random: np.random.Generator, resamples: int, n_users: int) -> Iterator[Draws]:
    size = max(1, BLOCK // max(1, n_users))
    for start in range(0, resamples, size):
        # The numbers that 64 bits give, in two thirds of the time.
        drawn = random.integers(0, n_users, size=(min(size, resamples - start), n_users), dtype=np.int32)
        times = np.empty(drawn.shape, dtype=np.uint8)
        for row, users in zip(times, drawn, strict=True):
            row[:] = np.bincount(users, minlength=n_users)
        yield times

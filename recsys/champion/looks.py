"""What a period of rows looks like, as numbers that a made or broken feed changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsys.champion.periods import DRAWN, Periods, sums_by
from recsys.config import BoolArray, FloatArray, IntArray

Direction = Literal["up", "down", "both"]


@dataclass(frozen=True, eq=False)
class Look:
    """One number a period.

    values: (periods,), NaN where a period has none. size: (periods,) what its noise falls with, users or rows; None:
    the noise is that of the periods alone. direction: which way is suspicious. floor: the least that counts as usual,
    so that what never moves may move a little.
    """

    name: str
    values: FloatArray
    size: FloatArray | None
    direction: Direction
    floor: float


def looks(periods: Periods) -> Iterator[Look]:
    """All numbers of these periods. A period of the past is held against the rest of the past, a new one against all
    of it, so that the two can be compared."""
    rows, users = periods.total(), np.bincount(periods.by_user.period, minlength=len(periods)).astype(np.float64)
    if periods.rank is not None:
        yield Look("values", _value_distance(periods, periods.rank), users, "up", 0.03)
        yield Look("agreement", _agreement(periods, periods.rank), rows, "down", 0.08)
    yield Look("popularity", _popularity(periods), users, "both", 0.25)
    yield Look("top item", _over(periods.by_item.largest(len(periods)), rows), rows, "up", 0.02)
    yield Look("new items", _over(periods.total(periods.first_item), rows), rows, "up", 0.05)
    yield Look("top user", _over(periods.by_user.largest(len(periods)), rows), None, "up", 0.08)
    yield Look("new users", _over(periods.total(periods.first_user), rows), users, "up", 0.08)
    yield Look("rows a user", np.log2(np.maximum(_over(rows, users), 1)), None, "both", 0.35)


def _over(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _value_distance(periods: Periods, rank: FloatArray) -> FloatArray:
    """Mean distance between the distribution function of a period's values and that of the past, over the values of
    the past, all users alike: 0 for the same, 0.5 where all values lie on one side."""
    levels, code = np.unique(rank, return_inverse=True)
    histogram = np.zeros((len(periods), len(levels)))
    np.add.at(histogram, (periods.period, code), periods.share)
    past = histogram[periods.n_new :].sum(axis=0) - histogram * _of_the_past(periods)[:, None]
    mass = past / np.maximum(past.sum(axis=1, keepdims=True), 1e-12)
    own = histogram / np.maximum(histogram.sum(axis=1, keepdims=True), 1e-12)
    distance = (np.abs(np.cumsum(own, axis=1) - np.cumsum(mass, axis=1)) * mass).sum(axis=1)
    return np.where(histogram.sum(axis=1) > 0, distance, np.nan)


def _agreement(periods: Periods, rank: FloatArray) -> FloatArray:
    """Slope of values over the mean value that their items had in the past, within users: about 1 where values mean
    what they meant, 0 where they are shuffled, negative where they are turned round."""
    assert periods.ranks is not None
    counts, sums = _past_of_items(periods, periods.counts), _past_of_items(periods, periods.ranks, rank)
    average = periods.ranks.sum() / max(1, periods.counts.sum())
    expected = (sums + DRAWN * average) / (counts + DRAWN)
    x, y = (_within_users(periods, each) for each in (expected, rank))
    spread = periods.total(x * x)
    return np.divide(periods.total(x * y), spread, out=np.full(len(spread), np.nan), where=spread > 1e-9)


def _popularity(periods: Periods) -> FloatArray:
    """Mean of log2 of how often an item was taken in the past, beside the mean item; all users alike."""
    past = _past_of_items(periods, periods.counts)
    there = periods.counts[periods.counts > 0]
    mean = there.mean() if len(there) else 1.0
    return _over(periods.total(np.log2((past + 1) / mean) * periods.share), periods.total(periods.share))


def _past_of_items(periods: Periods, whole: FloatArray | IntArray, of: FloatArray | None = None) -> FloatArray:
    """(n,) sum over the past of each row's item, the row's own period left out."""
    groups = periods.by_item
    own = sums_by(groups.group, np.ones(len(groups.group)) if of is None else of, len(groups.size))
    return whole[periods.item].astype(np.float64) - np.where(
        _of_the_past(periods)[periods.period], own[groups.group], 0
    )


def _within_users(periods: Periods, of: FloatArray) -> FloatArray:
    """(n,) what is left of each row once the mean of its user in the period is taken off."""
    groups = periods.by_user
    return of - (sums_by(groups.group, of, len(groups.size)) / groups.size)[groups.group]


def _of_the_past(periods: Periods) -> BoolArray:
    return np.arange(len(periods)) >= periods.n_new

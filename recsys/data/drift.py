"""How the test rows of a split differ from its training rows, beside what a random draw of as many would show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.data.summary import moment

SEED = 42
FEWEST_RANKED = 3


def drift(
    data: Dataset, train: IntArray, test: IntArray, bars: Sequence[Mapping[str, float]] | None = None
) -> dict[str, Any]:
    """Values, items and users of both parts, as a plain JSON dict. train, test: row numbers.

    bars: the histogram of the values, as `summarise` gives it. train, test: {rows, first, last}. values: {bars: [{from,
    to, train, test}], train_mean, test_mean, distance}, or None; distance: the share of one part's rows that would
    need another bar to look like the other's. items, users: {new, rows_on_new, share_on_new, rank_correlation}: those
    of the test that no training row has, the test rows on them, and Spearman's correlation of how many rows each has
    in both parts, over all with rows in either (None for fewer than three, or where all are equal). by_chance: the same
    numbers where the test rows are drawn at random from both parts, for values the distance.
    """
    random = np.random.default_rng(SEED)
    return {
        "train": _span(data, train),
        "test": _span(data, test),
        "values": None if data.value is None or not bars else _values(data.value, train, test, bars, random),
        "items": _moved(data.item, len(data.items), train, test, random),
        "users": _moved(data.user, len(data.users), train, test, random),
    }


def _span(data: Dataset, rows: IntArray) -> dict[str, Any]:
    if data.timestamp is None or data.clock != "time":
        return {"rows": len(rows), "first": None, "last": None}
    times = data.timestamp[rows]
    return {"rows": len(rows), "first": moment(int(times.min())), "last": moment(int(times.max()))}


def _values(
    value: FloatArray,
    train: IntArray,
    test: IntArray,
    bars: Sequence[Mapping[str, float]],
    random: np.random.Generator,
) -> dict[str, Any]:
    fitted, tested = (_by_bar(value[rows], bars) for rows in (train, test))
    drawn = _drawn(fitted + tested, len(test), random)
    return {
        "bars": [
            {"from": bar["from"], "to": bar["to"], "train": int(one), "test": int(other)}
            for bar, one, other in zip(bars, fitted, tested, strict=True)
        ],
        "train_mean": float(value[train].mean(dtype=np.float64)),
        "test_mean": float(value[test].mean(dtype=np.float64)),
        "distance": _distance(fitted, tested),
        "by_chance": _distance(fitted + tested - drawn, drawn),
    }


def _by_bar(value: FloatArray, bars: Sequence[Mapping[str, float]]) -> IntArray:
    """How many of the values each bar holds: the values themselves, or bins between them."""
    if all(bar["from"] == bar["to"] for bar in bars):
        found = np.array([bar["from"] for bar in bars], dtype=value.dtype)
        return np.bincount(np.searchsorted(found, value), minlength=len(bars))
    edges = [bars[0]["from"], *(bar["to"] for bar in bars)]
    return np.histogram(value.astype(np.float64), edges)[0]


def _distance(one: IntArray, other: IntArray) -> float:
    """Total variation: half of the sum of the differences of shares."""
    return float(np.abs(one / one.sum() - other / other.sum()).sum() / 2)


def _moved(codes: IntArray, n: int, train: IntArray, test: IntArray, random: np.random.Generator) -> dict[str, Any]:
    fitted, tested = (np.bincount(codes[rows], minlength=n) for rows in (train, test))
    drawn = _drawn(fitted + tested, len(test), random)
    return {**_held_against(fitted, tested), "by_chance": _held_against(fitted + tested - drawn, drawn)}


def _held_against(fitted: IntArray, tested: IntArray) -> dict[str, Any]:
    new = (fitted == 0) & (tested > 0)
    there = (fitted > 0) | (tested > 0)
    return {
        "new": int(new.sum()),
        "rows_on_new": int(tested[new].sum()),
        "share_on_new": float(tested[new].sum() / tested.sum()),
        "rank_correlation": _rank_correlation(fitted[there], tested[there]),
    }


def _rank_correlation(one: IntArray, other: IntArray) -> float | None:
    if len(one) < FEWEST_RANKED or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def _drawn(rows: IntArray, n: int, random: np.random.Generator) -> IntArray:
    """How many of each are among n rows that are drawn without replacement; rows: how many there are of each."""
    return random.multivariate_hypergeometric(rows, n, method="marginals")

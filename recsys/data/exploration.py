"""What a data set looks like before any model: its most rated items, its categories and its activity over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Dataset, Entities
from recsys.data.features import one_hot, titles
from recsys.data.interactions import DAY
from recsys.data.shown import short_title
from recsys.data.summary import summarise

TOP = 25
TENTH = 0.1
MOST_LEVELS = 40
MOST_PERIODS = 60
# Up to so many days a period is a day, then a month, then a year, or as many years as make MOST_PERIODS at most.
DAYS, MONTHS = 62, 5 * 366

Unit = Literal["day", "month", "year"]


@dataclass(frozen=True, eq=False)
class Periods:
    """Days, months or years (UTC) from the first row to the last, and the number of each row's, (n,) from 0."""

    unit: Unit
    names: list[str]
    of: IntArray


def explore(data: Dataset) -> dict[str, Any]:
    """`summarise` and what it leaves out, as a plain JSON dict: finite numbers, strings, lists, None.

    listed: users and items, with rows or not. tenth: the share of the rows that the busiest tenth of users and the most
    popular tenth of items hold. top_items: [{item, title, rows, share, value}], most rows first, equal ones by id;
    value: their mean. periods: {unit, names}, and activity: [{rows, users, items, new_users, new_items}] of each: who
    has rows in it, and whose first row is in it; both None without times that all users share. labels: by feature of
    items with categories or labels, {levels, without}: [{label, items, rows, share, value, by_period}], most rows
    first, MOST_LEVELS at most; by_period: its share of the rows of each period; without: rows of items that have none.
    """
    periods = periods_of(data)
    counts = None if periods is None else _counts(periods, data.item, len(data.items))
    return {
        **summarise(data),
        "listed": {"users": len(data.users), "items": len(data.items)},
        "tenth": {
            "users": _held(np.bincount(data.user, minlength=len(data.users))),
            "items": _held(np.bincount(data.item, minlength=len(data.items))),
        },
        "top_items": _top_items(data),
        "periods": None if periods is None else {"unit": periods.unit, "names": periods.names},
        "activity": None if periods is None or counts is None else _activity(data, periods, counts),
        "labels": {
            name: _levels(data, name, counts)
            for name, kind in data.items.kinds.items()
            if kind in ("labels", "category") and data.items.features[name].notna().any()
        },
    }


def periods_of(data: Dataset) -> Periods | None:
    """The calendar of the data, in days, months or years by how long it is; None without times that all users share."""
    if data.timestamp is None or data.clock != "time":
        return None
    ends = int(data.timestamp.min()), int(data.timestamp.max())
    first, last = (np.datetime64(end, "us") for end in ends)
    days = (ends[1] - ends[0]) / DAY
    unit: Unit = "day" if days <= DAYS else "month" if days <= MONTHS else "year"
    start, end = (at.astype(f"datetime64[{unit[0].upper()}]") for at in (first, last))
    step = -(-int((end - start).astype(int) + 1) // MOST_PERIODS) if unit == "year" else 1
    starts = np.arange(start, end + 1, step)
    names = [str(each) if step == 1 else f"{each} to {each + step - 1}" for each in starts]
    # Nothing is before the first start, which may lie before the first time that can be written.
    bounds = starts[1:].astype("datetime64[us]").astype(np.int64)
    return Periods(unit, names, np.searchsorted(bounds, data.timestamp, side="right").astype(np.int32))


def _counts(periods: Periods, codes: IntArray, n: int) -> sparse.csc_array:
    """Rows of each user or item in each period, (periods, n)."""
    ones = np.ones(len(codes), dtype=np.int32)
    return sparse.coo_array((ones, (periods.of, codes)), shape=(len(periods.names), n)).tocsc()


def _activity(data: Dataset, periods: Periods, items: sparse.csc_array) -> list[dict[str, int]]:
    n = len(periods.names)
    users = _counts(periods, data.user, len(data.users))
    columns = {
        "rows": np.bincount(periods.of, minlength=n),
        "users": np.bincount(users.indices, minlength=n),
        "items": np.bincount(items.indices, minlength=n),
        "new_users": _first(users, n),
        "new_items": _first(items, n),
    }
    return [{name: int(column[period]) for name, column in columns.items()} for period in range(n)]


def _first(counts: sparse.csc_array, n: int) -> IntArray:
    """How many have their first row in each period."""
    counts.sort_indices()
    there = np.diff(counts.indptr) > 0
    return np.bincount(counts.indices[counts.indptr[:-1][there]], minlength=n)


def _held(rows: IntArray) -> float:
    """The share of the rows that those with most hold, a tenth of those with any."""
    ordered = np.sort(rows[rows > 0])[::-1]
    return float(ordered[: max(1, round(TENTH * len(ordered)))].sum() / ordered.sum())


def _top_items(data: Dataset) -> list[dict[str, Any]]:
    rows = np.bincount(data.item, minlength=len(data.items))
    means = _means(data, rows)
    found = [int(each) for each in np.argsort(-rows, kind="stable")[:TOP] if rows[each]]
    top = data.items.take(np.array(found))
    return [
        {
            "item": item,
            "title": short_title(title),
            "rows": int(rows[each]),
            "share": float(rows[each] / len(data)),
            "value": None if means is None else float(means[each]),
        }
        for each, item, title in zip(found, top.ids.tolist(), titles(top), strict=True)
    ]


def _means(data: Dataset, rows: IntArray) -> FloatArray | None:
    """The mean value of each item, (n_items,); None without values."""
    if data.value is None:
        return None
    return np.bincount(data.item, weights=data.value, minlength=len(rows)) / np.maximum(rows, 1)


def _levels(data: Dataset, name: str, counts: sparse.csc_array | None) -> dict[str, Any]:
    kind = data.items.kinds[name]
    matrix, labels = one_hot(Entities(data.items.ids, data.items.features[[name]], {name: kind}))
    matrix = matrix.astype(np.float64)
    of_item = np.bincount(data.item, minlength=len(data.items))
    rows, items = of_item @ matrix, matrix.sum(axis=0)
    means = _means(data, of_item)
    sums = None if means is None else (means * of_item) @ matrix
    shares = None
    if counts is not None:
        total = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
        shares = (counts @ matrix).toarray() / total[:, None]
    return {
        "without": int(of_item[np.diff(matrix.indptr) == 0].sum()),
        "levels": [
            {
                "label": labels[level].removeprefix(f"{name}="),
                "items": int(items[level]),
                "rows": int(rows[level]),
                "share": float(rows[level] / len(data)),
                "value": None if sums is None or not rows[level] else float(sums[level] / rows[level]),
                "by_period": None if shares is None else [float(share) for share in shares[:, level]],
            }
            for level in np.argsort(-rows, kind="stable")[:MOST_LEVELS]
        ],
    }

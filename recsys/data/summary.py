"""What a data set holds, in plain numbers and strings: for the terminal, the report and MLflow."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Dataset, Entities
from recsys.data.features import SEPARATOR, TITLE, titles
from recsys.data.shown import short

FIRST_ROWS = 5
MOST_BARS = 20
BARS = 10
DROPPED = {
    "dropped_duplicates": "repeated a user and item",
    "dropped_min_user_count": "were of users with too few",
    "dropped_min_item_count": "were of items with too few",
}


def summarise(data: Dataset) -> dict[str, Any]:
    """The data set as a plain JSON dict: finite numbers, strings, lists.

    rows, users, items (those with rows), density (share of their pairs); rows_per_user, rows_per_item: min, median,
    mean, max; values: min, mean, max, distinct, histogram [{from, to, rows}]; times: clock, first, last, days,
    histogram; duplicates: rows that repeat a pair; cold: listed without rows, and the other way round; features of
    users and items by column; sessions; parts; columns by role; first_rows; account. values, times, sessions and parts
    are None where there are none.
    """
    user_rows = np.bincount(data.user, minlength=len(data.users))
    item_rows = np.bincount(data.item, minlength=len(data.items))
    n_users, n_items = int(np.count_nonzero(user_rows)), int(np.count_nonzero(item_rows))
    return {
        "rows": len(data),
        "users": n_users,
        "items": n_items,
        "density": len(data) / (n_users * n_items),
        "rows_per_user": _spread(user_rows[user_rows > 0]),
        "rows_per_item": _spread(item_rows[item_rows > 0]),
        "values": None if data.value is None else _values(np.asarray(data.value)),
        "times": None if data.timestamp is None else _times(np.asarray(data.timestamp), data.clock),
        "duplicates": _duplicates(data),
        "cold": {
            "users_without_rows": len(data.users) - n_users,
            "items_without_rows": len(data.items) - n_items,
            "users_without_features": _without_features(data.users),
            "items_without_features": _without_features(data.items),
        },
        "user_features": _features(data.users),
        "item_features": _features(data.items),
        "sessions": None if data.sessions is None else _sessions(data.sessions),
        "parts": None if data.part is None else _parts(np.asarray(data.part)),
        "columns": data.columns,
        "first_rows": _first_rows(data),
        "account": data.account,
    }


def summary_lines(data: Dataset) -> list[str]:
    """The data set in a few lines for the terminal."""
    about = summarise(data)
    per_user = about["rows_per_user"]
    lines = [
        f"{about['rows']:,} rows of {about['users']:,} users and {about['items']:,} items, {about['density']:.2%} of "
        f"all pairs; {per_user['min']:,} to {per_user['max']:,} rows a user, median {per_user['median']:g}"
    ]
    lines += [_line_of_values(about["values"], about["times"], data.clock)]
    lines += [f"{kind}: {_line_of_features(about[f'{kind}_features'])}" for kind in ("item", "user")]
    dropped = [f"{about['account'][reason]:,} {why}" for reason, why in DROPPED.items() if about["account"].get(reason)]
    if dropped:
        lines.append(f"left out of {about['account']['read']:,} rows: {', '.join(dropped)}")
    if about["columns"]:
        lines.append("columns: " + ", ".join(f"{role} = {column}" for role, column in about["columns"].items()))
    lines.append("first rows: " + "; ".join(_line_of_row(row) for row in about["first_rows"][:3]))
    return lines


def _spread(counts: IntArray) -> dict[str, float]:
    return {
        "min": int(counts.min()),
        "median": float(np.median(counts)),
        "mean": float(counts.mean()),
        "max": int(counts.max()),
    }


def _values(value: FloatArray) -> dict[str, Any]:
    distinct = np.sort(pd.unique(value))
    return {
        "min": _written(distinct[0]),
        "mean": float(value.mean(dtype=np.float64)),
        "max": _written(distinct[-1]),
        "distinct": len(distinct),
        "histogram": _bars(value) if len(distinct) <= MOST_BARS else _bins(value),
    }


def _written(value: Any) -> float:
    """A float32 as it is written: 4.4, where its nearest float64 is 4.400000095367432."""
    return float(str(value))


def _bars(value: FloatArray) -> list[dict[str, float]]:
    """One bar a value."""
    found, counts = np.unique(value, return_counts=True)
    return [{"from": _written(one), "to": _written(one), "rows": int(n)} for one, n in zip(found, counts, strict=True)]


def _bins(value: FloatArray) -> list[dict[str, float]]:
    """Bins of equal width, or, where few values are far larger than the rest, of equal ratio."""
    low, high = float(value.min()), float(value.max())
    heavy = low > 0 and high > 20 * float(np.median(value))
    edges = np.geomspace(low, high, BARS + 1) if heavy else np.linspace(low, high, BARS + 1)
    edges[0], edges[-1] = low, high
    counts, _ = np.histogram(value.astype(np.float64), edges)
    return [{"from": float(edges[bar]), "to": float(edges[bar + 1]), "rows": int(n)} for bar, n in enumerate(counts)]


def _times(timestamp: IntArray, clock: str) -> dict[str, Any]:
    if clock == "order":
        return {"clock": clock, "first": None, "last": None, "days": None, "histogram": []}
    first, last = int(timestamp.min()), int(timestamp.max())
    edges = np.linspace(first, last, MOST_BARS + 1)
    counts, _ = np.histogram(timestamp, edges) if last > first else (np.array([len(timestamp)]), edges)
    return {
        "clock": clock,
        "first": moment(first),
        "last": moment(last),
        "days": (last - first) / 86_400e6,
        "histogram": [
            {"from": moment(int(edges[bar])), "to": moment(int(edges[bar + 1])), "rows": int(n)}
            for bar, n in enumerate(counts)
        ],
    }


def moment(timestamp: int) -> str:
    """Microseconds since 1970 as people read them, UTC.

    >>> moment(881250949_000_000)
    '1997-12-04 15:55:49'
    """
    try:
        return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=timestamp)).isoformat(" ", "seconds")
    except OverflowError:
        return f"{timestamp} µs after 1970"


def _duplicates(data: Dataset) -> int:
    key = np.asarray(data.user, dtype=np.int64) * len(data.items) + data.item
    if data.part is not None:
        key = key * 3 + data.part
    return int(pd.Series(key).duplicated().sum())


def _without_features(entities: Entities) -> int:
    if not entities.kinds:
        return len(entities)
    return int(entities.features.isna().all(axis=1).sum())


def _features(entities: Entities) -> dict[str, dict[str, Any]]:
    return {name: _feature(entities.features[name], kind) for name, kind in entities.kinds.items()}


def _feature(values: pd.Series, kind: str) -> dict[str, Any]:
    present = values.dropna()
    about: dict[str, Any] = {"kind": kind, "missing": len(values) - len(present)}
    if not len(present):
        return about
    if kind == "number":
        return about | {"min": float(present.min()), "max": float(present.max())}
    single = present.str.split(SEPARATOR, regex=False).explode() if kind == "labels" else present
    return about | {"distinct": int(single.nunique()), "example": str(present.iloc[0])}


def _sessions(sessions: pd.DataFrame) -> dict[str, int]:
    about = {
        "rows": len(sessions),
        "sessions": int(sessions["session"].nunique()),
        "items": int(sessions["item"].nunique()),
    }
    return about | ({"of_known_users": int((sessions["user"] >= 0).sum())} if "user" in sessions else {})


def _parts(part: IntArray) -> dict[str, int]:
    counts = np.bincount(part, minlength=3)
    return {name: int(n) for name, n in zip(("to_split", "test", "validation"), counts, strict=True)}


def _first_rows(data: Dataset) -> list[dict[str, Any]]:
    rows = range(min(FIRST_ROWS, len(data)))
    shown = titles(data.items.take(np.asarray(data.item[: len(rows)])))
    users, items = (
        entities.ids.tolist()
        for entities in (
            data.users.take(np.asarray(data.user[: len(rows)])),
            data.items.take(np.asarray(data.item[: len(rows)])),
        )
    )
    found = []
    for row in rows:
        one: dict[str, Any] = {"user": users[row], "item": items[row]}
        if TITLE in data.items.features:
            one["title"] = str(shown[row])
        if data.value is not None:
            one["value"] = _written(data.value[row])
        if data.timestamp is not None:
            at = int(data.timestamp[row])
            one["time"] = moment(at) if data.clock == "time" else at
        found.append(one)
    return found


def _line_of_values(values: dict[str, Any] | None, times: dict[str, Any] | None, clock: str) -> str:
    texts = ["no values: every row counts the same"]
    if values is not None:
        span = f"{values['min']:g} to {values['max']:g}, mean {values['mean']:.3g}"
        texts = [f"values {span}, {values['distinct']:,} different"]
    if times is None:
        ordered = "the order of rows counts" if clock != "none" else "and a database keeps no order of rows"
        texts.append(f"no times: {ordered}")
    elif times["clock"] == "order":
        texts.append("each user's order, no times")
    else:
        texts.append(f"times {times['first']} to {times['last']} ({times['days']:,.0f} days, UTC)")
    return "; ".join(texts)


def _line_of_features(features: dict[str, dict[str, Any]]) -> str:
    def one(name: str, about: dict[str, Any]) -> str:
        if about["kind"] == "number" and "min" in about:
            return f"{name} ({about['min']:g} to {about['max']:g})"
        if "distinct" in about and about["kind"] in ("category", "labels"):
            return f"{name} ({about['distinct']:,} {about['kind'] if about['kind'] == 'labels' else 'categories'})"
        return f"{name} ({about['kind']})"

    return ", ".join(one(name, about) for name, about in features.items()) or "no features"


def _line_of_row(row: dict[str, Any]) -> str:
    title = f" ({short(str(row['title']))})" if row.get("title") not in (None, str(row["item"])) else ""
    value = f" {row['value']:g}" if "value" in row else ""
    time = f" at {row['time']}" if "time" in row else ""
    line = f"{short(str(row['user']))} → {short(str(row['item']))}{title}{value}{time}"
    return line.replace("\r", "\\r").replace("\n", "\\n")

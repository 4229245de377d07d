"""Features of users and items that were made with rows of the test, or of what comes after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Dataset, Entities
from recsys.data.features import titles
from recsys.data.interactions import DAY
from recsys.splits.choices import overlap
from recsys.splits.leaks_case import Case, Finding, among

# Users or items that a column has to tell of: fewer may agree by chance.
FEWEST: Final = 30
# Rank correlation from which a column is taken to follow a statistic, and how many times nearer to it the column has to
# be with the test rows in it than without them.
ALIKE: Final = 0.995
CLOSER: Final = 5
# Share of the users whose own test item a column has to name.
NAMED: Final = 0.5
# Share of known users or items from which dates after the cut are no slips of the pen, and of pairs of rows up to which
# a split is one cut in time.
LATER: Final = 0.01
YEARS: Final = 20 * 365 * DAY
_ISO_DATE = r"\d{4}-\d{2}-\d{2}"
_DAYS = re.compile(r"date|time|day|_at$", re.IGNORECASE)

Statistics = Callable[[Case, IntArray, int, IntArray], dict[str, FloatArray]]


@dataclass(frozen=True)
class _Told:
    """A column of `users` or `items` that knows too much. how: what it holds. who: positions of whom it tells."""

    side: str
    column: str
    how: str
    who: IntArray


def features_know_the_target(case: Case) -> Finding | None:
    """Columns that follow a count or a mean with test rows in it, and columns of users that name their test item."""
    told = [*_following(case, _of_values), *_naming_test_items(case)]
    remedy = "leave the column out, or make it of rows before the test alone; models count popularity themselves"
    return _finding("features_know_the_target", "error", case, told, remedy)


def features_know_the_future(case: Case) -> Finding | None:
    """Columns that follow the time of the newest row, test rows included."""
    remedy = "leave the column out, or make it of rows before the test alone"
    return _finding("features_know_the_future", "error", case, [*_following(case, _newest)], remedy)


def dates_after_the_cut(case: Case) -> Finding | None:
    """Under one cut in time, dates of users and items in training that are later than all of training."""
    data, known = case.data, case.known
    share = overlap(data, known, case.fold.test)
    if data.timestamp is None or share is None or share > LATER:
        return None
    cut = int(data.timestamp[known].max())
    told = []
    for side, entities, code in _sides(data):
        there = np.bincount(code[known], minlength=len(entities)) > 0
        for column in entities.kinds:
            dates = _dates(entities, column, data.timestamp)
            if dates is None:
                continue
            who = np.flatnonzero(there & (dates > cut + DAY))
            if len(who) > LATER * np.count_nonzero(there & np.isfinite(dates)):
                told.append(_Told(side, column, "dates after the newest row of training", who))
    remedy = "leave the column out where it was not known before the test"
    return _finding("dates_after_the_cut", "warning", case, told, remedy)


def _finding(
    check: str, severity: Literal["error", "warning"], case: Case, told: list[_Told], remedy: str
) -> Finding | None:
    if not told:
        return None
    touched = np.zeros(len(case.data), dtype=bool)
    for side, entities, code in _sides(case.data):
        who = np.zeros(len(entities), dtype=bool)
        for each in told:
            if each.side == side:
                who[each.who] = True
        touched |= who[code]
    rows = case.fold.test[touched[case.fold.test]]
    columns = "; ".join(f"column '{each.column}' of {len(each.who):,} {each.side}: {each.how}" for each in told)
    return Finding(
        check=check,
        severity=severity,
        message=f"features tell of {len(rows):,} of {len(case.fold.test):,} test rows: {columns}",
        remedy=remedy,
        count=len(rows),
        rows=rows,
    )


def _sides(data: Dataset) -> Iterator[tuple[str, Entities, IntArray]]:
    yield "users", data.users, data.user
    yield "items", data.items, data.item


def _following(case: Case, statistics: Statistics) -> Iterator[_Told]:
    """Columns that follow a statistic of all rows, or of the test rows, and not the same one of the rows known."""
    data, test = case.data, case.fold.test
    for side, entities, code in _sides(data):
        numbers = {name: _numbers(entities, name) for name in entities.kinds}
        columns = {name: values for name, values in numbers.items() if values is not None}
        if not columns:
            continue
        known = statistics(case, code, len(entities), case.known)
        tested = np.bincount(code[test], minlength=len(entities)) > 0
        scopes = {"test rows included": np.arange(len(data)), "of the test alone": test}
        with_test = {scope: statistics(case, code, len(entities), rows) for scope, rows in scopes.items()}
        for column, values in columns.items():
            for (scope, found), name in ((scope, name) for scope in with_test.items() for name in known):
                who = _followed(values, found[name], known[name], tested)
                if who is not None:
                    yield _Told(side, column, f"the {name}, {scope}", who)
                    break


def _of_values(case: Case, code: IntArray, n: int, rows: IntArray) -> dict[str, FloatArray]:
    """What is counted and averaged of some rows for each user or item, (n,) each; NaN without a row."""

    def summed(each: FloatArray | BoolArray | None) -> FloatArray:
        return np.bincount(code[rows], weights=each, minlength=n).astype(np.float64)

    count = summed(None)
    found = {"number of rows": count}
    if case.data.value is not None:
        value = case.data.value[rows]
        total = summed(value)
        found |= {"sum of values": total, "mean value": _ratio(total, count)}
        if case.positive is not None:
            liked = summed(value >= case.positive)
            found |= {"number of positives": liked, "share of positives": _ratio(liked, count)}
    return found


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _newest(case: Case, code: IntArray, n: int, rows: IntArray) -> dict[str, FloatArray]:
    """The time of the newest of some rows, (n,); NaN without a row. Nothing where times are not of one clock."""
    if case.data.timestamp is None or case.data.clock != "time":
        return {}
    newest = np.full(n, np.nan)
    latest = pd.Series(case.data.timestamp[rows]).groupby(np.asarray(code[rows])).max()
    newest[latest.index] = latest
    return {"time of the newest row": newest}


def _followed(values: FloatArray, found: FloatArray, known: FloatArray, tested: BoolArray) -> IntArray | None:
    """Whom a column tells of, where it goes with a statistic only with the test rows in it: their positions.

    Ranks are compared, so that logarithms, shares and other units are followed too. Only those count of whom the test
    rows change the statistic.
    """
    who = np.flatnonzero(tested & np.isfinite(values) & np.isfinite(found) & np.isfinite(known) & (found != known))
    if len(who) < FEWEST or _most_common(found[who]) > 0.5 or _most_common(values[who]) > 0.5:
        return None
    ranks = pd.DataFrame({"values": values[who], "found": found[who], "known": known[who]}).rank().corr()["values"]
    alike, otherwise = abs(ranks["found"]), abs(np.nan_to_num(ranks["known"]))
    return who if alike >= ALIKE and CLOSER * (1 - alike) < 1 - otherwise else None


def _most_common(values: FloatArray) -> float:
    """The share of the value that is there most often."""
    return float(np.unique(values, return_counts=True)[1].max() / len(values))


def _numbers(entities: Entities, column: str) -> FloatArray | None:
    """A column of numbers, or of dates written as 2024-05-31, as numbers; None for other ones."""
    values = entities.features[column]
    if entities.kinds[column] == "number":
        return values.to_numpy(dtype=np.float64)
    present = values.dropna()
    if entities.kinds[column] == "labels" or not len(present) or not present.head(100).str.match(_ISO_DATE).all():
        return None
    dates = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    return np.where(dates.isna(), np.nan, dates.dt.tz_localize(None).astype("datetime64[us]").astype("int64"))


def _dates(entities: Entities, column: str, timestamp: IntArray) -> FloatArray | None:
    """A column of dates as microseconds since 1970, or None where it holds none.

    Numbers are dates where nearly all lie within twenty years of the rows, as seconds, milliseconds or microseconds; as
    days, which are small numbers, only under a name such as `date` or `updated_at`.
    """
    numbers = _numbers(entities, column)
    if numbers is None or entities.kinds[column] != "number":
        return numbers
    present = numbers[np.isfinite(numbers)]
    first, last = int(timestamp.min()) - YEARS, int(timestamp.max()) + YEARS
    for unit in (1, 10**3, 10**6, *([DAY] if _DAYS.search(column) else [])):
        if len(present) and np.mean((present * unit >= first) & (present * unit <= last)) > 0.95:
            return numbers * unit
    return None


def _naming_test_items(case: Case) -> Iterator[_Told]:
    """Columns of users that hold the id or title of an item that the user has in the test part and nowhere before."""
    data = case.data
    rows = case.truth[~among(case.pairs(case.truth), case.pairs(case.known))]
    user, item = data.user[rows], data.item[rows]
    n = len(np.unique(user))
    if n < FEWEST or not data.users.kinds:
        return
    names = np.concatenate([data.items.ids.astype(str), titles(data.items).astype(str)])
    for column, kind in data.users.kinds.items():
        values = data.users.features[column]
        texts = values.map(lambda one: f"{one:.0f}").to_numpy() if kind == "number" else values.to_numpy()
        code, _ = pd.factorize(np.concatenate([texts.astype(object), names.astype(object)]))
        own, ids, shown = code[user], *(code[len(texts) :].reshape(2, -1)[:, item])
        who = np.unique(user[(own >= 0) & ((own == ids) | (own == shown))])
        # How often somebody else's test items would be named: ids are numbers, and so are ages.
        ids, shown = (np.roll(each, len(item) // 2) for each in (ids, shown))
        by_chance = np.unique(user[(own >= 0) & ((own == ids) | (own == shown))])
        if len(who) >= NAMED * n and len(who) > CLOSER * len(by_chance):
            yield _Told("users", column, "an item of their test", who)

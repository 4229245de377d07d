"""Times as numbers: since 1970 in one of several units, or dates of the calendar such as 20240131."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray

MICRO = 1_000_000
# Times since 1970 in these units: name, largest absolute value read so, and microseconds of one.
UNITS = (
    ("seconds", 1e11, MICRO),
    ("milliseconds", 1e14, 1000),
    ("microseconds", 1e17, 1),
    ("nanoseconds", 1e20, 0.001),
)
# Microseconds of the first year of the calendar, and of what follows the last.
YEAR_1, YEAR_10000 = -62_135_596_800 * MICRO, 253_402_300_800 * MICRO
# Between 1973 and 2286 in seconds: a value that cannot well be a small one of a finer unit.
PLAUSIBLE = (1e8, 1e10)
# Dates written as numbers, and what each form lacks to seconds.
FIRST_DATE, LAST_DATE = 1900_01_01, 2100_12_31
FORMS = {"YYYYMMDD": 1_000_000, "YYYYMMDDhhmm": 100, "YYYYMMDDhhmmss": 1}


@dataclass(frozen=True, eq=False)
class Calendar:
    """Numbers as times of the calendar. form: one of FORMS. valid, (n,): which are. moments, (n,): microseconds."""

    form: str
    valid: BoolArray
    moments: IntArray

    @property
    def is_most(self) -> bool:
        return bool(2 * np.count_nonzero(self.valid) >= len(self.valid))


def in_calendar(found: np.ndarray) -> Calendar | None:
    """Finite numbers in the form that fits most of them; None where none fits any.

    >>> in_calendar(np.array([20240131, 20240230])).valid.tolist()
    [True, False]
    """
    least, most = found.min(), found.max()
    possible = [form for form in FORMS if _overlaps(least, most, form)]
    written = [_in_form(found, form) for form in possible]
    best = max(written, key=lambda one: np.count_nonzero(one.valid), default=None)
    return best if best is not None and best.valid.any() else None


def unit_of(largest: float) -> int | None:
    """The position among UNITS of the unit that a column of this largest absolute value is in."""
    return next((i for i, (_, limit, _) in enumerate(UNITS) if largest < limit), None)


def is_plausible(size: FloatArray, position: int) -> BoolArray:
    """Which absolute values are times of our days in the unit of this position among UNITS."""
    return (size >= PLAUSIBLE[0] * 1000**position) & (size <= PLAUSIBLE[1] * 1000**position)


def last_integer(smallest: int, largest: int, as_of: int) -> int | None:
    """The largest integer that is a time not later than `as_of`, in a column with these two extremes.

    None where the column cannot be judged by them: its values may be dates such as 20240131, or are no times.

    >>> last_integer(1_600_000_000, 1_700_000_000, 1_650_000_000_999_999)
    1650000000
    """
    position = unit_of(max(abs(smallest), abs(largest)))
    if position is None or any(_overlaps(smallest, largest, form) for form in FORMS):
        return None
    micro = UNITS[position][2]
    if smallest * micro < YEAR_1:
        return None
    return as_of * 1000 + 999 if micro < 1 else as_of // int(micro)


def _overlaps(smallest: float, largest: float, form: str) -> bool:
    first, last = _range(form)
    return bool(smallest <= last and largest >= first)


def _range(form: str) -> tuple[int, int]:
    """The smallest number that may be a date in this form, and the largest."""
    below = MICRO // FORMS[form]
    return FIRST_DATE * below, LAST_DATE * below + below - 1


def _in_form(found: np.ndarray, form: str) -> Calendar:
    first, last = _range(form)
    valid = (found >= first) & (found <= last)
    whole = found[valid].astype(np.int64)
    seconds, fits = _seconds(whole * FORMS[form])
    moments = np.zeros(len(found), np.int64)
    moments[valid] = seconds * MICRO
    valid[valid] = fits & (whole == found[valid])
    return Calendar(form, valid, moments)


def _seconds(written: IntArray) -> tuple[IntArray, BoolArray]:
    """Seconds since 1970 of numbers such as 20240131235959, and which of them are times."""
    date, clock = np.divmod(written, MICRO)
    month, day = np.divmod(date, 100)
    months = (month // 100 - 1970) * 12 + month % 100 - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]") + (day - 1)
    fits = (month % 100 >= 1) & (month % 100 <= 12) & (days.astype("datetime64[M]").astype(np.int64) == months)
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    fits &= (hour < 24) & (minute < 60) & (second < 60)
    return days.astype(np.int64) * 86_400 + hour * 3600 + minute * 60 + second, fits

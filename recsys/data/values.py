"""Columns as files hold them, to numbers, times and ids; what does not fit is refused by file, row and value."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.raw import Origin, locate, origins_of
from recsys.data.shown import quoted
from recsys.data.text import more_rows
from recsys.data.times import MICRO, UNITS, YEAR_1, YEAR_10000, in_calendar, is_plausible, unit_of
from recsys.errors import InputError

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d{1,3}([. ]?\d{3})*,\d+\s*")
ZONED = r"\d[T ]\d{2}.*([zZ]|[+-]\d{2}(:?\d{2})?)$"
# What tables write where a value is missing. As an id it would be one very active user.
MISSING = ("", "nan", "NaN", "NAN", "null", "Null", "NULL", "None", "<NA>", "NaT", "n/a", "N/A", "\\N")

A_TIME = "seconds since 1970, or ISO 8601 such as 2024-01-31 or 2024-01-31T12:00:00+01:00"
MEND = "mend that row"
# Microseconds in a unit of Arrow's times.
STORED = {"s": MICRO, "ms": 1000, "us": 1, "ns": 0.001, "day": 86_400 * MICRO}


# Puts a value that does not fit into words: what is wrong with it, and what to do.
Explain: TypeAlias = Callable[[Any], tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Column:
    """One column of one or several files.

    name: in the file. data: its values, of any Arrow type. origins: the files its rows came from, in order.
    """

    name: str
    data: pa.ChunkedArray
    origins: tuple[Origin, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.data)

    @property
    def is_text(self) -> bool:
        return is_text(self.data.type)

    def head(self, n: int) -> Column:
        """The first n rows of the column."""
        return replace(self, data=self.data.slice(0, n))

    def take(self, rows: IntArray) -> Column:
        """Some rows of the column, by number, ascending."""
        if len(rows) == len(self):
            return self
        return replace(self, data=self.data.take(pa.array(rows)), origins=origins_of(self.origins, rows))

    def text(self) -> pa.ChunkedArray:
        """The values as plain strings; only of a text column."""
        return self.data.cast(pa.string())

    def file(self) -> str:
        return self.origins[0].name if self.origins else "data"

    def refuse(self, bad: BoolArray, explain: Explain) -> None:
        """Raise InputError for the first of the bad rows, if there is one; `explain` puts its value into words."""
        rows = np.flatnonzero(bad)
        if not len(rows):
            return
        name, line = locate(self.origins, int(rows[0]))
        message, remedy = explain(self.data[int(rows[0])].as_py())
        raise InputError(f"{name}, row {line:,}", f"{self.name} is {message}" + more_rows(len(rows) - 1, line), remedy)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds strings, encoded or not."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def numbers(column: Column) -> FloatArray:
    """The column as finite float64, (n,).

    Raises InputError where a value is missing, is text, or is not finite.
    """
    found = _floats(column)
    if found is None:
        text = pc.fill_null(column.text(), "")
        column.refuse(~_matches(text, NUMBER), _no_number)
        found = pc.cast(pc.utf8_trim_whitespace(text), pa.float64()).to_numpy()
    column.refuse(~np.isfinite(found), _no_number)
    return found


def refuse_beyond_numbers(column: Column) -> None:
    """Raise InputError for the first infinite number or date beyond the calendar, of a column that may miss values."""
    if pa.types.is_floating(column.data.type):
        column.refuse(np.isinf(column.data.to_numpy()), _no_number)
    elif pa.types.is_date(column.data.type):
        _refuse_beyond_calendar(column)


def times(column: Column) -> IntArray:
    """The column as microseconds since 1970, UTC, int64, (n,).

    Numbers are seconds, or milliseconds to nanoseconds where they are too large for seconds, or dates such as 20240131
    where at least half of them are; all values of a column share one unit. Text is ISO 8601, in UTC where no zone is
    given.

    Raises InputError where a value is missing or no time, or where two kinds of time are mixed.
    """
    kind = column.data.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _stored_times(column)
    if column.is_text:
        return _text_times(column)
    if pa.types.is_integer(kind):
        column.refuse(_nulls(column), _no_time)
        return _since_1970(column, column.data.to_numpy())
    if not pa.types.is_floating(kind):
        raise _wrong_type(column, "times are needed")
    found = column.data.to_numpy()
    column.refuse(~np.isfinite(found), _no_time)
    return _since_1970(column, found)


def order(column: Column) -> FloatArray | IntArray:
    """What rows are to be sorted by: numbers as they are, text as times, (n,).

    Raises InputError as numbers and times do.
    """
    temporal = pa.types.is_temporal(column.data.type)
    return times(column) if temporal or _floats(column) is None else numbers(column)


def ids(column: Column, optional: bool = False) -> pd.Series:
    """The column as ids: int64, or a categorical of strings. optional: an id may be missing.

    Raises InputError where an id is missing, or is neither an integer nor a string.
    """
    kind = column.data.type
    if column.is_text:
        whole = None if pa.types.is_dictionary(kind) else integers(column.data)
        return _text_ids(column, optional) if whole is None else pd.Series(whole, copy=False)
    missing = _nulls(column)
    if optional and missing.any():
        return _text_ids(replace(column, data=column.data.cast(pa.string())), optional)
    column.refuse(missing, _no_id)
    if pa.types.is_integer(kind):
        if kind == pa.uint64() and (pc.max(column.data).as_py() or 0) > np.iinfo(np.int64).max:
            return _text_ids(replace(column, data=column.data.cast(pa.string())))
        return pd.Series(column.data.to_numpy().astype(np.int64))
    if pa.types.is_floating(kind):
        # What pandas makes of integers in a column that once had a missing value.
        found = column.data.cast(pa.float64()).to_numpy()
        column.refuse(~(np.isfinite(found) & (found == np.floor(found)) & (np.abs(found) < 2**53)), _no_id)
        return pd.Series(found.astype(np.int64))
    raise _wrong_type(column, "integers or strings are needed")


def integers(text: pa.ChunkedArray | pa.Array) -> NDArray[np.int64] | None:
    """Strings as int64, (n,); None where one is missing, or no integer as a program would write it: "07" is a name."""
    try:
        found = pc.cast(text, pa.int64())
    except pa.ArrowInvalid:
        return None
    whole = found.null_count == 0 and pc.all(pc.equal(pc.cast(found, pa.string()), text)).as_py() is not False
    return found.to_numpy() if whole else None


def _floats(column: Column) -> FloatArray | None:
    """As float64, NaN for null; None where a text column holds something that Arrow does not read as a number."""
    if column.is_text:
        try:
            return pc.cast(column.text(), pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            return None
    kind = column.data.type
    if pa.types.is_boolean(kind):
        return column.data.cast(pa.int8()).cast(pa.float64()).to_numpy()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pc.cast(column.data, pa.float64(), safe=False).to_numpy()
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    raise _wrong_type(column, "numbers are needed")


def _wrong_type(column: Column, needed: str) -> InputError:
    return InputError(column.file(), f"column '{column.name}' holds values of type {column.data.type}", needed)


def _no_number(value: Any) -> tuple[str, str]:
    if _is_missing(value):
        return _shown(value) + "a number is needed", "fill it or leave the row out"
    text = str(value).strip()
    if DECIMAL_COMMA.fullmatch(text):
        return f"{quoted(text)}, a number is needed", "write decimals with a point, as in 4.5"
    if re.fullmatch(r"[+-]?inf(inity)?", text, re.IGNORECASE) or re.match(NUMBER, text):
        return f"{quoted(text)}, a finite number is needed", MEND
    return f"{quoted(text)}, a number is needed", MEND


def _no_time(value: Any) -> tuple[str, str]:
    if _is_missing(value):
        return _shown(value) + "a time is needed", "fill it or leave the row out"
    return f"{quoted(value)}, a time is needed", f"write {A_TIME}"


def _no_id(value: Any) -> tuple[str, str]:
    if _is_missing(value):
        return _shown(value) + "an id is needed", "leave the row out"
    return f"{quoted(value)}, an id is an integer or a string", MEND


def _mixed(how: str, remedy: str) -> Explain:
    return lambda value: (f"{quoted(value)}, {how}", remedy)


def _is_missing(value: Any) -> bool:
    return value is None or value != value or str(value).strip() in MISSING


def _shown(value: Any) -> str:
    """A missing value, as the start of a sentence."""
    return "empty, " if value is None or not str(value).strip() else f"{quoted(value)}, which marks a missing value; "


def _nulls(column: Column) -> BoolArray:
    return pc.is_null(column.data, nan_is_null=pa.types.is_floating(column.data.type)).to_numpy()


def _matches(text: pa.ChunkedArray, pattern: str) -> BoolArray:
    return pc.match_substring_regex(text, pattern).to_numpy()


def _text_ids(column: Column, optional: bool = False) -> pd.Series:
    data = column.data
    if not pa.types.is_dictionary(data.type):
        data = pc.dictionary_encode(data)
    found = data.unify_dictionaries().combine_chunks()
    if isinstance(found, pa.ChunkedArray):
        found = found.chunk(0)
    entries = pc.utf8_trim_whitespace(found.dictionary)
    missing = pc.is_in(entries, value_set=pa.array(MISSING)).to_numpy(zero_copy_only=False)
    codes = pc.fill_null(found.indices, -1).to_numpy()
    bad = codes < 0
    if missing.any():
        bad |= np.isin(codes, np.flatnonzero(missing))
    if optional:
        codes = np.where(bad, -1, codes)
    else:
        column.refuse(bad, _no_id)
    categories = pd.Index(found.dictionary.to_numpy(zero_copy_only=False), dtype="str")
    return pd.Series(pd.Categorical.from_codes(codes, categories))


def _stored_times(column: Column) -> IntArray:
    """Timestamps and dates of Arrow, which reach beyond what microseconds and calendars hold."""
    column.refuse(_nulls(column), _no_time)
    _refuse_beyond_calendar(column)
    whole, micro = _as_stored(column)
    return whole.to_numpy() // 1000 if micro < 1 else whole.to_numpy() * int(micro)


def _refuse_beyond_calendar(column: Column) -> None:
    kind = column.data.type
    whole, micro = _as_stored(column)
    found = pc.fill_null(whole, 0).to_numpy()
    inside = (found >= YEAR_1 / micro) & (found < YEAR_10000 / micro)
    how = f"which is {kind} outside the years 1 to 9999"
    replace(column, data=whole).refuse(~inside, _mixed(how, MEND))


def _as_stored(column: Column) -> tuple[pa.ChunkedArray, float]:
    """Timestamps or dates as the integers that they are stored as, and the microseconds of one."""
    kind = column.data.type
    unit = kind.unit if pa.types.is_timestamp(kind) else "day" if pa.types.is_date32(kind) else "ms"
    stored = pa.int32() if unit == "day" else pa.int64()
    return column.data.cast(stored).cast(pa.int64()), STORED[unit]


def _text_times(column: Column) -> IntArray:
    text = column.text()
    for kind in (pa.int64(), pa.float64()):
        try:
            found = pc.cast(text, kind).to_numpy()
        except pa.ArrowInvalid:
            continue
        column.refuse(_nulls(column) | ~np.isfinite(found), _no_time)
        return _since_1970(column, found)
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            found = pc.cast(text, kind).cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            continue
        column.refuse(_nulls(column), _no_time)
        return _of_the_calendar(column, found)
    return _other_times(column)


def _other_times(column: Column) -> IntArray:
    """ISO 8601 in all its forms, and the refusal of what is something else."""
    text = pc.utf8_trim_whitespace(pc.fill_null(column.text(), ""))
    text = pc.replace_substring_regex(text, r" ?(UTC|GMT)$", "Z")
    number, zoned = _matches(text, NUMBER), _matches(text, ZONED)
    parsed = pd.to_datetime(pd.Series(text.to_numpy()), format="ISO8601", errors="coerce", utc=True)
    # Words such as `today` are times to pandas, another one at each run.
    column.refuse((parsed.isna().to_numpy() | ~_matches(text, r"^\d")) & ~number, _no_time)
    above = "numbers" if number[0] else "dates"
    column.refuse(number != number[0], _mixed(f"where the rows above hold {above}", "use one kind of time"))
    here, above = ("without", "with") if zoned[0] else ("with", "without")
    column.refuse(
        zoned != zoned[0],
        _mixed(
            f"{here} a zone, where the rows above are {above} one",
            "write all times with a zone, or all without (then they are UTC)",
        ),
    )
    if number[0]:
        return _since_1970(column, pc.cast(text, pa.float64()).to_numpy())
    return _of_the_calendar(column, parsed.dt.as_unit("us").astype(np.int64).to_numpy())


def _since_1970(column: Column, found: np.ndarray) -> IntArray:
    if not len(found):
        return found.astype(np.int64)
    written = in_calendar(found)
    if written is not None and written.is_most:
        how = f"which is no {written.form} of the years 1900 to 2100, as most others are"
        column.refuse(~written.valid, _mixed(how, "write all times in one form"))
        return written.moments
    size = np.abs(found.astype(np.float64))
    position = unit_of(size.max())
    if position is None:
        column.refuse(size == size.max(), _no_time)
        raise AssertionError
    name, _, micro = UNITS[position]
    for step, (other, _, _) in enumerate(UNITS[:position]):
        column.refuse(
            is_plausible(size, step), _mixed(f"which reads as {other}, where others read as {name}", "use one unit")
        )
    likely = is_plausible(size, position)
    if written is not None and 2 * np.count_nonzero(likely) >= len(likely):
        how = f"which reads as {written.form}, where others read as {name}"
        column.refuse(written.valid & ~likely, _mixed(how, "use one kind of time"))
    if np.issubdtype(found.dtype, np.integer):
        # In this order: nanoseconds of 64 bits without a sign fit only when divided.
        moments = (found // 1000).astype(np.int64) if micro < 1 else found.astype(np.int64) * int(micro)
    else:
        moments = np.rint(found * micro).astype(np.int64)
    return _of_the_calendar(column, moments)


def _of_the_calendar(column: Column, moments: IntArray) -> IntArray:
    """The same times. Raises InputError where one lies outside the years that a calendar has."""
    column.refuse((moments < YEAR_1) | (moments >= YEAR_10000), _mixed("which is outside the years 1 to 9999", MEND))
    return moments

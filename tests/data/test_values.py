"""Columns to numbers, times and ids, and the words for what does not fit."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.raw import Origin
from recsys.data.values import MISSING, Column, ids, numbers, order, times
from recsys.errors import InputError


def column(values: Any, name: str = "rating", kind: pa.DataType | None = None) -> Column:
    data = pa.chunked_array([pa.array(values, kind)])
    return Column(name, data, (Origin("t.csv", len(data), lambda row: row + 2),))


def micro(text: str) -> int:
    moment = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["1", "2.5", "-3", "+4", ".5", "6.", "7e2"], [1, 2.5, -3, 4, 0.5, 6, 700]),
        ([" 1 ", "2\t"], [1, 2]),
        ([1, 2], [1, 2]),
        ([1.5, 2.0], [1.5, 2]),
        ([True, False], [1, 0]),
        ([Decimal("1.25")], [1.25]),
        ([], []),
    ],
)
def test_numbers(values: list[Any], wanted: list[float]) -> None:
    assert numbers(column(values, kind=None if values else pa.string())).tolist() == wanted


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "great"], "t.csv, row 3: rating is 'great', a number is needed; mend that row"),
        (
            ["1", "great", "2", "bad", "", "x"],
            "t.csv, row 3: rating is 'great', a number is needed (3 more such rows; first at 3); mend that row",
        ),
        (["1", "4,5"], "t.csv, row 3: rating is '4,5', a number is needed; write decimals with a point, as in 4.5"),
        (["1.234,5"], "t.csv, row 2: rating is '1.234,5', a number is needed; write decimals with a point, as in 4.5"),
        (["1", " "], "t.csv, row 3: rating is empty, a number is needed; fill it or leave the row out"),
        ([1, None], "t.csv, row 3: rating is empty, a number is needed; fill it or leave the row out"),
        (
            ["1", "NaN", "nan"],
            "t.csv, row 3: rating is 'NaN', which marks a missing value; a number is needed (1 more such row; "
            "first at 3); fill it or leave the row out",
        ),
        (
            [1.0, float("nan")],
            "t.csv, row 3: rating is 'nan', which marks a missing value; a number is needed; "
            "fill it or leave the row out",
        ),
        (["-inf"], "t.csv, row 2: rating is '-inf', a finite number is needed; mend that row"),
        (["1e400"], "t.csv, row 2: rating is '1e400', a finite number is needed; mend that row"),
        ([float("inf")], "t.csv, row 2: rating is 'inf', a finite number is needed; mend that row"),
        (["x" * 5_000_000], f"t.csv, row 2: rating is '{'x' * 59}…', a number is needed; mend that row"),
        (["0x10"], "t.csv, row 2: rating is '0x10', a number is needed; mend that row"),
        (
            [dt.date(2024, 1, 1)],
            "t.csv: column 'rating' holds values of type date32[day]; numbers are needed",
        ),
    ],
)
def test_numbers_refused(values: list[Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        numbers(column(values))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["881250949"], "1997-12-04T15:55:49"),
        ([881250949], "1997-12-04T15:55:49"),
        ([881250949.25], "1997-12-04T15:55:49.250000"),
        (["881250949.25"], "1997-12-04T15:55:49.250000"),
        ([881250949_250], "1997-12-04T15:55:49.250000"),
        ([881250949_250_001], "1997-12-04T15:55:49.250001"),
        ([881250949_250_001_999], "1997-12-04T15:55:49.250001"),
        ([-86400], "1969-12-31T00:00:00"),
        (["0"], "1970-01-01T00:00:00"),
        (["2024-01-31"], "2024-01-31T00:00:00"),
        (["1950-01-31"], "1950-01-31T00:00:00"),
        (["20240131"], "2024-01-31T00:00:00"),
        ([20240131], "2024-01-31T00:00:00"),
        ([20240131.0], "2024-01-31T00:00:00"),
        (["202401311230"], "2024-01-31T12:30:00"),
        ([20240229235959], "2024-02-29T23:59:59"),
        (["20240131120000"], "2024-01-31T12:00:00"),
        ([20240230], "1970-08-23T06:17:10"),
        ([-62135596800], "0001-01-01T00:00:00"),
        (["0001-01-01"], "0001-01-01T00:00:00"),
        (["20240131T120000"], "2024-01-31T12:00:00"),
        (["2024-01-31 12:00"], "2024-01-31T12:00:00"),
        (["2024-01-31T12:00:00.123456"], "2024-01-31T12:00:00.123456"),
        (["2024-01-31T12:00:00.123456789"], "2024-01-31T12:00:00.123456"),
        (["2024-01-31T12:00:00Z"], "2024-01-31T12:00:00"),
        (["2024-01-31 12:00:00 UTC"], "2024-01-31T12:00:00"),
        (["2024-01-31T12:00:00+05:30"], "2024-01-31T06:30:00"),
        (["2024-01-31T12:00:00-0100"], "2024-01-31T13:00:00"),
        ([dt.date(2024, 1, 31)], "2024-01-31T00:00:00"),
        ([dt.datetime(2024, 1, 31, 12)], "2024-01-31T12:00:00"),
        ([dt.datetime(2024, 1, 31, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))], "2024-01-31T10:00:00"),
    ],
)
def test_times(values: list[Any], wanted: str) -> None:
    assert times(column(values)).tolist() == [micro(wanted)]


def test_small_numbers_are_seconds_although_some_could_be_dates() -> None:
    """Of the seconds of August 1970 one in thirty reads as a date."""
    seconds = np.arange(20_240_000, 20_250_000)
    assert times(column(seconds)).tolist() == (seconds * 1_000_000).tolist()
    assert times(column([20240131, 1, 2])).tolist() == [20240131_000_000, 1_000_000, 2_000_000]


def test_dates_and_datetimes_of_one_zone_may_be_mixed() -> None:
    assert times(column(["2024-01-31", "2024-01-31 00:00:01"])).tolist() == [
        micro("2024-01-31T00:00:00"),
        micro("2024-01-31T00:00:01"),
    ]


DAYS = [20240131, 20240201]
NO_DATE = (
    "t.csv, row 4: ts is '{}', which is no YYYYMMDD of the years 1900 to 2100, as most others are; "
    "write all times in one form"
)
ISO = "seconds since 1970, or ISO 8601 such as 2024-01-31 or 2024-01-31T12:00:00+01:00"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ["31/01/2024", "x"],
            f"t.csv, row 2: ts is '31/01/2024', a time is needed (1 more such row; first at 2); write {ISO}",
        ),
        (
            ["2024-01-31", "2024-02-30"],
            f"t.csv, row 3: ts is '2024-02-30', a time is needed; write {ISO}",
        ),
        (["2024-01-31", ""], "t.csv, row 3: ts is empty, a time is needed; fill it or leave the row out"),
        ([1, None], "t.csv, row 3: ts is empty, a time is needed; fill it or leave the row out"),
        (
            ["1.5", "nan"],
            "t.csv, row 3: ts is 'nan', which marks a missing value; a time is needed; fill it or leave the row out",
        ),
        (["1.5", "inf"], f"t.csv, row 3: ts is 'inf', a time is needed; write {ISO}"),
        (
            ["2024-01-31", "1700000000"],
            "t.csv, row 3: ts is '1700000000', where the rows above hold dates; use one kind of time",
        ),
        (
            ["1700000000", "1700000001", "2024-01-31"],
            "t.csv, row 4: ts is '2024-01-31', where the rows above hold numbers; use one kind of time",
        ),
        (
            ["2024-01-31T12:00", "2024-01-31T12:00Z"],
            "t.csv, row 3: ts is '2024-01-31T12:00Z', with a zone, where the rows above are without one; "
            "write all times with a zone, or all without (then they are UTC)",
        ),
        (
            [1700000000000, 1700000000],
            "t.csv, row 3: ts is '1700000000', which reads as seconds, where others read as milliseconds; use one unit",
        ),
        *(([*DAYS, other], NO_DATE.format(other)) for other in (20240230, 99991231, 0)),
        (["20240131", "20240201", "1700000000"], NO_DATE.format(1700000000)),
        (["20240131", "20240201.5"], NO_DATE.format("20240201.5").replace("row 4", "row 3")),
        (
            [20240131, 1700000000, 20240201, 1700000001],
            NO_DATE.format("1700000000")
            .replace("row 4", "row 3")
            .replace("are;", "are (1 more such row; first at 3);"),
        ),
        (
            [1700000000, 20240131, 1700000001],
            "t.csv, row 3: ts is '20240131', which reads as YYYYMMDD, where others read as seconds; "
            "use one kind of time",
        ),
        (
            [20240131120000, 20240131126000],
            "t.csv, row 3: ts is '20240131126000', which is no YYYYMMDDhhmmss of the years 1900 to 2100, "
            "as most others are; write all times in one form",
        ),
        (["2024-01-31", "today"], f"t.csv, row 3: ts is 'today', a time is needed; write {ISO}"),
        (["1700000000", " NOW"], f"t.csv, row 3: ts is ' NOW', a time is needed; write {ISO}"),
        *(
            (["2024-01-31", year], f"t.csv, row 3: ts is '{year}', {said}")
            for year, said in (
                ("-0001-01-01", f"a time is needed; write {ISO}"),
                ("0000-12-31", "which is outside the years 1 to 9999; mend that row"),
            )
        ),
        (
            [0, -99999999999],
            "t.csv, row 3: ts is '-99999999999', which is outside the years 1 to 9999; mend that row",
        ),
        ([True], "t.csv: column 'ts' holds values of type bool; times are needed"),
    ],
)
def test_times_refused(values: list[Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        times(column(values, "ts"))
    assert str(caught.value) == message


def test_order_is_a_number_or_a_time() -> None:
    assert order(column(["2", "1"])).tolist() == [2, 1]
    assert np.diff(order(column(["2024-01-31", "2024-01-30"]))).tolist() == [-86_400_000_000]
    assert np.diff(order(column([dt.date(2024, 1, 31), dt.date(2024, 1, 30)]))).tolist() == [-86_400_000_000]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["7", "007", "a b", "😀", "7"], ["7", "007", "a b", "😀", "7"]),
        ([7, 8], [7, 8]),
        ([7.0, 8.0], [7, 8]),
        (pa.array([2**63], pa.uint64()), [str(2**63)]),
        (pa.array([5], pa.uint64()), [5]),
    ],
)
def test_ids(values: Any, wanted: list[Any]) -> None:
    assert ids(column(values, "user")).tolist() == wanted


@pytest.mark.parametrize("values", [["1", "", "NaN"], [1, None, None]])
def test_ids_may_be_missing_where_they_are_optional(values: list[Any]) -> None:
    assert ids(column(values, "user"), optional=True).tolist() == ["1", np.nan, np.nan]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "", "2"], "t.csv, row 3: user is empty, an id is needed; leave the row out"),
        ([1, None], "t.csv, row 3: user is empty, an id is needed; leave the row out"),
        (
            ["1", None, None],
            "t.csv, row 3: user is empty, an id is needed (1 more such row; first at 3); leave the row out",
        ),
        (
            ["1", "NULL"],
            "t.csv, row 3: user is 'NULL', which marks a missing value; an id is needed; leave the row out",
        ),
        ([1.0, 2.5], "t.csv, row 3: user is '2.5', an id is an integer or a string; mend that row"),
        (
            [1.0, float("nan")],
            "t.csv, row 3: user is 'nan', which marks a missing value; an id is needed; leave the row out",
        ),
        ([True], "t.csv: column 'user' holds values of type bool; integers or strings are needed"),
    ],
)
def test_ids_refused(values: list[Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        ids(column(values, "user"))
    assert str(caught.value) == message


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text.strip() not in MISSING)))
def test_any_string_is_an_id(values: list[str]) -> None:
    """Integers that a program would write as they are written here are read as such."""
    assert [str(value) for value in ids(column(values, "user", pa.string())).tolist()] == values

"""Numbers as times: dates of the calendar among them, and what the extremes of a column tell."""

import numpy as np
import pytest

from recsys.data.times import in_calendar, last_integer


@pytest.mark.parametrize(
    ("numbers", "form", "valid"),
    [
        ([20240229, 20230229, 21001231, 20240431], "YYYYMMDD", [True, False, True, False]),
        ([20240001, 20241301, 20240100, 20240132, 20240101], "YYYYMMDD", [False, False, False, False, True]),
        ([20240131.0, 20240131.5], "YYYYMMDD", [True, False]),
        ([202401312359, 202401312400, 202401310060], "YYYYMMDDhhmm", [True, False, False]),
        ([20240131235959, 20240131235960, 20240131], "YYYYMMDD", [False, False, True]),
        ([20240131235959, 20240131235960, 20240131000000], "YYYYMMDDhhmmss", [True, False, True]),
        ([202401312359, 202401312358, 20240131], "YYYYMMDDhhmm", [True, True, False]),
    ],
)
def test_dates_written_as_numbers(numbers: list[float], form: str, valid: list[bool]) -> None:
    found = in_calendar(np.array(numbers))
    assert found is not None
    assert (found.form, found.valid.tolist()) == (form, valid)


@pytest.mark.parametrize("numbers", [[0], [1_700_000_000], [20240230], [-20240131], [18991231, 21010101], [1e18]])
def test_numbers_that_are_no_dates(numbers: list[float]) -> None:
    assert in_calendar(np.array(numbers)) is None


@pytest.mark.parametrize(
    ("smallest", "largest", "last"),
    [
        (1_600_000_000, 1_700_000_000, 1_650_000_000),
        (1_600_000_000_000, 1_700_000_000_000, 1_650_000_000_999),
        (20240131, 20240201, None),
        (0, 20240201, None),
        (20240131, 1_700_000_000, None),
        (20240131120000, 20240201120000, None),
        (-62_135_596_801, 0, None),
        (-62_135_596_800, 0, 1_650_000_000),
        (0, 10**20, None),
    ],
)
def test_a_column_may_be_judged_by_its_extremes(smallest: int, largest: int, last: int | None) -> None:
    assert last_integer(smallest, largest, 1_650_000_000_999_999) == last

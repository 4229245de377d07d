"""The exploration of a data set: numbers that can be counted by hand, and nothing that JSON would refuse."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.explorations import DAY, dataset, shop

from recsys.data.config import DataOptions
from recsys.data.dataset import Dataset
from recsys.data.exploration import MOST_PERIODS, TOP, explore, periods_of

ITEMS = pd.DataFrame(
    {"item": ["a", "b", "c", "z"], "title": ["Ay", "Bee", None, "Zed"], "genres": ["x|y", "x", None, "y"]}
)
# January: users 1 and 2 on a and b; March: user 2 again on c, and user 3 on a. February is silent.
ROWS = [
    (1, "a", 5.0, 0),
    (1, "b", 4.0, 3 * DAY),
    (2, "a", 2.0, 4 * DAY),
    (2, "c", 1.0, 62 * DAY),
    (3, "a", 5.0, 63 * DAY),
]
FULL = dataset(ROWS, items=ITEMS)


def test_most_rated_items_with_ties_by_id() -> None:
    assert explore(FULL)["top_items"] == [
        {"item": "a", "title": "Ay", "rows": 3, "share": 0.6, "value": 4.0},
        {"item": "b", "title": "Bee", "rows": 1, "share": 0.2, "value": 4.0},
        {"item": "c", "title": "c", "rows": 1, "share": 0.2, "value": 1.0},
    ]


def test_no_more_than_the_top() -> None:
    about = explore(shop(n_users=40, n_items=60))
    assert len(about["top_items"]) == TOP
    rows = [each["rows"] for each in about["top_items"]]
    assert rows == sorted(rows, reverse=True)


def test_activity_by_month_with_a_silent_one() -> None:
    about = explore(FULL)
    assert about["periods"] == {"unit": "month", "names": ["1970-01", "1970-02", "1970-03"]}
    assert about["activity"] == [
        {"rows": 3, "users": 2, "items": 2, "new_users": 2, "new_items": 2},
        {"rows": 0, "users": 0, "items": 0, "new_users": 0, "new_items": 0},
        {"rows": 2, "users": 2, "items": 2, "new_users": 1, "new_items": 1},
    ]


def test_labels_count_for_each_item_that_has_them() -> None:
    found = explore(FULL)["labels"]
    assert list(found) == ["genres"]
    assert found["genres"]["without"] == 1
    x, y = found["genres"]["levels"]
    assert (x["label"], x["items"], x["rows"], x["share"], x["value"]) == ("x", 2, 4, 0.8, 4.0)
    assert (y["label"], y["items"], y["rows"], y["share"], y["value"]) == ("y", 2, 3, 0.6, 4.0)
    assert x["by_period"] == [1.0, 0.0, 0.5]
    assert y["by_period"] == pytest.approx([2 / 3, 0.0, 0.5])


def test_a_tenth_is_one_at_least() -> None:
    about = explore(FULL)
    assert about["tenth"] == {"users": 0.4, "items": 0.6}
    assert about["listed"] == {"users": 3, "items": 4}


def test_a_tenth_of_twenty_is_two() -> None:
    rows = [(user, item) for user in range(20) for item in range(9 if user < 2 else 1)]
    assert explore(dataset(rows))["tenth"]["users"] == 18 / 36


@pytest.mark.parametrize(
    ("days", "unit", "first", "n"),
    [
        (10, "day", "1970-01-01", 11),
        (62, "day", "1970-01-01", 63),
        (63, "month", "1970-01", 3),
        (1500, "month", "1970-01", 50),
        (9000, "year", "1970", 25),
        (40_000, "year", "1970 to 1971", 55),
    ],
)
def test_the_calendar_fits_the_span(days: int, unit: str, first: str, n: int) -> None:
    found = periods_of(dataset([(1, 1, 1.0, 0), (2, 2, 1.0, days * DAY)]))
    assert found is not None
    assert (found.unit, found.names[0], len(found.names)) == (unit, first, n)
    assert found.of.tolist() == [0, n - 1]


def test_the_last_moment_of_a_month_is_not_the_next_one() -> None:
    found = periods_of(dataset([(1, 1, 1.0, 31 * DAY - 1), (2, 2, 1.0, 31 * DAY), (3, 3, 1.0, 100 * DAY)]))
    assert found is not None
    assert found.of.tolist() == [0, 1, 3]


def test_before_1970() -> None:
    found = periods_of(dataset([(1, 1, 1.0, -1), (2, 2, 1.0, 0)]))
    assert found is not None
    assert (found.names, found.of.tolist()) == (["1969-12-31", "1970-01-01"], [0, 1])


def test_no_calendar_without_times_that_all_share() -> None:
    for data in (dataset([(1, 1), (2, 2)]), dataset([(1, 1, 1.0, 1), (2, 2, 1.0, 2)], clock="order")):
        about = explore(data)
        assert (about["periods"], about["activity"]) == (None, None)


def test_without_values() -> None:
    about = explore(dataset([(1, "a"), (2, "b")], items=ITEMS))
    assert [each["value"] for each in about["top_items"]] == [None, None]
    assert [each["value"] for each in about["labels"]["genres"]["levels"]] == [None, None]
    assert [each["by_period"] for each in about["labels"]["genres"]["levels"]] == [None, None]


WIDE = [(user, user % 7, user / 3 - 20, sign * 2**61) for user, sign in enumerate([1, -1] * 20)]


@pytest.mark.parametrize(
    "data",
    [
        FULL,
        shop(),
        dataset([(1, 1), (1, 1), (2, 2)], DataOptions(duplicates="keep")),
        dataset(WIDE),
        dataset([(1, 1, 3.0, 7), (2, 2, 3.0, 7)]),
        dataset([(1, 1), (2, 2)], items=pd.DataFrame({"item": [1, 9], "genres": ["x|y", None], "n": [1, np.nan]})),
    ],
)
def test_all_of_it_is_plain_json(data: Dataset) -> None:
    about: dict[str, Any] = explore(data)
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    if about["activity"]:
        assert len(about["activity"]) == len(about["periods"]["names"]) <= max(MOST_PERIODS, 63)
        assert sum(each["rows"] for each in about["activity"]) == len(data)
        assert sum(each["new_users"] for each in about["activity"]) == about["users"]
        assert sum(each["new_items"] for each in about["activity"]) == about["items"]

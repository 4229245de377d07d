"""The summary: right numbers, and nothing in it that JSON or MLflow would refuse."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys.data.build import build
from recsys.data.config import DataOptions
from recsys.data.dataset import Dataset
from recsys.data.raw import Raw
from recsys.data.summary import summarise, summary_lines


def data(rows: list[tuple[Any, ...]], options: DataOptions | None = None, **more: Any) -> Dataset:
    names = ["user", "item", "value", "timestamp", "part"][: len(rows[0])]
    return build(Raw(pd.DataFrame(rows, columns=names), **more), options or DataOptions())


DAY = 86_400_000_000
ITEMS = pd.DataFrame(
    {"item": ["a", "b", "z"], "title": ["Ay", "Bee", None], "genres": ["x|y", "x", None], "n": [1, 2, 3]}
)
FULL = data(
    [(1, "a", 5.0, 0), (1, "b", 4.0, DAY), (2, "a", 4.0, 2 * DAY), (2, "c", 1.0, 4 * DAY)],
    items=ITEMS,
    sessions=pd.DataFrame({"session": [1, 1, 2], "item": ["a", "b", "a"], "user": [1, 1, None]}),
    columns={"user": "who", "item": "what"},
)


def test_by_hand() -> None:
    about = summarise(FULL)
    assert {name: about[name] for name in ("rows", "users", "items", "density", "duplicates", "columns")} == {
        "rows": 4,
        "users": 2,
        "items": 3,
        "density": 4 / 6,
        "duplicates": 0,
        "columns": {"user": "who", "item": "what"},
    }
    assert about["rows_per_user"] == {"min": 2, "median": 2, "mean": 2, "max": 2}
    assert about["rows_per_item"] == {"min": 1, "median": 1, "mean": 4 / 3, "max": 2}
    assert about["values"] == {
        "min": 1,
        "mean": 3.5,
        "max": 5,
        "distinct": 3,
        "histogram": [
            {"from": 1, "to": 1, "rows": 1},
            {"from": 4, "to": 4, "rows": 2},
            {"from": 5, "to": 5, "rows": 1},
        ],
    }
    times = about["times"]
    assert (times["first"], times["last"], times["days"]) == ("1970-01-01 00:00:00", "1970-01-05 00:00:00", 4)
    assert sum(bar["rows"] for bar in times["histogram"]) == 4
    assert about["cold"] == {
        "users_without_rows": 0,
        "items_without_rows": 1,
        "users_without_features": 2,
        "items_without_features": 1,
    }
    assert about["item_features"] == {
        "title": {"kind": "text", "missing": 2, "distinct": 2, "example": "Ay"},
        "genres": {"kind": "labels", "missing": 2, "distinct": 2, "example": "x|y"},
        "n": {"kind": "number", "missing": 1, "min": 1, "max": 3},
    }
    assert about["sessions"] == {"rows": 3, "sessions": 2, "items": 2, "of_known_users": 2}
    assert about["first_rows"][3] == {"user": 2, "item": "c", "title": "c", "value": 1, "time": "1970-01-05 00:00:00"}


def test_in_a_few_lines() -> None:
    assert summary_lines(FULL) == [
        "4 rows of 2 users and 3 items, 66.67% of all pairs; 2 to 2 rows a user, median 2",
        "values 1 to 5, mean 3.5, 3 different; times 1970-01-01 00:00:00 to 1970-01-05 00:00:00 (4 days, UTC)",
        "item: title (text), genres (2 labels), n (1 to 3)",
        "user: no features",
        "columns: user = who, item = what",
        "first rows: 1 → a (Ay) 5 at 1970-01-01 00:00:00; 1 → b (Bee) 4 at 1970-01-02 00:00:00; "
        "2 → a (Ay) 4 at 1970-01-03 00:00:00",
    ]


def test_a_line_stays_one_whatever_ids_hold() -> None:
    assert summary_lines(data([("a\r\nb", "x"), ("c", "y\nz")]))[-1] == r"first rows: a\r\nb → x; c → y\nz"


def test_dropped_rows_are_told() -> None:
    found = data([(1, 1), (1, 2), (2, 1), (2, 2), (2, 2), (3, 1)], DataOptions(duplicates="first", min_user_count=2))
    lines = summary_lines(found)
    assert "no values: every row counts the same; no times: the order of rows counts" in lines
    assert "left out of 6 rows: 1 repeated a user and item, 1 were of users with too few" in lines


@pytest.mark.parametrize(
    "found",
    [
        FULL,
        data([(1, 1), (2, 2)]),
        data([(1, 1, 2.0, 7, 0), (2, 2, 2.0, 7, 1), (2, 2, 2.0, 7, 2)]),
        data([(user, item, float(10**item), 5) for user in range(3) for item in range(8)], clock="order"),
        data([(user, user % 7, user / 3 - 20, -(2**61)) for user in range(100)]),
        data([(1, 1), (1, 1), (2, 2)], DataOptions(duplicates="keep")),
        data([(1, 1), (2, 2)], items=pd.DataFrame({"item": [1], "x": [np.nan], "y": [""], "z": [np.inf]})),
    ],
)
def test_all_of_it_is_plain_json(found: Dataset) -> None:
    about = summarise(found)
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    for name in ("values", "times"):
        bars = about[name]["histogram"] if about[name] else []
        assert not bars or sum(bar["rows"] for bar in bars) == len(found)
    assert all("nan" not in line for line in summary_lines(found))


def test_values_are_told_as_they_were_written() -> None:
    about = summarise(data([(1, 1, 4.4), (2, 2, 0.1)]))
    assert (about["values"]["min"], about["values"]["max"]) == (0.1, 4.4)
    assert about["first_rows"][0]["value"] == 4.4
    assert about["values"]["histogram"][0]["from"] == 0.1


def test_duplicates_that_are_kept_are_counted() -> None:
    assert summarise(data([(1, 1), (1, 1), (1, 1), (2, 2)], DataOptions(duplicates="keep")))["duplicates"] == 2

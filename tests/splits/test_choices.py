"""What each kind of split would do: the same fractions, what is cold, and what was trained on too late."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made.explorations import DAY, dataset, shop

from recsys.splits.choices import overlap, split_choices
from recsys.splits.config import ColdUsersSplit, LeaveOneOutSplit, RandomSplit, RollingSplit

DATA = shop()


def by_kind(found: dict) -> dict:
    return {each["kind"]: each for each in found["splits"]}


def test_all_kinds_at_the_fractions_of_the_experiment() -> None:
    found = split_choices(DATA, RandomSplit(test=0.25, validation=0.05), None, refit=True)
    kinds = by_kind(found)
    assert list(kinds) == ["random", "leave-one-out", "temporal", "user-temporal", "k-fold", "cold-users", "rolling"]
    assert [kind for kind, each in kinds.items() if each["own"]] == ["random"]
    assert (found["sampled"], found["rows"], found["refused"]) == (False, len(DATA), [])
    for each in kinds.values():
        assert each["train"] + each["validation"] + each["test"] + each["unused"] == len(DATA)
    assert kinds["random"]["test"] == kinds["temporal"]["test"] == len(DATA) - round(0.75 * len(DATA))
    assert kinds["temporal"]["settings"]["validation"] == 0.05
    assert kinds["k-fold"]["folds"] == 4
    assert kinds["leave-one-out"]["test"] == 60
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_who_is_cold_and_what_is_too_late() -> None:
    kinds = by_kind(split_choices(DATA, RandomSplit(), None, refit=True))
    assert (kinds["cold-users"]["warm_users"], kinds["cold-users"]["cold_users"]) == (0, 12)
    assert (kinds["leave-one-out"]["warm_users"], kinds["leave-one-out"]["cold_users"]) == (60, 0)
    assert kinds["temporal"]["overlap"] == kinds["rolling"]["overlap"] == 0
    assert kinds["random"]["overlap"] == pytest.approx(0.5, abs=0.05)
    assert 0 < kinds["user-temporal"]["overlap"] < kinds["random"]["overlap"]


def test_the_own_split_as_it_is() -> None:
    own = LeaveOneOutSplit(kind="leave-one-out", order="random", validation=0.5)
    kinds = by_kind(split_choices(DATA, own, None, refit=True))
    assert kinds["leave-one-out"]["settings"]["order"] == "random"
    assert kinds["random"]["settings"]["test"] == 0.2
    assert by_kind(split_choices(DATA, ColdUsersSplit(kind="cold-users", history=0.5), None, True))["cold-users"][
        "unused"
    ]


def test_without_times_some_are_refused_with_the_reason() -> None:
    data = dataset([(user, item) for user in range(9) for item in range(5)])
    found = split_choices(data, RandomSplit(), None, refit=True)
    assert [each["kind"] for each in found["refused"]] == ["rolling"]
    assert "needs timestamps" in found["refused"][0]["reason"]
    assert {each["overlap"] for each in found["splits"]} == {None}


def test_windows_make_up_the_fraction() -> None:
    """A fifth of 400 days in three windows."""
    assert by_kind(split_choices(DATA, RandomSplit(), None, True))["rolling"]["settings"]["window"] == "26d"
    own = RollingSplit(kind="rolling", window="30d", folds=2)
    assert by_kind(split_choices(DATA, own, None, True))["rolling"]["settings"]["window"] == "30d"


def test_of_many_rows_those_of_some_users() -> None:
    found = split_choices(DATA, RandomSplit(), None, refit=True, most=200)
    assert found["sampled"]
    assert 150 < found["rows"] <= 200
    assert by_kind(found)["leave-one-out"]["test"] == found["users"] < 60


def test_at_least_one_user_is_kept() -> None:
    found = split_choices(DATA, RandomSplit(), None, refit=True, most=3)
    assert (found["users"], found["sampled"]) == (1, True)


def test_overlap_by_hand() -> None:
    """Test rows of days 1 and 3 beside training rows of days 0, 2 and 3: 2 and 0 of three are newer."""
    data = dataset([(1, number, 1.0, day * DAY) for number, day in enumerate((0, 2, 3, 1, 3))] + [(2, 0, 1.0, 9 * DAY)])
    assert overlap(data, np.array([0, 1, 2]), np.array([3, 4])) == pytest.approx(2 / 6)

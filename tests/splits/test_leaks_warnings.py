"""Warnings: overlap in time, popularity of the future, cold shares, copies of items; and how real sets fare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.data.config import MovieLensData, NotebookData, SyntheticData
from recsys.data.dataset import Entities
from recsys.data.load import load
from recsys.errors import InputError
from recsys.settings import Settings
from recsys.splits.config import SPLITS
from recsys.splits.fold import Fold
from recsys.splits.leaks import ERRORS, WARNINGS, Case, check_fold
from recsys.splits.leaks_items import copies, near_duplicates
from recsys.splits.leaks_rows import nothing_to_choose
from recsys.splits.leaks_time import cold_items, cold_users, popularity_from_the_future, time_overlap
from recsys.splits.splitting import split


def case_of(data, test, **asked):
    return Case(data, Fold.of(len(data), test=np.array(test), validation=np.array([], dtype=int)), **asked)


def titled(data, titles, **features):
    kinds = {"title": "text", **dict.fromkeys(features, "category")}
    frame = pd.DataFrame({"title": titles, **features}).astype("str")
    return replace(data, items=Entities(data.items.ids, frame, kinds))


class TestTime:
    def test_counted_by_hand(self, make):
        data = make([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1], timestamp=[1, 5, 2, 6, 3, 4])
        finding = time_overlap(case_of(data, [4, 5]))  # tested at 3 and 4; trained on 1, 5, 2, 6
        np.testing.assert_array_equal(finding.rows, [1, 3])
        assert "in 50% of all pairs" in finding.message

    def test_one_cut_has_none(self, make):
        data = make([0, 0, 1, 1], [0, 1, 0, 1], timestamp=[1, 2, 3, 3])
        assert time_overlap(case_of(data, [2, 3])) is None
        assert time_overlap(case_of(replace(data, timestamp=None), [0])) is None
        assert time_overlap(case_of(replace(data, clock="order"), [0])) is None

    def test_popularity_that_is_yet_to_come(self, make):
        """All users but one take item 0 after the test; before it, twelve other items have one row each."""
        users = np.arange(40)
        early = [(99, item, 1) for item in range(1, 13)]
        rows = [*early, *((user, 0, 5) for user in users), *((user, 20 + user % 3, 9) for user in range(50, 98))]
        user, item, time = np.array(rows).T
        data = make(user, item, timestamp=time)
        trained_late = make(
            np.append(user, np.arange(50, 98)), np.append(item, np.zeros(48, int)), timestamp=np.append(time, [9] * 48)
        )
        test = np.arange(12, 52)
        finding = popularity_from_the_future(case_of(trained_late, test))
        assert finding.values == {"test positives among the 10 most popular": (1.0, 0.0)}
        assert "100.0% of the test positives of 40 users" in finding.message
        assert popularity_from_the_future(case_of(data, test)) is None  # nobody finds item 0

    def test_cold_ones(self, make):
        data = make([0, 0, 1, 1, 2, 0], [0, 1, 0, 1, 0, 2])
        case = case_of(data, [3, 4, 5])
        np.testing.assert_array_equal(cold_items(case).rows, [5])
        np.testing.assert_array_equal(cold_users(case).rows, [4])
        assert "1 of 3 test positives (33%)" in cold_users(case).message
        assert cold_users(case_of(data, [2, 3, 4])) is None  # all are: the split wants it so


class TestNothingToChoose:
    def test_users_whose_every_candidate_is_wanted(self, make):
        # Users 0 and 1 have had all but what the test asks for, one item twice; user 2 can still be wrong.
        data = make([0, 0, 0, 1, 1, 2, 0, 1, 2], [0, 0, 1, 0, 2, 0, 2, 1, 1])
        case = case_of(data, [6, 7, 8])
        finding = nothing_to_choose(case)
        np.testing.assert_array_equal(finding.rows, [6, 7])
        assert "2 test positives of 3 are of users whose every candidate is one" in finding.message
        assert nothing_to_choose(case_of(data, [6, 7, 8], exclude_seen=False)) is None

    def test_where_what_was_seen_may_come_again(self, make):
        data = make([0, 0, 1, 1, 1], [0, 1, 0, 1, 1])
        case = case_of(data, [3, 4], exclude_seen=False)
        assert nothing_to_choose(case) is None
        np.testing.assert_array_equal(
            nothing_to_choose(case_of(make([0, 0, 1, 1, 1], [0, 1, 0, 1, 0]), [3, 4], exclude_seen=False)).rows, [3, 4]
        )

    def test_few_of_many_are_not_worth_a_word(self, make):
        users, n = range(1, 21), 20
        seen, test = make([0, 0, 21, *users], [0, 1, 2, *[0] * n]), make([0, *users], [2, *[1] * n])
        data = make([*seen.user, *test.user], [*seen.item, *test.item])
        rows = list(range(len(seen), len(data)))
        assert nothing_to_choose(case_of(data, rows)) is None
        np.testing.assert_array_equal(nothing_to_choose(case_of(data, rows[:5])).rows, rows[:1])


class TestCopies:
    def test_a_user_who_has_the_copy(self, make):
        data = titled(make([0, 1, 0, 1], [0, 0, 1, 2]), ["Chasing Amy (1997)", "chasing  AMY, 1997", "Heat"])
        finding = near_duplicates(case_of(data, [2, 3]))
        np.testing.assert_array_equal(finding.rows, [2])
        assert "1 of an item that the user has there, 0 of one" in finding.message
        assert "item 0 (Chasing Amy (1997)), item 10 (chasing  AMY, 1997)" in finding.message

    def test_an_item_that_was_given_another_id(self, make):
        data = titled(make([0, 1, 2], [0, 0, 1]), ["Heat", "Heat"])
        finding = near_duplicates(case_of(data, [2]))
        assert "0 of an item that the user has there, 1 of one" in finding.message

    def test_both_trained_and_nobody_has_both(self, make):
        data = titled(make([0, 1, 2, 2], [0, 1, 2, 0]), ["Heat", "Heat", "Alien"])
        assert near_duplicates(case_of(data, [3])) is None

    def test_other_features_and_empty_titles_tell_apart(self, make):
        data = make([0, 0], [0, 1])
        alike = titled(data, ["Heat", "Heat"], year=["1986", "1986"])
        assert len(set(copies(alike))) == 1
        assert len(set(copies(titled(data, ["Heat", "Heat"], year=["1986", "1995"])))) == 2
        assert len(set(copies(titled(data, ["?", "!"])))) == 2
        assert len(set(copies(titled(data, [None, None])))) == 2

    def test_a_title_of_many_is_no_name(self, make):
        data = make([0] * 6, range(6))
        assert len(set(copies(titled(data, ["Untitled"] * 6)))) == 6

    def test_the_same_users(self, make):
        """Item 1 has 19 of the 20 users of item 0; item 2 has half of them."""
        pairs = [*((u, 0) for u in range(20)), *((u, 1) for u in range(19)), *((u, 2) for u in range(10, 30))]
        user, item = np.array(pairs).T
        number = copies(make(user, item))
        assert number[0] == number[1] != number[2]

    def test_few_users_say_nothing(self, make):
        assert len(set(copies(make([0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1])))) == 2


def test_a_finding_as_plain_values(make):
    data = make([0, 0, 1, 1, 2, 0], [0, 1, 0, 1, 0, 2])
    case = case_of(data, [3, 4, 5])
    facts = cold_items(case).facts(case.where(cold_items(case).rows))
    assert (facts["check"], facts["count"], facts["rows"]) == ("cold_items", 1, "row 6 (user 0, item 20)")


def kinds(data):
    for kind in SPLITS:
        if kind != "predefined":
            try:
                yield kind, split(data, SPLITS[kind](kind=kind))[0]
            except InputError:  # these data do not allow it
                continue


@pytest.mark.parametrize("config", [NotebookData(source="notebook"), SyntheticData(source="synthetic")])
def test_made_worlds_have_no_errors(config):
    data = load(config, None, Settings())
    for kind, fold in kinds(data):
        assert check_fold(Case(data, fold), ERRORS) == [], kind


@pytest.mark.data
def test_movielens_has_no_errors_and_these_warnings(data_dir, monkeypatch):
    data = load(MovieLensData(source="movielens-100k"), None, Settings())
    found = {}
    for kind, fold in kinds(data):
        case = Case(data, fold, positive=4)
        assert check_fold(case, ERRORS) == [], kind
        found[kind] = [finding.check for finding in check_fold(case, WARNINGS)]
    assert found["random"] == ["time_overlap", "popularity_from_the_future", "near_duplicates"]
    assert found["temporal"] == ["cold_users", "near_duplicates"]
    assert len(np.bincount(copies(data))) == len(data.items) - 18  # titles that occur twice, by the set's own account

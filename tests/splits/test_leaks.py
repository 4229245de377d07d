"""What a fold holds, and the leaks that are found in it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recsys.errors import InputError
from recsys.splits.account import account, positives
from recsys.splits.config import SPLITS
from recsys.splits.fold import Fold
from recsys.splits.leaks import ERRORS, Case, check_fold, refuse_errors
from recsys.splits.splitting import split


def fold_of(n, test, validation=()):
    return Fold.of(n, test=np.array(test, dtype=int), validation=np.array(validation, dtype=int))


class TestAccount:
    def test_by_hand(self, make):
        # Rows 4, 5, 6 are the test: user 2 and item 3 are in no other row.
        data = make([0, 0, 1, 1, 0, 2, 1], [0, 1, 0, 2, 2, 0, 3], value=[5, 1, 4, 2, 4, 5, 1])
        found = account(data, fold_of(7, [4, 5, 6], [3]), positive=4)
        assert found["rows"] == 7
        assert found["unused"] == 0
        assert found["train"] == {"rows": 3, "users": 2, "items": 2}
        assert found["validation"] == {"rows": 1, "users": 1, "items": 1}
        assert found["test"] == {"rows": 3, "users": 3, "items": 3}
        assert found["history"] == {"rows": 0, "users": 0, "items": 0}
        assert (found["cold_users"], found["cold_items"]) == (1, 1)
        assert found["test_positives"] == 2
        assert found["test_positives_of_cold_users"] == 1
        assert found["test_positives_on_cold_items"] == 0
        assert (found["test_users_with_positives"], found["warm_test_users_with_positives"]) == (2, 1)
        json.dumps(found)

    def test_an_item_only_in_validation_is_cold_without_refit(self, make):
        data = make([0, 0, 1, 1], [0, 1, 0, 1])
        fold = fold_of(4, [3], [1])
        assert account(data, fold, None, refit=True)["cold_items"] == 0
        assert account(data, fold, None, refit=False)["cold_items"] == 1

    def test_rows_of_later_windows_are_unused(self, world):
        first, *_ = split(world, SPLITS["rolling"](kind="rolling", window="7d", folds=3))
        found = account(world, first, None)
        assert found["unused"] == np.count_nonzero(world.timestamp > world.timestamp[first.test].max())
        assert found["unused"] > 0

    def test_positives(self, world, make):
        rows = np.arange(4000)
        np.testing.assert_array_equal(positives(world, rows, 4), np.flatnonzero(world.value >= 4))
        assert len(positives(world, rows, None)) == 4000
        assert len(positives(make([0], [0]), np.array([0]), 4)) == 1


def test_rows_of_a_test_file_have_its_numbers(make):
    data = make([0, 0, 1, 0, 1], [0, 1, 0, 2, 0], part=[0, 0, 0, 1, 1])
    assert Case(data, fold_of(5, [3, 4])).where(np.array([4])) == "test row 2 (user 10, item 0)"
    assert Case(data, fold_of(5, [3, 4])).where(np.array([1])) == "row 2 (user 0, item 10)"


class TestLeaks:
    @pytest.mark.parametrize("kind", ["random", "leave-one-out", "temporal", "user-temporal", "k-fold", "cold-users"])
    def test_distinct_pairs_leak_nothing(self, world, kind):
        for fold in split(world, SPLITS[kind](kind=kind)):
            assert check_fold(Case(world, fold, positive=4), ERRORS) == []

    def test_the_same_row_on_both_sides(self, make):
        data = make([0, 0, 1, 0, 1], [0, 1, 1, 0, 1], timestamp=[1, 2, 3, 1, 4])
        found = {finding.check: finding for finding in check_fold(Case(data, fold_of(5, [3, 4])), ERRORS)}
        same = found["rows_on_both_sides"]
        np.testing.assert_array_equal(same.rows, [3])  # row 4 repeats a pair at another time
        assert same.count == 1
        assert "1 of 2 test rows" in same.message
        assert "row 4 (user 0, item 0)" in same.message
        seen = found["positives_already_seen"]
        np.testing.assert_array_equal(seen.rows, [3, 4])
        assert "row 5 (user 10, item 10)" in seen.message

    def test_coming_back_to_an_item_is_fine_where_seen_items_stay_in(self, make):
        data = make([0, 0, 0], [0, 1, 0], timestamp=[1, 2, 3])
        assert check_fold(Case(data, fold_of(3, [2]), exclude_seen=False), ERRORS) == []
        assert [f.check for f in check_fold(Case(data, fold_of(3, [2])), ERRORS)] == ["positives_already_seen"]

    def test_without_times_a_repeated_pair_is_no_proof(self, make):
        data = make([0, 0, 0], [0, 1, 0])
        assert check_fold(Case(data, fold_of(3, [2]), exclude_seen=False), ERRORS) == []

    def test_a_repeat_that_is_no_positive(self, make):
        data = make([0, 0, 0, 1], [0, 1, 0, 1], timestamp=[1, 2, 3, 4], value=[5, 5, 1, 5])
        assert check_fold(Case(data, fold_of(4, [2, 3]), positive=4), ERRORS) == []

    def test_validation_counts_once_refitted(self, make):
        data = make([0, 0, 0], [0, 1, 1], timestamp=[1, 2, 3])
        fold = fold_of(3, [2], [1])
        assert len(check_fold(Case(data, fold, refit=True), ERRORS)) == 1
        assert check_fold(Case(data, fold, refit=False), ERRORS) == []

    def test_history_counts(self, make):
        data = make([0, 1, 1], [0, 1, 1], timestamp=[1, 2, 3])
        fold = Fold.of(3, test=np.array([2]), validation=np.array([], int), history=np.array([1]))
        assert [finding.check for finding in check_fold(Case(data, fold), ERRORS)] == ["positives_already_seen"]

    def test_many_are_counted_and_a_few_named(self, make):
        data = make([0] * 10, [0, 1, 2, 3, 4] * 2)
        (finding,) = check_fold(Case(data, fold_of(10, [5, 6, 7, 8, 9])), ERRORS)
        assert finding.count == len(finding.rows) == 5
        assert finding.message.endswith(
            "first: row 6 (user 0, item 0), row 7 (user 0, item 10), row 8 (user 0, item 20)"
        )

    def test_no_positives(self, make):
        data = make([0, 0, 0], [0, 1, 2], value=[5, 4, 3])
        (finding,) = check_fold(Case(data, fold_of(3, [2]), positive=4), ERRORS)
        assert finding.check == "no_positives"
        assert "largest value there is 3" in finding.message

    def test_errors_stop(self, make):
        data = make([0, 0, 0], [0, 1, 0])
        refuse_errors(check_fold(Case(data, fold_of(3, [1]))))
        with pytest.raises(InputError, match=r"data\.duplicates") as caught:
            refuse_errors(check_fold(Case(data, fold_of(3, [2]))))
        assert caught.value.place == "split"

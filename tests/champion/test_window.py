"""The window: its edge to the microsecond, what is before it, and what comes after the time asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made import DAY, dataset

from recsys.champion.window import full_fold, newest_row, window_fold
from recsys.errors import InputError


@pytest.fixture
def data():
    """A row a day for ten days, the rows in another order than their times."""
    days = [3, 0, 9, 1, 8, 2, 7, 4, 6, 5]
    return dataset([(user % 3, user, 3) for user in range(10)], timestamps=days)


def days_of(data, rows):
    return sorted((data.timestamp[rows] // DAY).tolist())


class TestWindow:
    def test_holds_the_rows_less_than_its_length_older_than_the_newest(self, data):
        fold = window_fold(data, "3d")
        assert days_of(data, fold.test) == [7, 8, 9]
        assert days_of(data, fold.train) == [0, 1, 2, 3, 4, 5, 6]
        assert (len(fold.validation), len(fold.history)) == (0, 0)

    @pytest.mark.parametrize(("moved", "inside"), [(0, False), (1, True)])
    def test_edge(self, data, moved, inside):
        """Exactly a window older is before it; a microsecond later is in it."""
        times = data.timestamp.copy()
        times[times == 6 * DAY] += moved
        fold = window_fold(replace(data, timestamp=times), "3d")
        assert (len(fold.test) == 4) == inside

    def test_as_of_between_rows_is_as_of_the_row_before(self, data):
        between = window_fold(data, "3d", as_of=6 * DAY + DAY // 2)
        at = window_fold(data, "3d", as_of=6 * DAY)
        assert days_of(data, between.test) == days_of(data, at.test) == [4, 5, 6]
        assert days_of(data, between.train) == [0, 1, 2, 3]

    def test_rows_after_as_of_are_in_no_part(self, data):
        fold = window_fold(data, "3d", as_of=6 * DAY)
        used = np.concatenate([fold.train, fold.validation, fold.test, fold.history])
        assert days_of(data, used) == list(range(7))

    def test_equal_times_fall_together(self, data):
        fold = window_fold(replace(data, timestamp=data.timestamp // (5 * DAY) * 5 * DAY), "1d")
        assert (len(fold.train), len(fold.test)) == (5, 5)

    def test_validation_is_the_newest_share_before_the_window(self, data):
        fold = window_fold(data, "2d", validation=0.25)
        assert days_of(data, fold.test) == [8, 9]
        assert days_of(data, fold.validation) == [6, 7]
        assert days_of(data, fold.train) == [0, 1, 2, 3, 4, 5]

    def test_is_named_by_its_rows(self, data):
        assert window_fold(data, "2d").name == "1970-01-09 00:00:00 to 1970-01-10 00:00:00"

    def test_that_leaves_nothing_to_train_on(self, data):
        with pytest.raises(
            InputError, match=r"retrain\.window: 10d leaves no row to train on.*choose a shorter window"
        ):
            window_fold(data, "10d")
        assert days_of(data, window_fold(data, "9d").train) == [0]


class TestFullFold:
    def test_trains_on_the_window_too(self, data):
        fold = full_fold(data, "3d", as_of=6 * DAY)
        assert days_of(data, fold.train) == list(range(7))
        assert days_of(data, fold.test) == [4, 5, 6]
        assert (len(fold.validation), len(fold.history)) == (0, 0)

    def test_rows_ascend(self, data):
        fold = full_fold(data, "3d")
        for rows in (fold.train, fold.test):
            np.testing.assert_array_equal(rows, np.sort(rows))


class TestNewestRow:
    def test_of_all_and_as_of(self, data):
        assert newest_row(data) == 9 * DAY
        assert newest_row(data, 9 * DAY - 1) == 8 * DAY
        assert newest_row(data, 0) == 0

    def test_before_the_first(self, data):
        with pytest.raises(
            InputError, match=r"as_of: no row is from 1969-12-31 .*the first is from 1970-01-01"
        ) as info:
            newest_row(data, -1)
        assert info.value.exit_status == 2

    def test_without_times(self, data):
        with pytest.raises(InputError, match=r"retraining needs timestamps.*name a column of times"):
            newest_row(replace(data, timestamp=None))

    def test_users_without_a_common_clock(self, data):
        with pytest.raises(InputError, match="the order of each user's own rows"):
            window_fold(replace(data, clock="order"), "3d")

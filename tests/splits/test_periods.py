"""How time is cut for a backtest: what the data allow, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made import dataset

from recsys.data.dataset import Dataset
from recsys.errors import InputError
from recsys.splits.config import RollingSplit, microseconds
from recsys.splits.periods import periods_for, users_by_period
from recsys.splits.splitting import split


def steady(days: int, users: int = 40) -> Dataset:
    """Every user takes an item of its own every day."""
    rows = [(user, 1000 * day + user) for day in range(days) for user in range(users)]
    return dataset(rows, timestamps=[day for day in range(days) for _ in range(users)])


class TestWhatTheDataAllow:
    def test_weeks_where_half_of_the_time_holds_eight(self):
        assert periods_for(steady(120)) == ("7d", 8)

    def test_days_for_a_month_of_data(self):
        assert periods_for(steady(30)) == ("1d", 8)

    def test_longer_periods_where_weeks_have_too_few_users(self):
        """Each user comes every 28 days: a week has 10 of 40, and 4 weeks have all."""
        rows = [(user, 1000 * day + user) for day in range(460) for user in range(40) if day % 28 == user % 28]
        days = [day for day in range(460) for user in range(40) if day % 28 == user % 28]
        assert periods_for(dataset(rows, timestamps=days)) == ("28d", 8)

    def test_the_most_users_where_no_length_has_enough(self):
        assert periods_for(steady(300, users=5)) == ("7d", 8)

    def test_fewer_periods_where_the_length_is_given(self):
        assert periods_for(steady(60), every="7d") == ("7d", 4)

    def test_both_given(self):
        assert periods_for(steady(60), "1d", 59) == ("1d", 59)


class TestUsers:
    def test_only_those_with_rows_before_the_period(self):
        rows = [("a", 1), ("b", 2), ("b", 3), ("c", 4), ("a", 5), ("c", 6), ("c", 7)]
        data = dataset(rows, timestamps=[0, 1, 2, 3, 4, 4, 5])
        assert users_by_period(data, 2 * microseconds("1d"), 2).tolist() == [1, 2]

    def test_the_periods_are_those_of_the_rolling_split(self):
        data = steady(31)
        folds = split(data, RollingSplit(kind="rolling", window="3d", folds=4, validation=0.0))
        expected = [len(np.unique(data.user[fold.test])) for fold in folds]
        assert users_by_period(data, microseconds("3d"), 4).tolist() == expected


class TestRefused:
    def refused(self, data: Dataset, **asked) -> InputError:
        with pytest.raises(InputError) as caught:
            periods_for(data, **asked)
        return caught.value

    @pytest.mark.parametrize("clock", ["order", "none"])
    def test_no_times_that_users_share(self, clock):
        assert self.refused(replace(steady(60), clock=clock)).place == "data.columns.timestamp"

    def test_no_times(self):
        error = self.refused(replace(steady(60), timestamp=None))
        assert error.exit_status == 2
        assert "these data have no times that all users share" in str(error)

    def test_nothing_to_train_on(self):
        assert "8 periods of 7d leave nothing to train on" in str(self.refused(steady(50), every="7d", periods=8))

    def test_an_empty_period(self):
        data = steady(60)
        data = replace(
            data, timestamp=np.where(data.timestamp >= 55 * 86_400 * 10**6, data.timestamp + 10**12, data.timestamp)
        )
        assert "no row falls into the 1d from" in str(self.refused(data, every="1d", periods=8))

    def test_no_length(self):
        assert "'weekly' is no length of time" in str(self.refused(steady(60), every="weekly"))

    def test_one_period_has_no_age(self):
        assert self.refused(steady(60), periods=1).place == "periods"

    def test_all_at_once(self):
        assert "too short for 8 periods" in str(self.refused(dataset([(1, 1), (2, 2)], timestamps=[3, 3])))

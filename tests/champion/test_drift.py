"""How new rows are cut into periods, what is judged, and what is said where nothing can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made.feeds import DAY, feed

from recsys.champion.anomalies import anomalies
from recsys.champion.drift import FEWEST_PERIODS, drift
from recsys.champion.looks import looks
from recsys.champion.periods import periods_of


def rows_at(times):
    """Rows of one user on one item at these days."""
    n = len(times)
    return feed(np.zeros(n, int), np.zeros(n, int), None, (np.asarray(times) * DAY).astype(np.int64))


def days(n, a_day=60, seed=0):
    """So many days of rows of 40 users on 30 items."""
    random = np.random.default_rng(seed)
    n_rows = n * a_day
    times = np.repeat(np.arange(n), a_day) * DAY + random.integers(0, DAY, n_rows)
    return feed(random.integers(0, 40, n_rows), random.integers(0, 30, n_rows), random.integers(1, 6, n_rows), times)


def end(data, n_days):
    """Time of the newest row before the end of so many days."""
    return int(data.timestamp[data.timestamp < n_days * DAY].max())


class TestPeriods:
    def test_count_back_from_the_newest(self):
        """A period holds its later edge and not its earlier one."""
        data = rows_at([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
        found = periods_of(data, until=3 * DAY, since=2 * DAY, length=DAY)
        assert (found.n_new, found.n_earlier) == (1, 1)
        np.testing.assert_array_equal(found.total(), [2, 2])
        np.testing.assert_array_equal(found.period, [1, 1, 0, 0])

    def test_rows_after_until_are_unknown(self):
        data = rows_at([1, 2, 3, 4])
        found = periods_of(data, until=3 * DAY, since=2 * DAY, length=DAY)
        assert found.total().sum() == 2
        assert found.counts.sum() == 2

    def test_without_since_the_newest_alone_is_new(self):
        found = periods_of(rows_at([1, 2, 3, 4]), until=4 * DAY, since=None, length=DAY)
        np.testing.assert_array_equal(found.total(), [1, 1, 1, 1][: len(found)])
        assert found.n_new == 1

    @pytest.mark.parametrize(("span", "n_new"), [(0.4, 1), (1.4, 1), (1.6, 2), (3.0, 3), (500.0, 30)])
    def test_a_longer_span_makes_several(self, span, n_new):
        data = rows_at(np.arange(0, 600, 0.1))
        until = int(data.timestamp[-1])
        found = periods_of(data, until, until - int(span * DAY), DAY)
        assert found.n_new == n_new
        assert found.length * n_new == pytest.approx(span * DAY, abs=n_new)
        assert found.total()[:n_new].sum() == pytest.approx(span * 10, abs=1)

    def test_sixty_earlier_ones_at_most_and_whole_ones_only(self):
        data = rows_at(np.arange(0, 90.5, 0.5))
        until = int(data.timestamp[-1])
        assert periods_of(data, until, None, DAY).n_earlier == 60
        assert periods_of(data, until, None, 20 * DAY).n_earlier == 3

    def test_what_is_first_seen_and_what_repeats(self):
        user, item = np.array([0, 0, 1, 0, 1]), np.array([0, 1, 0, 0, 2])
        data = feed(user, item, None, np.array([1, 2, 2, 3, 3]) * DAY)
        found = periods_of(data, until=3 * DAY, since=2 * DAY, length=DAY)
        # The row of day 1 lies on the edge of the period of day 2, and so before it.
        np.testing.assert_array_equal(found.user, [0, 1, 0, 1])
        np.testing.assert_array_equal(found.first_user, [False, True, False, False])
        np.testing.assert_array_equal(found.first_item, [True, False, False, True])
        np.testing.assert_array_equal(found.repeats, [False, False, True, False])

    def test_all_rows_are_new(self):
        found = periods_of(rows_at([1.0, 1.1]), until=2 * DAY, since=None, length=5 * DAY)
        assert (found.n_new, found.n_earlier, found.counts.sum()) == (1, 0, 0)


class TestWhatIsJudged:
    def test_too_few_earlier_periods(self):
        data = days(FEWEST_PERIODS)
        found = drift(data, end(data, FEWEST_PERIODS), end(data, FEWEST_PERIODS - 1))
        assert (found.measures, found.units, found.anomalous) == ((), 0, 0)
        assert found.note == f"{found.earlier} earlier periods with 50 rows or more are too few, 8 are needed"

    def test_enough_earlier_periods(self):
        data = days(20)
        found = drift(data, end(data, 20), end(data, 19))
        assert (found.note, found.rows, found.periods) == (None, 60, 1)
        assert {measure.name for measure in found.measures} >= {"values", "popularity", "new items", "rows"}

    def test_periods_with_few_rows_do_not_count(self):
        data = days(30, a_day=30)
        assert drift(data, end(data, 30), end(data, 29)).note.startswith("0 earlier periods with 50 rows or more")

    def test_few_new_rows(self):
        data = days(30)
        kept = (data.timestamp < 29 * DAY) | (np.arange(len(data)) % 2 == 0)
        data = replace(data, **{name: getattr(data, name)[kept] for name in ("user", "item", "value", "timestamp")})
        found = drift(data, end(data, 30), end(data, 29))
        assert found.note == "fewer than 50 new rows: only their number was judged"
        assert [measure.name for measure in found.measures] == ["rows"]

    def test_their_number_is_not_judged_where_silence_is_usual(self):
        data = days(60)
        kept = data.timestamp // DAY % 3 == 2
        data = replace(data, **{name: getattr(data, name)[kept] for name in ("user", "item", "value", "timestamp")})
        found = drift(data, end(data, 60), end(data, 59))
        assert "rows" not in {measure.name for measure in found.measures}
        assert found.note is None

    def test_nothing_new(self):
        data = days(20)
        found = drift(data, end(data, 20), end(data, 20))
        assert (found.rows, found.units) == (0, 0)
        assert found.note is not None

    def test_data_without_values(self, steady):
        data = replace(steady, value=None)
        names = {measure.name for measure in drift(data, end(data, 90), end(data, 89)).measures}
        assert names == {"popularity", "top item", "new items", "top user", "new users", "rows a user", "rows"}

    def test_values_of_many_levels(self, steady):
        random = np.random.default_rng(2)
        data = replace(steady, value=(steady.value + random.exponential(size=len(steady))).astype(np.float32))
        assert drift(data, end(data, 90), end(data, 89)).units < 5


class TestLooks:
    def test_a_period_of_the_past_is_held_against_the_rest_of_it(self):
        """Two days of an item each, then one of the first: what a day brought itself is not what it is held against."""
        data = feed(np.array([0, 1, 2]), np.array([0, 1, 0]), None, (np.array([0.5, 1.5, 2.5]) * DAY).astype(np.int64))
        periods = periods_of(data, until=3 * DAY, since=2 * DAY, length=DAY)
        found = {look.name: look.values.tolist() for look in looks(periods)}
        assert found["popularity"] == [1, 0]
        assert found["new items"] == [0, 1]
        assert found["new users"] == [1, 1]


class TestAnomalies:
    """Rows that look made, counted: a day of ten rows after nine quiet ones of ten."""

    def found(self, user, item, value=None):
        quiet = np.arange(90)
        value = np.full(10, 3) if value is None else value
        data = feed(
            np.concatenate([quiet % 10, user]),
            np.concatenate([quiet, item]),
            np.concatenate([quiet % 5 + 1, value]),
            np.repeat(np.arange(10), 10) * DAY + np.tile(np.arange(10), 10),
        )
        made = anomalies(periods_of(data, int(data.timestamp[-1]), int(data.timestamp[-11]), DAY))
        return {reason: counts.tolist() for reason, counts in made.items() if counts.any()}

    def test_none(self):
        assert self.found(np.arange(10), 90 + np.arange(10)) == {}

    def test_values_beyond_all_before(self):
        assert self.found(np.arange(10), 90 + np.arange(10), np.array([0, 6, *[3] * 8])) == {"out of range": [2]}

    def test_pairs_that_were_there(self):
        assert self.found(np.arange(10), np.array([0, 1, 2, *range(90, 97)])) == {"repeated": [3]}

    def test_more_rows_of_a_user_than_three_times_the_most_before(self):
        assert self.found(np.array([*[0] * 4, *range(1, 7)]), 90 + np.arange(10)) == {"one user": [4]}
        assert self.found(np.array([*[0] * 3, *range(1, 8)]), 90 + np.arange(10)) == {}

    def test_new_users_on_one_item(self):
        assert self.found(10 + np.arange(10), np.array([*[90] * 8, 91, 92]))["one item"] == [8]
        assert "one item" not in self.found(np.arange(10), np.array([*[90] * 8, 91, 92]))


class TestDistance:
    def test_furthest_first(self, steady):
        found = drift(steady, end(steady, 90), end(steady, 89))
        units = [measure.units for measure in found.measures]
        assert units == sorted(units, reverse=True)
        assert found.units == units[0]

    def test_the_worst_of_several_periods_counts(self, steady):
        value = steady.value.copy()
        value[steady.timestamp // DAY == 85] = 1
        data = replace(steady, value=value)
        alone = drift(data, end(data, 86), end(data, 85))
        among = drift(data, end(data, 90), end(data, 85))
        assert (alone.periods, among.periods) == (1, 5)
        assert alone.measures[0].name == among.measures[0].name == "values"
        assert among.units == pytest.approx(alone.units, rel=0.2)

    def test_silent_days_among_the_new_ones_are_told(self, steady):
        kept = ~np.isin(steady.timestamp // DAY, [86, 87])
        data = replace(steady, **{name: getattr(steady, name)[kept] for name in ("user", "item", "value", "timestamp")})
        found = drift(data, end(data, 90), end(data, 86))
        assert (found.measures[0].name, found.measures[0].value) == ("rows", 0)
        assert found.units > 5

    def test_fewer_look_made_than_looks_unusual_by_chance(self, steady):
        """Where people take the same item often, a night with a few more repeats is none to stop."""
        shares = [drift(steady, end(steady, day), end(steady, day - 1)).anomalous for day in range(30, 100, 5)]
        assert max(shares) < 0.1

    def test_text(self, steady):
        measure = drift(steady, end(steady, 90), end(steady, 89)).measures[0]
        numbers = f"{measure.value:.3g}, usually {measure.usual:.3g} ({measure.units:.1f} times the usual spread)"
        assert measure.text == f"{measure.name} {numbers}"

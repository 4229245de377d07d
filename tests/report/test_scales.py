"""Axes: where values land, and which are labelled."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from recsys.report.figures.base import apart
from recsys.report.figures.times import time_scale, time_ticks
from recsys.report.scales import Scale, padded


class TestScale:
    def test_ends_and_middle(self):
        scale = Scale(10, 20, 0, 300)
        assert [scale(value) for value in (10, 15, 20)] == [0, 150, 300]

    def test_upside_down(self):
        assert Scale(0, 4, 200, 0)(1) == 150

    def test_log(self):
        scale = Scale(1, 10_000, 0, 400, log=True)
        assert [scale(value) for value in (1, 10, 100)] == pytest.approx([0, 100, 200])

    def test_values_beyond_stay_at_the_edge(self):
        assert Scale(0, 1, 0, 10)(7) == 10

    def test_one_value_stands_in_the_middle(self):
        assert Scale(5, 5, 0, 10)(5) == 5

    @pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.47), (-0.43, 0), (3, 1234), (1e-6, 2e-6), (0.93, 0.9301)])
    def test_ticks_are_few_round_and_within(self, low, high):
        ticks = Scale(low, high, 0, 100).ticks(5)
        assert 2 <= len(ticks) <= 12
        assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
        assert ticks == sorted(set(ticks))

    @pytest.mark.parametrize(("low", "high"), [(0.003, 90), (1, 2), (1, 1e9), (0.5, 0.6)])
    def test_log_ticks_are_few_and_within(self, low, high):
        ticks = Scale(low, high, 0, 100, log=True).ticks(5)
        assert 1 <= len(ticks) <= 12
        assert all(low * 0.99 <= tick <= high * 1.01 for tick in ticks)


class TestPadded:
    def test_starts_at_zero_where_zero_is_near(self):
        assert padded([0.1, 0.4])[0] == 0

    def test_close_values_fill_the_axis(self):
        low, high = padded([0.93, 0.95])
        assert 0.92 < low < 0.93
        assert 0.95 < high < 0.96

    def test_nan_does_not_count(self):
        assert padded([math.nan, 1.0, 2.0]) == padded([1.0, 2.0])

    def test_one_value_gets_room(self):
        low, high = padded([3.0])
        assert low < 3 < high

    def test_zeros(self):
        assert padded([0.0, 0.0]) == (0.0, 1.0)


def test_ticks_that_would_touch_are_left_out():
    scale = Scale(0, 100, 0, 100)
    assert apart([0, 5, 10, 50, 95, 100], scale, 20) == [10, 50, 100]


@pytest.mark.parametrize("first", [datetime.min, datetime(1969, 12, 31)])
@pytest.mark.parametrize("last", [datetime(1970, 1, 1), datetime(2262, 4, 12), datetime.max])
def test_dates_from_the_first_to_the_last_that_there_is(first, last):
    times = [time.replace(tzinfo=UTC) for time in (first, last)]
    scale = time_scale(times, 0, 500)
    ticks = time_ticks(scale)
    assert 1 <= len(ticks) <= 5
    assert all(scale.low <= tick <= scale.high for tick, _ in ticks)

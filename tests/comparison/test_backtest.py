"""Quality by age and by policy where both are known by construction."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from made.backtests import cells, fading, grown, lasting, made

from recsys.comparison.backtest import DAY, HOUR, WEEK, PeriodValues, course, policy_steps
from recsys.comparison.backtest_result import plain


class TestAge:
    def test_a_tenth_is_lost_with_every_period(self):
        """Although the weeks differ: age 7 is measured in the last one alone, and against that one."""
        found = grown("ease", fading)
        assert [age.loss.value for age in found.ages] == pytest.approx([1 - 0.9**age for age in range(8)])
        assert found.ages[0].loss == (0, 0, 0)
        assert [age.periods for age in found.ages] == [8, 7, 6, 5, 4, 3, 2, 1]
        assert found.ages[7].reference == pytest.approx(fading(7, 7))
        assert all(age.is_worse and not age.is_better for age in found.ages[1:])

    def test_a_stationary_world_shows_no_difference(self):
        found = grown("ease", lasting, noise=0.05)
        assert [age.loss.value for age in found.ages] == pytest.approx([0] * 8, abs=1e-12)
        for age in found.ages[1:]:
            assert age.loss.low < 0 < age.loss.high
            assert not age.is_worse
            assert not age.is_better

    def test_the_pairing_takes_the_hardness_of_users_out(self):
        """Users differ by 0.2 and every one loses 0.01: that is certain, whatever the intervals of the means."""
        hard = np.random.default_rng(1).normal(0.5, 0.2, 50)
        users, rows = np.arange(50), np.ones(50, dtype=np.int64)
        values = [PeriodValues(f, p, users, hard - 0.01 * (p - f), rows) for f in range(2) for p in range(f, 2)]
        found = course("x", values, [1, 1], [1, 2], "ndcg@10", resamples=500)
        assert found.ages[1].difference == pytest.approx((-0.01, -0.01, -0.01))
        assert found.ages[1].value.high - found.ages[1].value.low > 0.05

    def test_a_user_with_many_periods_is_drawn_with_all_of_them(self):
        """The interval of 40 users who come in 4 periods alike is that of 40 users, not of 160."""
        random = np.random.default_rng(2)
        own = random.normal(0.5, 0.1, 40)
        users, rows = np.arange(40), np.ones(40, dtype=np.int64)

        def interval(n: int) -> float:
            values = [PeriodValues(f, p, users, own, rows) for f in range(n) for p in range(f, n)]
            fresh = course("x", values, [1] * n, [1, n], "ndcg@10", resamples=2000).ages[0].value
            return fresh.high - fresh.low

        assert interval(4) == pytest.approx(interval(2))

    def test_too_few_users_have_no_interval(self):
        found = grown("ease", fading, users=29)
        assert not found.ages[3].enough
        assert np.isnan(found.ages[3].loss.low)
        assert found.ages[3].loss.value == pytest.approx(1 - 0.9**3)
        assert not found.ages[3].is_worse

    def test_where_nothing_is_found_there_is_no_share(self):
        found = grown("ease", lambda fitted, period: 0.0)
        assert np.isnan(found.ages[1].loss).all()
        assert found.ages[1].difference == (0, 0, 0)


class TestPolicies:
    def test_their_arithmetic(self):
        """Eight equal weeks: the model that serves is 0, 1, 2, … periods old in turn."""
        found = grown("ease", lambda fitted, period: 0.9 ** (period - fitted))
        by_steps = {policy.steps: policy for policy in found.policies}
        assert list(by_steps) == [1, 2, 4, 8]
        for steps, policy in by_steps.items():
            assert policy.value.value == pytest.approx(np.mean([0.9**age for age in range(steps)]))
            assert policy.fits == 8 // steps
            assert policy.cpu_seconds == pytest.approx(16.0 / steps)
        assert by_steps[8].loss.value == pytest.approx(1 - np.mean([0.9**age for age in range(8)]))

    def test_which_fit_serves_and_what_it_costs(self):
        found = course(
            "x", cells(5, 40, lambda f, p: 0.1 * (f + 1)), [1, 2, 4, 8, 16], [1, 2, 5], "ndcg@10", resamples=50
        )
        assert [policy.cpu_seconds for policy in found.policies] == [31, 1 + 4 + 16, 1]
        assert [policy.value.value for policy in found.policies] == pytest.approx([0.3, 0.26, 0.1])

    def test_periods_weigh_by_their_users(self):
        """100 users with 1 in the first period, and 50 of them with 0 in the second."""
        values = [
            PeriodValues(0, 0, np.arange(100), np.ones(100), np.ones(100, dtype=np.int64)),
            PeriodValues(0, 1, np.arange(50), np.zeros(50), np.ones(50, dtype=np.int64)),
            PeriodValues(1, 1, np.arange(50), np.zeros(50), np.ones(50, dtype=np.int64)),
        ]
        found = course("x", values, [1, 1], [1, 2], "ndcg@10", resamples=50)
        assert found.policies[0].value.value == pytest.approx(2 / 3)
        assert (found.ages[0].users, found.ages[1].users) == (100, 50)

    @pytest.mark.parametrize(
        ("length", "periods", "steps"),
        [(HOUR, 200, [1, 24, 168, 200]), (DAY, 30, [1, 7, 28, 30]), (WEEK, 5, [1, 2, 4, 5]), (4 * WEEK, 2, [1, 2])],
    )
    def test_days_weeks_months(self, length, periods, steps):
        assert policy_steps(length, periods) == steps


class TestErrorsOfPredictedValues:
    def test_rows_are_pooled_and_lower_is_better(self):
        """RMSE over 3 rows with error 1 and 1 row with error 3 is sqrt(3); fresh, all are 1."""
        users = np.arange(80)
        rows, errors = np.where(users < 40, 3, 1), np.where(users < 40, 1.0, 3.0)
        values = [
            PeriodValues(fitted, period, users, errors if fitted < period else np.ones(80), rows)
            for fitted, period in ((0, 0), (0, 1), (1, 1))
        ]
        old = course("mf", values, [1, 1], [1, 2], "rmse", resamples=500).ages[1]
        assert old.value.value == pytest.approx(3**0.5)
        assert old.loss.value == pytest.approx(3**0.5 - 1)
        assert old.difference.value > 0
        assert old.is_worse

    def test_a_user_without_a_value_under_one_fit_counts_under_none(self):
        users, rows = np.arange(40), np.ones(40, dtype=np.int64)
        missing = np.where(users < 5, np.nan, 2.0)
        values = [PeriodValues(0, 0, users, np.ones(40), rows), PeriodValues(0, 1, users, missing, rows)]
        values.append(PeriodValues(1, 1, users, np.ones(40), rows))
        assert course("mf", values, [1, 1], [1, 2], "mae", resamples=50).ages[1].users == 35

    def test_a_model_that_predicts_nothing(self):
        found = grown("ease", lambda fitted, period: np.nan, n=2)
        assert np.isnan(found.ages[1].loss.value)
        assert found.ages[1].users == 0


class TestWrong:
    def test_a_cell_is_missing(self):
        with pytest.raises(ValueError, match="missing"):
            course("x", cells(3, 40, lasting)[:-1], [1, 1, 1], [1, 3], "ndcg@10")

    def test_different_users(self):
        values = cells(2, 40, lasting)
        values[1] = PeriodValues(0, 1, np.arange(1, 41), values[1].values, values[1].rows)
        with pytest.raises(ValueError, match="different users in period 1"):
            course("x", values, [1, 1], [1, 2], "ndcg@10")


class TestTable:
    def test_a_row_an_age_and_policy(self):
        result = made(grown("ease", fading), grown("popularity", lasting, control=True, users=20))
        rows = list(csv.DictReader(io.StringIO(result.to_csv())))
        assert len(rows) == 2 * (8 + 4)
        old = next(row for row in rows if (row["model"], row["kind"], row["steps"]) == ("ease", "age", "7"))
        assert float(old["loss"]) == pytest.approx(1 - 0.9**7)
        assert float(old["ndcg@10"]) == pytest.approx(float(old["reference"]) * 0.9**7)
        assert old["fits"] == ""
        once = next(row for row in rows if (row["model"], row["kind"], row["steps"]) == ("popularity", "policy", "8"))
        assert (once["control"], once["fits"], once["cpu_seconds"], once["loss_low"]) == ("True", "1", "2.0", "")

    def test_nothing_that_is_no_number_for_programs(self):
        assert plain(grown("x", lambda fitted, period: 0.0).ages[1], "ndcg@10")["loss"] is None

"""Backtests whose right answer is known: values of users by fit and period."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys.comparison.backtest import WEEK, Course, PeriodValues, course, policy_steps
from recsys.comparison.backtest_result import Backtest, Period

START = 1_704_067_200_000_000


def cells(n: int, users: int, value: Callable[[int, int], float], noise: float = 0.0) -> list[PeriodValues]:
    """Every fit in every period; value: of (fitted, period). noise: of a user in a cell, with mean zero over users."""
    random = np.random.default_rng(4)
    found = []
    for fitted in range(n):
        for period in range(fitted, n):
            drawn = random.normal(0, noise, users) if noise else np.zeros(users)
            values = value(fitted, period) + drawn - drawn.mean()
            found.append(PeriodValues(fitted, period, np.arange(users), values, np.ones(users, dtype=np.int64)))
    return found


def grown(
    label: str, value: Callable[[int, int], float], n: int = 8, users: int = 60, noise: float = 0.0, **about
) -> Course:
    """A course over n weeks; every fit takes 2 CPU seconds."""
    steps = policy_steps(WEEK, n)
    return course(label, cells(n, users, value, noise), [2.0] * n, steps, "ndcg@10", resamples=500, **about)


def fading(fitted: int, period: int) -> float:
    """A tenth of what is left is lost with every period, in better and worse weeks."""
    return (0.4 + 0.02 * (period % 3)) * 0.9 ** (period - fitted)


def lasting(fitted: int, period: int) -> float:
    return 0.3 + 0.02 * (period % 3)


def made(*courses: Course, users: int = 60, name: str = "shop", **about) -> Backtest:
    """A backtest of these courses, in weeks."""
    n = len(courses[0].ages)
    periods = [Period(START + i * WEEK, START + (i + 1) * WEEK, 900 + i, users) for i in range(n)]
    return Backtest(name, "ndcg@10", "7d", tuple(periods), courses, **about)

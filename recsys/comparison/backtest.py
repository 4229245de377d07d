"""What age does to a model, and what retraining more or less often would have given: means over users, and intervals.

Every number compares on the same users of the same periods: a quiet week is quiet for a fresh model and an old one
alike. A user counts once for each period in which there is something to find; the intervals draw users, with all that
is theirs, with replacement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.comparison.bootstrap import FEWEST_USERS, Bootstrap, Interval, bootstrap
from recsys.config import BoolArray, FloatArray, IntArray
from recsys.metrics.registry import parse_column
from recsys.metrics.value_errors import PLAIN
from recsys.splits.config import MICROSECONDS

WEEK, DAY, HOUR = MICROSECONDS["w"], MICROSECONDS["d"], MICROSECONDS["h"]
NONE = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class PeriodValues:
    """What a model that was fitted before the period `fitted` reached in `period`, the same one or a later.

    users: (n,) positions in the data set, ascending; the same for every model of a period. values: (n,) of the primary
    metric, NaN where a user has none. rows: (n,) test rows of each.
    """

    fitted: int
    period: int
    users: IntArray
    values: FloatArray
    rows: IntArray


@dataclass(frozen=True)
class Held:
    """Something against a reference, on the same users of the same periods.

    steps: periods since the fit, or between two fits. users: how many. value: the mean, with its 95 % interval, as all
    of these. reference: the mean of a model fitted before every period. difference: value minus reference. loss: what
    is lost, as a share of the reference, positive where it is worse whatever the metric. Bounds are NaN where users
    are fewer than 30, and NaN is what nothing is known of.
    """

    steps: int
    users: int
    value: Interval
    reference: float
    difference: Interval
    loss: Interval

    @property
    def enough(self) -> bool:
        """Whether there are users enough to say something."""
        return self.users >= FEWEST_USERS

    @property
    def is_worse(self) -> bool:
        """Whether it is shown to be worse: the whole interval of the loss lies above zero."""
        return self.loss.low > 0

    @property
    def is_better(self) -> bool:
        """Whether it is shown to be better."""
        return self.loss.high < 0


@dataclass(frozen=True)
class Age(Held):
    """A model of this age, in every period in which there is one. periods: how many."""

    periods: int = 0


@dataclass(frozen=True)
class Policy(Held):
    """Retraining before every so many periods. fits: how many in all, the first one included. cpu_seconds: theirs."""

    fits: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Course:
    """One model over time.

    ages: 0, 1, … policies: from the most frequent to fitting once. means: by (fitted, period). control: a baseline.
    """

    label: str
    control: bool
    ages: tuple[Age, ...]
    policies: tuple[Policy, ...]
    means: Mapping[tuple[int, int], float]


def policy_steps(length: int, periods: int) -> list[int]:
    """After how many periods to retrain: every day, week and 4 weeks where that can be, else every 1, 2, 4, … periods;
    and never again, as the number of periods. length: of a period, microseconds.

    >>> policy_steps(DAY, 56), policy_steps(WEEK, 8), policy_steps(DAY, 6)
    ([1, 7, 28, 56], [1, 2, 4, 8], [1, 2, 4, 6])
    """
    natural = [1, *(size // length for size in (DAY, WEEK, 4 * WEEK) if size > length and size % length == 0)]
    doubled = [2**power for power in range(periods.bit_length())]
    kept = [step for step in natural if step < periods] if length < WEEK else []
    return [*(kept if len(kept) > 1 else [step for step in doubled if step < periods]), periods]


def course(
    label: str,
    cells: Sequence[PeriodValues],
    cpu_seconds: Sequence[float],
    steps: Sequence[int],
    column: str,
    *,
    control: bool = False,
    resamples: int = 10_000,
) -> Course:
    """What age and rarer retraining did to one model.

    cells: one for every (fitted, period) with fitted <= period. cpu_seconds: of the fit before each period. steps: as
    `policy_steps` gives them, the most frequent first. column: the primary. Raises ValueError where a cell is missing
    or models of a period were asked about different users.
    """
    n = len(cpu_seconds)
    table = _Table(cells, n, column)
    ages = [[(period - age, period) for period in range(age, n)] for age in range(n)]
    fresh = [[(period, period) for period in range(age, n)] for age in range(n)]
    policies = [[(period // step * step, period) for period in range(n)] for step in steps]
    sets = [*ages, *fresh, *policies]
    drawn, users = table.resampled(sets, resamples)
    held = [
        *(_held(age, drawn, age, n + age, users, table.sign) for age in range(n)),
        *(_held(step, drawn, 2 * n + i, 2 * n, users, table.sign) for i, step in enumerate(steps)),
    ]
    fits = [sorted({fitted for fitted, _ in policy}) for policy in policies]
    return Course(
        label=label,
        control=control,
        ages=tuple(Age(**vars(each), periods=n - age) for age, each in enumerate(held[:n])),
        policies=tuple(
            Policy(**vars(each), fits=len(made), cpu_seconds=float(sum(cpu_seconds[fit] for fit in made)))
            for each, made in zip(held[n:], fits, strict=True)
        ),
        means=table.means(),
    )


class _Table:
    """Values of users by cell, with the users of all periods in one order."""

    def __init__(self, cells: Sequence[PeriodValues], n: int, column: str) -> None:
        metric, _ = parse_column(column)
        self._pool = metric.pool or PLAIN
        self._by_rows, self.sign = metric.pool is not None, 1 if metric.higher_is_better else -1
        self._cells = {(cell.fitted, cell.period): cell for cell in cells}
        wanted = {(fitted, period) for period in range(n) for fitted in range(period + 1)}
        if set(self._cells) != wanted:
            raise ValueError(f"cells are missing or too many: {sorted(wanted ^ set(self._cells))[:3]}")
        self._users = np.unique(np.concatenate([self._cells[period, period].users for period in range(n)]))
        self._counted = [self._of_period(period) for period in range(n)]

    def _of_period(self, period: int) -> BoolArray:
        """Which users of a period have a value under every model."""
        fresh = self._cells[period, period]
        others = [self._cells[fitted, period] for fitted in range(period + 1)]
        if any(not np.array_equal(other.users, fresh.users) for other in others):
            raise ValueError(f"models were asked about different users in period {period}")
        return np.all([np.isfinite(other.values) for other in others], axis=0) & (fresh.rows > 0)

    def resampled(self, sets: Sequence[Sequence[tuple[int, int]]], resamples: int) -> tuple[Bootstrap, IntArray]:
        """The mean over each set of cells in every resample, and how many users each has."""
        columns = [self._column(each) for each in sets]
        values, weights = (np.stack(each, axis=1) for each in zip(*columns, strict=True))
        drawn = bootstrap(values, resamples, weights=weights)
        back = self._pool.back
        whole = Bootstrap(back(drawn.observed), back(drawn.resampled), drawn.level, drawn.note)
        return whole, np.count_nonzero(weights, axis=0)

    def means(self) -> dict[tuple[int, int], float]:
        """The mean of each cell, NaN where nobody counts."""
        found = {}
        for key in self._cells:
            values, weights = self._column([key])
            mean = np.average(values, weights=weights) if weights.any() else np.nan
            found[key] = float(self._pool.back(np.asarray(mean)))
        return found

    def _column(self, keys: Sequence[tuple[int, int]]) -> tuple[FloatArray, FloatArray]:
        """Of each user the mean over these cells, and the weight of it: periods, or rows for a pooled metric."""
        sums, weights = np.zeros(len(self._users)), np.zeros(len(self._users))
        for key in keys:
            cell, counted = self._cells[key], self._counted[key[1]]
            place = np.searchsorted(self._users, cell.users[counted])
            weight = cell.rows[counted].astype(np.float64) if self._by_rows else np.ones(len(place))
            sums[place] += weight * self._pool.into(cell.values[counted])
            weights[place] += weight
        return np.divide(sums, weights, out=np.zeros(len(sums)), where=weights > 0), weights


def _held(steps: int, drawn: Bootstrap, own: int, reference: int, users: IntArray, sign: int) -> Held:
    """One column against another."""
    before, after = drawn.observed[reference], drawn.observed[own]
    loss = NONE
    if before > 0:
        lost = sign * (drawn.resampled[:, reference] - drawn.resampled[:, own])
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = lost / drawn.resampled[:, reference]
        # A resample without any hit has no share; then there is no interval either.
        low, high = np.percentile(shares, [2.5, 97.5]) if len(shares) and np.isfinite(shares).all() else NONE[1:]
        loss = Interval(float(sign * (before - after) / before), float(low), float(high))
    return Held(
        steps=steps,
        users=int(users[own]),
        value=drawn.interval(own),
        reference=float(before),
        difference=drawn.difference(own, reference),
        loss=loss,
    )

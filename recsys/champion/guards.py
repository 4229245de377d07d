"""What must not fall, whatever the gain: limits in one place, a sentence for each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recsys.champion.behaviour import Finding
from recsys.champion.drift import Drift
from recsys.champion.gate import Guard
from recsys.champion.sides import Side, refuse_different
from recsys.comparison.bootstrap import FEWEST_USERS, bootstrap
from recsys.comparison.segments import by_activity
from recsys.config import BoolArray, FloatArray, IntArray
from recsys.experiment.retrain import Guards
from recsys.metrics.registry import parse_column
from recsys.metrics.value_errors import PLAIN, Pool
from recsys.splits.config import MICROSECONDS, microseconds

# A fall is beyond chance where the upper bound of the paired difference is below 0, at this level for all together.
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Group:
    """Users whose mean must not fall.

    challenger, champion: (n_users,) values as `pool` averages them. weights: (n_users,), 0 for those outside. limit:
    largest fall as a share of the champion's mean.
    """

    name: str
    column: str
    challenger: FloatArray
    champion: FloatArray
    weights: FloatArray
    limit: float | None
    higher_is_better: bool = True
    pool: Pool = PLAIN

    @cached_property
    def users(self) -> int:
        return int(np.count_nonzero(self.weights))

    @property
    def judged(self) -> bool:
        return self.limit is not None and self.users >= FEWEST_USERS

    @cached_property
    def new(self) -> float:
        """Mean of the challenger; NaN without users."""
        return self._mean(self.challenger)

    @cached_property
    def old(self) -> float:
        """Mean of the champion; NaN without users."""
        return self._mean(self.champion)

    @property
    def lost(self) -> float:
        """What the challenger lost, as a share of the champion's mean; negative for a gain."""
        loss = self.old - self.new if self.higher_is_better else self.new - self.old
        if not self.old:
            return math.inf if loss > 0 else 0.0
        return loss / abs(self.old)

    @property
    def gain(self) -> FloatArray:
        """(n_users,) paired difference, positive where the challenger is better."""
        gain = self.challenger - self.champion
        return gain if self.higher_is_better else -gain

    def _mean(self, values: FloatArray) -> float:
        there = self.weights > 0
        if not there.any():
            return math.nan
        return float(self.pool.back(np.asarray(np.average(values[there], weights=self.weights[there]))))


def side_guards(challenger: Side, champion: Side, limits: Guards) -> list[Guard]:
    """The guards that compare two sides on the window: segments, cold users, novelty, coverage, churn, latency, size.

    A mean over users has fallen where it lost more than the limit, and more than chance explains: the upper bound of
    the paired difference is below 0, at 95 % for all these means together. Segments and cold users count from 30 users
    on. Raises ValueError where the sides were evaluated on different users.
    """
    refuse_different(challenger, champion)
    groups = list(_groups(challenger, champion, limits))
    found = [_mean_guard(group, fell) for group, fell in zip(groups, falls(groups), strict=True)]
    found.append(_coverage(challenger, champion, limits.coverage))
    moved = churn(challenger.items, champion.items)
    found.append(
        Guard(
            name="list churn",
            value=moved,
            limit=limits.churn,
            fell=limits.churn is not None and moved > limits.churn,
            text=f"{moved:.1%} of the first {challenger.k} items are others" + _at_most(limits.churn, ".0%"),
        )
    )
    found.append(_cost("latency", challenger.milliseconds, champion.milliseconds, limits.latency, "ms a user"))
    found.append(_cost("size", challenger.megabytes, champion.megabytes, limits.size, "MB stored"))
    return found


def drift_guards(drift: Drift, limits: Guards) -> list[Guard]:
    """The guards of the new rows: how far they are from those before, and how many look made."""
    far = [measure for measure in drift.measures if limits.drift is not None and measure.units > limits.drift]
    said = "; ".join(measure.text for measure in (far or drift.measures[:1])[:3]) or str(drift.note)
    made = ", ".join(f"{n:,} {reason}" for reason, n in drift.made.items())
    return [
        Guard(
            name="drift",
            value=drift.units,
            limit=limits.drift,
            fell=bool(far),
            text=f"drift: {said}" + (_at_most(limits.drift, "g") if far else ""),
        ),
        Guard(
            name="anomalous rows",
            value=drift.anomalous,
            limit=limits.anomalous,
            fell=limits.anomalous is not None and drift.anomalous > limits.anomalous,
            text=f"{drift.anomalous:.1%} of the new rows look made"
            + (f" ({made})" if made else "")
            + _at_most(limits.anomalous, ".0%"),
        ),
    ]


def behaviour_guards(findings: Sequence[Finding]) -> list[Guard]:
    """The behaviour checks, none of which may fail."""
    return [Guard(name=each.name, value=each.value, fell=each.fell, text=each.text) for each in findings]


def age_guard(newest: int, now: int, limits: Guards) -> Guard:
    """How old the newest row is; times in microseconds since 1970."""
    days = (now - newest) / MICROSECONDS["d"]
    limit = None if limits.age is None else microseconds(limits.age) / MICROSECONDS["d"]
    return Guard(
        name="age of the data",
        value=days,
        limit=limit,
        fell=limit is not None and days > limit,
        text=f"the newest row is {days:,.1f} days old" + _at_most(limit, "g", " days"),
    )


def older_guard(newest: int, champion: int | None) -> Guard:
    """Whether the rows end before those that the champion was fitted on; times in microseconds since 1970.

    A feed of which the newest part is missing, or a time in the past, must not replace what knows more. champion: time
    of its newest row; None: it has none.
    """
    days = 0.0 if champion is None else max(0.0, (champion - newest) / MICROSECONDS["d"])
    text = f"the newest row is {days:,.1f} days older than that of the champion"
    return Guard(name="older rows", value=days, fell=days > 0, text=text)


def falls(groups: Sequence[Group]) -> list[bool]:
    """Whether the mean of each group lost more than its limit and more than chance explains.

    The 95 % are shared among all groups that are judged, those that gained too (Bonferroni).
    """
    judged = [group.judged for group in groups]
    worse = [place for place, group in enumerate(groups) if judged[place] and group.lost > group.limit]  # type: ignore[operator]
    found = [False] * len(groups)
    if worse:
        gains = np.stack([groups[place].gain for place in worse], axis=1)
        weights = np.stack([groups[place].weights for place in worse], axis=1)
        upper = bootstrap(gains, weights=weights, level=1 - (1 - LEVEL) / sum(judged)).intervals()[:, 2]
        for place, bound in zip(worse, upper, strict=True):
            found[place] = bool(bound < 0)
    return found


def churn(items: IntArray, others: IntArray) -> float:
    """Mean share of the items of one's list that are not in the other's, over users; order plays no part.

    >>> churn(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [3, 5]]))
    0.25
    """
    both = np.sort(np.concatenate([items, others], axis=1), axis=1)
    shared = ((both[:, 1:] == both[:, :-1]) & (both[:, 1:] >= 0)).sum(axis=1)
    longer = np.maximum((items >= 0).sum(axis=1), (others >= 0).sum(axis=1))
    return float(np.mean(1 - shared / np.maximum(longer, 1) - (longer == 0))) if len(items) else 0.0


def _groups(challenger: Side, champion: Side, limits: Guards) -> Iterator[Group]:
    """Segments of the users that count, cold users, and the novelty of the lists."""
    pool = parse_column(challenger.primary)[0].pool or PLAIN
    there = np.isfinite(challenger.values) & np.isfinite(champion.values)
    weighs = challenger.rows if parse_column(challenger.primary)[0].pool else np.ones(len(there))

    def of(name: str, mask: BoolArray, limit: float | None) -> Group:
        weights = np.where(mask & there, weighs, 0.0)
        new, old = pool.into(challenger.values), pool.into(champion.values)
        return Group(name, challenger.primary, new, old, weights, limit, challenger.higher_is_better, pool)

    for name, mask in by_activity(challenger.before).items():
        if mask.any():
            yield of(f"segment {name}", mask & challenger.counted, limits.segment)
    cold = challenger.before == 0
    if cold.any():
        yield of("cold users", cold, limits.cold)
    counted = challenger.counted.astype(np.float64)
    column = f"novelty@{challenger.k}"
    yield Group("popularity bias", column, challenger.novelty, champion.novelty, counted, limits.novelty)


def _mean_guard(group: Group, fell: bool) -> Guard:
    said = f"{group.name}: {group.column} {group.new:.4f} after {group.old:.4f} over {group.users:,} users"
    if not group.users:
        said = f"{group.name}: nobody has a value"
    elif group.users < FEWEST_USERS:
        said += ", too few to judge"
    elif fell:
        said += f", a fall of {group.lost:.0%}, beyond chance and the {group.limit:.0%} that are allowed"
    elif group.limit is not None and group.lost > group.limit:
        said += f", a fall of {group.lost:.0%} that chance may explain"
    value, reference = (None if math.isnan(mean) else mean for mean in (group.new, group.old))
    return Guard(name=group.name, value=value, reference=reference, limit=group.limit, fell=fell, text=said)


def _coverage(challenger: Side, champion: Side, limit: float | None) -> Guard:
    new, old = challenger.coverage, champion.coverage
    lost = (old - new) / old if old else 0.0
    fell = limit is not None and lost > limit
    said = f"coverage@{challenger.k} {new:.4f} after {old:.4f}"
    if fell:
        said += f", a fall of {lost:.0%}, more than the {limit:.0%} that are allowed"
    return Guard(name="coverage", value=new, reference=old, limit=limit, fell=fell, text=said)


def _cost(name: str, new: float, old: float, limit: float | None, unit: str) -> Guard:
    """What a model costs, against a limit of its own."""
    there, before = math.isfinite(new), math.isfinite(old)
    said = f"{name}: {new:,.3g} {unit}" if there else f"{name}: not measured"
    said += f" after {old:,.3g}" if there and before else ""
    return Guard(
        name=name,
        value=new if there else None,
        reference=old if before else None,
        limit=limit,
        fell=limit is not None and there and new > limit,
        text=said + _at_most(limit, "g"),
    )


def _at_most(limit: float | None, form: str, unit: str = "") -> str:
    return "" if limit is None else f"; at most {limit:{form}}{unit} is allowed"

"""A backtest in words: lengths of time, what age costs, and a sentence of advice for each model."""

from __future__ import annotations

import math

from recsys.comparison.backtest import DAY, HOUR, WEEK, Age, Course, Held, Policy
from recsys.comparison.backtest_result import Backtest
from recsys.comparison.bootstrap import FEWEST_USERS
from recsys.report.words import MISSING, column_name, count, plural
from recsys.splits.config import MICROSECONDS

MONTH = 30 * DAY
PERCENT = "\xa0%"
UNITS = ((WEEK, "week"), (DAY, "day"), (HOUR, "hour"), (MICROSECONDS["min"], "minute"), (MICROSECONDS["s"], "second"))


def lasting(microseconds: int) -> str:
    """A length of time in its largest whole unit.

    >>> [lasting(n * DAY) for n in (1, 7, 28, 30)]
    ['1 day', '1 week', '4 weeks', '30 days']
    """
    size, unit = next(each for each in UNITS if microseconds % each[0] == 0)
    return plural(microseconds // size, unit)


def every(microseconds: int) -> str:
    """How often that is.

    >>> every(7 * DAY), every(14 * DAY)
    ('every week', 'every 2 weeks')
    """
    return f"every {lasting(microseconds).removeprefix('1 ')}"


def policy_name(policy: Policy, backtest: Backtest) -> str:
    """How often it retrains."""
    return "once" if policy.steps >= len(backtest.periods) else every(policy.steps * backtest.length)


def share(value: float, sign: bool = False) -> str:
    """A share in percent that may be negative.

    >>> share(0.031), share(-0.012), share(0.00004), share(0.25), share(0.031, sign=True), share(float("nan"))
    ('3.1\xa0%', '−1.2\xa0%', '0.0\xa0%', '25.0\xa0%', '+3.1\xa0%', '–')
    """
    if not math.isfinite(value):
        return MISSING
    text = f"{100 * abs(value):.1f}\xa0%"
    before = "" if float(f"{100 * value:.1f}") == 0 else "−" if value < 0 else "+" if sign else ""
    return before + text


def bounds(held: Held) -> str:
    """The interval of a loss, empty where there is none.

    >>> from recsys.comparison.bootstrap import Interval
    >>> nothing = Interval(0.0, 0.0, 0.0)
    >>> bounds(Held(1, 50, nothing, 1.0, nothing, Interval(0.031, 0.012, 0.05)))
    '1.2 to 5.0\xa0%'
    """
    low, high = held.loss.low, held.loss.high
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{share(low).removesuffix(PERCENT)} to {share(high)}"


def a_month(policy: Policy, backtest: Backtest) -> float:
    """CPU seconds that a policy takes in 30 days."""
    return policy.cpu_seconds * MONTH / (backtest.length * len(backtest.periods))


def cpu_time(seconds: float) -> str:
    """CPU time in its unit.

    >>> [cpu_time(seconds) for seconds in (0.42, 1, 4.2, 61, 5400, 9000)]
    ['0.4 CPU seconds', '1 CPU second', '4 CPU seconds', '61 CPU seconds', '90 CPU minutes', '2.5 CPU hours']
    """
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            value = seconds / size
            return f"{value:.1f} CPU {unit}s" if value < 10 else f"{value:,.0f} CPU {unit}s"
    text = f"{seconds:.1f}" if seconds < 0.95 else f"{seconds:.0f}"
    return f"{text} CPU second" + ("" if text == "1" else "s")


def advice(course: Course, backtest: Backtest) -> str:
    """One sentence: how often to retrain this model, what is lost otherwise, and what it costs.

    The rarest policy that is not shown to be worse than the most frequent one, nor is any between them.
    """
    often, once = course.policies[0], course.policies[-1]
    if not often.enough:
        users = plural(often.users, "user")
        return f"{course.label}: {users} are too few to say what age does to it; {FEWEST_USERS} are needed."
    if math.isnan(once.loss.low):
        return f"{course.label}: it finds too little to say what age does to it."
    chosen = often
    for policy in course.policies[1:]:
        if policy.is_worse:
            return f"{course.label}: {_retrain(course, chosen, policy, backtest)}"
        chosen = policy
    return f"{course.label}: {_no_need(once, often, backtest)}"


def _retrain(course: Course, chosen: Policy, rarer: Policy, backtest: Backtest) -> str:
    """rarer: the next policy, which is shown to be worse than retraining before every period."""
    often = course.policies[0]
    takes = cpu_time(a_month(chosen, backtest))
    old = month_old(course, backtest)
    if chosen is not often:
        frequent, instead = policy_name(often, backtest), cpu_time(a_month(often, backtest))
        what = f"{_fitted(rarer, backtest)} loses {_lost(rarer)} against {frequent}"
        return f"retrain {policy_name(chosen, backtest)}; {what}, and this takes {takes} a month instead of {instead}."
    if old is not None and old.is_worse:
        what = f"a model {lasting(old.steps * backtest.length)} old loses {_lost(old)}"
    else:
        what = f"{_fitted(rarer, backtest)} loses {_lost(rarer)}"
    return f"retrain {policy_name(chosen, backtest)}; {what}, and this takes {takes} a month."


def _fitted(policy: Policy, backtest: Backtest) -> str:
    name = policy_name(policy, backtest)
    return "fitting once" if name == "once" else f"retraining {name}"


def month_old(course: Course, backtest: Backtest) -> Age | None:
    """The age nearest to 30 days among those with an interval."""
    known = [age for age in course.ages[1:] if math.isfinite(age.loss.low)]
    return min(known, key=lambda age: abs(age.steps * backtest.length - MONTH), default=None)


def _lost(held: Held) -> str:
    return f"{share(held.loss.value)} (95\xa0% interval {bounds(held)})"


def _no_need(once: Policy, often: Policy, backtest: Backtest) -> str:
    span = lasting(backtest.length * len(backtest.periods))
    frequent = policy_name(often, backtest)
    if once.is_better:
        return f"newer was no better: fitted once for {span}, {_reaches(once)} than retraining {frequent}."
    return (
        f"age makes no difference that these {count(once.users)} users could show: fitted once for {span}, "
        f"{_reaches(once)} than retraining {frequent}."
    )


def _reaches(held: Held) -> str:
    """Less or more than the reference, with the interval of the loss."""
    more = "more" if held.loss.value < 0 else "less"
    return f"it reaches {share(abs(held.loss.value))} {more} (95\xa0% interval of the loss {bounds(held)})"


def doubts(backtest: Backtest) -> list[str]:
    """What the reader must know before the numbers."""
    return [*(f"{label} failed: {reason}" for label, reason in backtest.failures.items()), *few_users(backtest)]


def few_users(backtest: Backtest) -> list[str]:
    """That some periods have few users; nothing where all have enough."""
    n, few = len(backtest.periods), sum(period.users < FEWEST_USERS for period in backtest.periods)
    where = f"In {count(few)} of {plural(n, 'period')}"
    return [f"{where} fewer than {FEWEST_USERS} users count; a longer --every has more."] if few else []


def about(backtest: Backtest) -> str:
    """What was done, in a line."""
    whom = "users with rows before" if backtest.warm else "all users"
    span = lasting(backtest.length)
    return f"{column_name(backtest.column)} of {whom}, {plural(len(backtest.periods), 'period')} of {span}"

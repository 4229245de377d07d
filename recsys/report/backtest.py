"""The page of a backtest: what age does to each model, and what retraining more or less often gives and costs."""

from __future__ import annotations

import math

from recsys.comparison.backtest import Course
from recsys.comparison.backtest_result import Backtest
from recsys.data.summary import moment
from recsys.metrics.registry import parse_column
from recsys.report.backtest_words import about, advice, doubts, every, lasting, policy_name
from recsys.report.figures.ages import age_scale, by_age, by_policy
from recsys.report.figures.base import Table
from recsys.report.fill import fill
from recsys.report.palette import styles
from recsys.report.words import MISSING, column_name, count, number

STYLES = ("page.css", "operations.css", "backtest.css")
AGES = (
    "{metric} of a model that was fitted so long before, against one fitted just before (the dashed line), on the same "
    "users of the same periods; the band is the 95\xa0% interval. Where the dashed line lies outside of it, age makes "
    "a difference. All panels have one scale; the values themselves stand under Numbers."
)
FOOT = "One file, no network. How to read it: docs/backtest.md."


def backtest_page(backtest: Backtest) -> str:
    """The page. The same backtest gives the same text."""
    courses = ranked(backtest)
    looks = styles([each.label for each in courses], [each.label for each in courses if each.control])
    said = [advice(each, backtest) for each in courses]
    first, last = backtest.periods[0], backtest.periods[-1]
    return fill(
        "backtest.html",
        STYLES,
        title=f"{backtest.name}: backtest",
        eyebrow="How fast recommenders age",
        name=backtest.name,
        meta=f"{about(backtest)}, {moment(first.start)} to {moment(last.end)}",
        headline=said[0],
        problems=doubts(backtest),
        points=said[1:],
        sections=[("age", "Quality by age"), ("policies", "Retraining"), ("periods", "Periods"), ("how", "How")],
        ages=[by_age(each, backtest, age_scale(courses), looks[each.label]) for each in courses],
        policies=[by_policy(each, backtest, looks[each.label]) for each in courses],
        ages_lead=AGES.format(metric=column_name(backtest.column)),
        policies_lead=_policies_lead(backtest),
        periods=_periods(backtest),
        cells=[_cells(each, backtest) for each in courses],
        facts=_facts(backtest),
        foot=FOOT,
    )


def ranked(backtest: Backtest) -> list[Course]:
    """Models by what they reach when they are always fresh, best first; controls last."""
    sign = 1 if parse_column(backtest.column)[0].higher_is_better else -1

    def place(course: Course) -> tuple[bool, float]:
        value = course.ages[0].value.value
        return course.control, -sign * value if math.isfinite(value) else math.inf

    return sorted(backtest.courses, key=place)


def _policies_lead(backtest: Backtest) -> str:
    often = every(backtest.length)
    return (
        f"What users would have got over all {count(len(backtest.periods))} periods under each way of retraining, "
        f"against retraining {often}: the change in per cent with its 95\xa0% interval, and CPU seconds in 30 days. "
        f"“once” is the model fitted before the first period and never again."
    )


def _periods(backtest: Backtest) -> Table:
    rows = tuple(
        (str(place), moment(each.start), moment(each.end), count(each.rows), count(each.users))
        for place, each in enumerate(backtest.periods, start=1)
    )
    return Table("Periods, UTC", ("Period", "From", "To", "Rows", "Users counted"), rows)


def _cells(course: Course, backtest: Backtest) -> Table:
    """Every fit in every later period."""
    n = len(backtest.periods)
    rows = tuple(
        (
            f"before period {fitted + 1}",
            *("" if period < fitted else number(course.means[fitted, period]) for period in range(n)),
        )
        for fitted in range(n)
    )
    caption = f"{course.label}: {column_name(backtest.column)} of every fit in every period"
    return Table(caption, ("Fitted", *(f"in {period + 1}" for period in range(n))), rows)


def _facts(backtest: Backtest) -> list[tuple[str, str]]:
    names = [policy_name(policy, backtest) for policy in backtest.courses[0].policies] if backtest.courses else []
    return [
        ("Metric", column_name(backtest.column)),
        ("Users", "with rows before the period" if backtest.warm else "all with something to find"),
        ("Periods", f"{count(len(backtest.periods))} of {lasting(backtest.length)}, the last ends with the newest row"),
        ("Ways of retraining", ", ".join(names) or MISSING),
        ("Unit", "a user in a period; intervals draw users, with all their periods, 10,000 times with replacement"),
        ("Cost", "CPU seconds of the process that fits and makes the lists of one period"),
        ("Seed", "the first of the experiment"),
    ]

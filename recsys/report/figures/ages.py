"""A model over time: its quality by age, and what each way of retraining gives and costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from markupsafe import Markup

from recsys.comparison.backtest import DAY, WEEK, Age, Course, Policy
from recsys.comparison.backtest_result import Backtest
from recsys.report.backtest_words import a_month, bounds, cpu_time, lasting, policy_name, share
from recsys.report.figures.base import Figure, Table, apart, axes
from recsys.report.palette import Style
from recsys.report.scales import Scale
from recsys.report.svg import path, svg, tag
from recsys.report.words import MISSING, column_name, count, interval, listed, number, plural, short

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 240, 52, 14, 14, 42
ROW, NAMES, COSTS = 30, 104, 84
MARKED = 16


def age_scale(courses: Sequence[Course]) -> Scale:
    """The axis of changes with age in per cent, the same for all models, so that one sees who ages."""
    held = [age for course in courses for age in course.ages if age.steps]
    return Scale(*_range(held), HEIGHT - BOTTOM, TOP)


def by_age(course: Course, backtest: Backtest, y: Scale, look: Style) -> Figure:
    """How far a model of each age is behind a fresh one on the same users, the interval as a band."""
    metric, ages = column_name(backtest.column), [age for age in course.ages if math.isfinite(age.loss.value)]
    x = Scale(0, max(1, len(course.ages) - 1), LEFT + 4, WIDTH - RIGHT)
    ticks = apart([float(tick) for tick in range(len(course.ages))], x, 24)
    picture = svg(
        WIDTH,
        HEIGHT,
        f"Change of {metric} of {course.label} with its age, against a fresh model on the same users",
        *axes(
            x,
            y,
            x_ticks=[(tick, f"{tick:.0f}") for tick in ticks],
            y_ticks=[(tick, f"{'+' if tick > 0 else ''}{short(tick)}\xa0%") for tick in y.ticks(8)],
            x_title=_age_title(backtest),
        ),
        tag("line", x1=float(x.start), x2=float(x.end), y1=y(0), y2=y(0), class_="reference"),
        *_bands(ages, x, y),
        tag("path", d=path([(x(age.steps), y(-100 * age.loss.value)) for age in ages]), class_="line"),
        *(_point(age, backtest, x, y, look) for age in ages if len(ages) <= MARKED),
        class_=f"series {look.css}",
    )
    return Figure(course.label, picture, _ages_told(course, backtest), _age_table(course, backtest))


def by_policy(course: Course, backtest: Backtest, look: Style) -> Figure:
    """Each policy against retraining before every period: the change in per cent, and what it costs."""
    policies = course.policies
    height = TOP + ROW * len(policies) + BOTTOM
    x = Scale(*_range(policies), NAMES, WIDTH - COSTS)
    base = height - BOTTOM
    ticks = apart(x.ticks(4), x, 44)
    lines = [
        *(tag("line", x1=x(tick), x2=x(tick), y1=TOP, y2=base, class_="grid") for tick in ticks),
        tag("line", x1=x(0), x2=x(0), y1=TOP, y2=base, class_="zero"),
    ]
    titled = f"change of {column_name(backtest.column)}, %"
    picture = svg(
        WIDTH,
        height,
        f"What retraining {course.label} gives and costs, {plural(len(policies), 'way')}",
        *lines,
        *(tag("text", short(tick), x=x(tick), y=base + 16.0, text_anchor="middle", class_="tick") for tick in ticks),
        tag("text", titled, x=(x.start + x.end) / 2, y=base + 34.0, text_anchor="middle", class_="axis-title"),
        tag("text", "CPU a month", x=WIDTH - 2.0, y=base + 16.0, text_anchor="end", class_="tick"),
        *(_row(each, backtest, x, TOP + ROW * (place + 0.5), look) for place, each in enumerate(policies)),
        class_=f"series {look.css}",
    )
    return Figure(course.label, picture, _policies_told(course, backtest), policy_table(course, backtest))


def policy_table(course: Course, backtest: Backtest) -> Table:
    """Every policy with its numbers."""
    rows = tuple(
        (
            policy_name(policy, backtest),
            number(policy.value.value),
            interval(policy.value.low, policy.value.high) or MISSING,
            share(-policy.loss.value, sign=True),
            _change(policy) or MISSING,
            count(policy.fits),
            number(policy.cpu_seconds, 1),
        )
        for policy in course.policies
    )
    metric, even = column_name(backtest.column), "95\xa0% interval"
    return Table(
        f"{course.label}: ways of retraining",
        ("Retrained", metric, even, "Change", even, "Fits", "CPU s"),
        rows,
    )


def _age_table(course: Course, backtest: Backtest) -> Table:
    rows = tuple(
        (
            lasting(age.steps * backtest.length) if age.steps else "fresh",
            number(age.value.value),
            interval(age.value.low, age.value.high) or MISSING,
            number(age.reference),
            share(-age.loss.value, sign=True),
            _change(age) or MISSING,
            count(age.users),
        )
        for age in course.ages
    )
    even = "95\xa0% interval"
    header = ("Age", column_name(backtest.column), even, "Fresh, same users", "Change", even, "Users")
    return Table(f"{course.label} by age", header, rows)


def _change(held: Age | Policy) -> str:
    low, high = held.loss.low, held.loss.high
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{share(-high, sign=True)} to {share(-low, sign=True)}"


def _age_title(backtest: Backtest) -> str:
    names = {DAY: "days", WEEK: "weeks"}
    return f"age, {names.get(backtest.length) or f'steps of {lasting(backtest.length)}'}"


def _bands(ages: Sequence[Age], x: Scale, y: Scale) -> Iterator[Markup]:
    for there, run in groupby(ages, key=lambda age: math.isfinite(age.loss.low)):
        sure = [(x(age.steps), y(-100 * age.loss.high), y(-100 * age.loss.low)) for age in run] if there else []
        if len(sure) > 1:
            edge = [(at, high) for at, _, high in sure] + [(at, low) for at, low, _ in reversed(sure)]
            yield tag("path", d=path(edge) + "Z", class_="area")
        elif sure:
            at, low, high = sure[0]
            yield tag("line", x1=at, x2=at, y1=low, y2=high, class_="whisker")


def _point(age: Age, backtest: Backtest, x: Scale, y: Scale, look: Style) -> Markup:
    said = f"{lasting(age.steps * backtest.length)} old" if age.steps else "fresh"
    around = f" ({bounds(age)})" if bounds(age) else ""
    title = f"{said}: {number(age.value.value)}, loses {share(age.loss.value)}{around} with {plural(age.users, 'user')}"
    return tag("g", tag("title", title), look.marker(x(age.steps), y(-100 * age.loss.value)))


def _ages_told(course: Course, backtest: Backtest) -> str:
    """From which age on it is shown to be worse."""
    later = course.ages[1:]
    worse = [age for age in later if age.is_worse]
    if all(math.isnan(age.loss.low) for age in later):
        return "Too few users, or hits, for intervals."
    if not worse:
        return "At no age shown to be worse than a fresh one."
    first = lasting(worse[0].steps * backtest.length)
    if len(worse) == later[-1].steps - worse[0].steps + 1:
        oldest = worse[-1]
        return f"Worse than a fresh one from {first} on: by {share(oldest.loss.value)} ({bounds(oldest)}) at the end."
    return f"Shown to be worse than a fresh one at {len(worse)} of {len(later)} ages, first at {first}."


def _policies_told(course: Course, backtest: Backtest) -> str:
    often = course.policies[0]
    worse = [policy_name(policy, backtest) for policy in course.policies if policy.is_worse]
    against = f"{policy_name(often, backtest)} ({plural(often.fits, 'fit')})"
    if not worse:
        return f"No rarer one is shown to be worse than {against}."
    return f"Shown to be worse than {against}: {listed(worse)}."


def _range(held: Sequence[Age] | Sequence[Policy]) -> tuple[float, float]:
    """All changes in per cent with their intervals, zero included."""
    known = [-100 * end for each in held for end in each.loss if math.isfinite(end)]
    low, high = min([0.0, *known]), max([0.0, *known])
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _row(policy: Policy, backtest: Backtest, x: Scale, at: float, look: Style) -> Markup:
    """The name of a policy, its change with the interval, and its cost."""
    cost = cpu_time(a_month(policy, backtest)).replace("CPU ", "").replace("seconds", "s").replace("minutes", "min")
    parts = [
        tag("text", policy_name(policy, backtest), x=0.0, y=at + 3.8, class_="label"),
        tag("text", cost.replace("second", "s"), x=WIDTH - 2.0, y=at + 3.8, text_anchor="end", class_="tick"),
    ]
    if math.isfinite(policy.loss.low) and math.isfinite(policy.loss.high):
        ends = [x(-100 * policy.loss.high), x(-100 * policy.loss.low)]
        parts.append(tag("line", x1=ends[0], x2=ends[1], y1=at, y2=at, class_="whisker"))
        parts += [tag("line", x1=end, x2=end, y1=at - 4, y2=at + 4, class_="whisker") for end in ends]
    if math.isfinite(policy.loss.value):
        parts.append(look.marker(x(-100 * policy.loss.value), at, 3.8))
    title = f"{policy_name(policy, backtest)}: {number(policy.value.value)}, {plural(policy.fits, 'fit')}"
    return tag("g", tag("title", title), *parts)

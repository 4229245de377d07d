"""Small bars within the leaderboard: a value and its interval on an axis that all rows share."""

from __future__ import annotations

import math
from collections.abc import Iterable

from markupsafe import Markup

from recsys.comparison.bootstrap import Interval
from recsys.report.scales import Scale, padded
from recsys.report.svg import path, svg, tag

WIDTH, HEIGHT, INSET = 178, 14, 5
NEAREST = 3


def value_scale(bounds: Iterable[Interval]) -> Scale:
    """The axis of the values: all intervals fit."""
    low, high = padded((number for bound in bounds for number in bound), share=0.03)
    return Scale(low, high, INSET, WIDTH - INSET)


def difference_scale(bounds: Iterable[Interval]) -> Scale:
    """The axis of the differences: zero, and the intervals of the nearer half of the models, so that a model far off
    does not press the others together."""
    there = sorted((bound for bound in bounds if math.isfinite(bound.value)), key=lambda bound: abs(bound.value))
    near = there[: max(NEAREST, (len(there) + 1) // 2)]
    low, high = padded([0.0, *(number for bound in near for number in bound)], share=0.05, from_zero=0)
    return Scale(low, high, INSET, WIDTH - INSET)


def value_bar(bound: Interval, scale: Scale, css: str, label: str) -> Markup:
    """The value and its interval; a bar from zero where the axis starts there."""
    if not math.isfinite(bound.value):
        return Markup("")
    start, end, middle = scale(scale.low), scale(bound.value), HEIGHT / 2
    if scale.low != 0:
        return svg(WIDTH, HEIGHT, label, _track(scale), *_whisker(bound, scale), class_=f"bars {css}")
    bar = tag("line", x1=start, x2=end, y1=middle, y2=middle, class_="bar")
    return svg(WIDTH, HEIGHT, label, _track(scale), bar, *_whisker(bound, scale), class_=f"bars {css}")


def difference_bar(bound: Interval, scale: Scale, css: str, label: str) -> Markup:
    """The difference and its interval beside a line at zero; an arrow where it lies beyond the axis."""
    if not math.isfinite(bound.value):
        return Markup("")
    zero = tag("line", x1=scale(0), x2=scale(0), y1=0, y2=HEIGHT, class_="zero")
    if not scale.low <= bound.value <= scale.high:
        edge, into = (1.0, 6.0) if bound.value < scale.low else (WIDTH - 1.0, WIDTH - 6.0)
        middle = HEIGHT / 2
        arrow = tag("path", d=path([(into, middle - 4), (edge, middle), (into, middle + 4)]), class_="beyond")
        return svg(WIDTH, HEIGHT, label, zero, arrow, class_=f"bars {css}")
    return svg(WIDTH, HEIGHT, label, zero, *_whisker(bound, scale), class_=f"bars {css}")


def _track(scale: Scale) -> Markup:
    return tag("line", x1=float(scale.start), x2=float(scale.end), y1=HEIGHT / 2, y2=HEIGHT / 2, class_="track")


def _whisker(bound: Interval, scale: Scale) -> list[Markup]:
    middle, found = HEIGHT / 2, []
    if math.isfinite(bound.low) and math.isfinite(bound.high):
        low, high = scale(bound.low), scale(bound.high)
        found = [
            tag("line", x1=low, x2=high, y1=middle, y2=middle, class_="whisker"),
            *(tag("line", x1=x, x2=x, y1=middle - 4, y2=middle + 4, class_="whisker") for x in (low, high)),
        ]
    return [*found, tag("circle", cx=scale(bound.value), cy=middle, r=3.5, class_="mark")]

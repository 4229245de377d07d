"""Quality against what the fit costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from recsys.report.board import Board, Row
from recsys.report.figures.base import Figure, Table, axes
from recsys.report.labels import Box, beside
from recsys.report.palette import Style
from recsys.report.scales import Scale, padded
from recsys.report.svg import join, path, svg, tag
from recsys.report.words import column_name, cut, interval, listed, number

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 330, 44, 14, 14, 42
LETTER, LINE = 6.2, 13.0
ROOMY = 10
LONGEST = 22
SHORTEST = 1e-3


def cost(board: Board, looks: Mapping[str, Style]) -> Figure | None:
    """A point a model, with its interval; None where fewer than two models were timed."""
    timed = [row for row in board.ranked if "fit_seconds" in row.measured]
    if len(timed) < 2:
        return None
    values = [number for row in timed for number in (row.values[board.primary], row.interval.low, row.interval.high)]
    times = [_seconds(row) for row in timed]
    height = HEIGHT + LINE * max(0, len(timed) - ROOMY)
    reach = (max(times) / min(times)) ** 0.06 * 1.15
    x = Scale(min(times) / reach, max(times) * reach, LEFT, WIDTH - RIGHT, log=True)
    y = Scale(*padded(values), height - BOTTOM, TOP)
    front = frontier(timed, board.primary, board.higher_is_better)
    stairs = _steps(front, board.primary, x, y)
    marks = [_mark(row, board.primary, x, y) for row in timed]
    widths = [LETTER * len(cut(row.label, LONGEST)) for row in timed]
    room = Box(LEFT, TOP - 6, WIDTH, height - BOTTOM)
    places = beside(marks, widths, LINE, room, [_strip(*ends) for ends in pairwise(stairs)])
    metric, on_front = column_name(board.primary), listed([row.label for row in front])
    picture = svg(
        WIDTH,
        height,
        f"{metric} against fit time of {len(timed)} models",
        *axes(x, y, x_title="seconds to fit (log scale)"),
        tag("path", d=path(stairs), class_="frontier"),
        *(_point(row, board.primary, x, y, place, looks[row.label]) for row, place in zip(timed, places, strict=True)),
    )
    rows = tuple(
        (
            row.label,
            number(row.values[board.primary]),
            interval(row.interval.low, row.interval.high) or "–",
            number(row.measured["fit_seconds"], 2),
        )
        for row in timed
    )
    return Figure(
        title=f"{metric} against fit time",
        picture=picture,
        caption=f"On the dashed line no model is both better and faster to fit: {on_front}.",
        table=Table(f"{metric} and fit time", ("Model", metric, "95\xa0% interval", "Fit, s"), rows),
    )


def frontier(rows: Sequence[Row], primary: str, higher_is_better: bool) -> list[Row]:
    """The models that no other beats in both quality and fit time, fastest first (Pareto)."""
    sign = 1 if higher_is_better else -1
    found: list[Row] = []
    best = -math.inf
    for row in sorted(rows, key=lambda row: (_seconds(row), -sign * row.values[primary])):
        if sign * row.values[primary] > best:
            best = sign * row.values[primary]
            found.append(row)
    return found


def _seconds(row: Row) -> float:
    return max(SHORTEST, row.measured["fit_seconds"])


def _steps(front: Sequence[Row], primary: str, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """A staircase: what the best choice is for every time one has."""
    points: list[tuple[float, float]] = []
    for row in front:
        at = x(_seconds(row))
        points += [(at, points[-1][1])] if points else []
        points.append((at, y(row.values[primary])))
    return [*points, (float(x.end), points[-1][1])]


def _strip(start: tuple[float, float], end: tuple[float, float]) -> Box:
    """What a straight line covers."""
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(start, end, strict=True))
    return Box(left - 1, top - 1, right + 1, bottom + 1)


def _mark(row: Row, primary: str, x: Scale, y: Scale) -> Box:
    """What the marker covers."""
    across, at = x(_seconds(row)), y(row.values[primary])
    return Box(across - 5, at - 5, across + 5, at + 5)


def _point(row: Row, primary: str, x: Scale, y: Scale, place: Box, look: Style) -> Markup:
    across, at = x(_seconds(row)), y(row.values[primary])
    parts = [tag("title", f"{row.label}: {number(row.values[primary])}, {number(row.measured['fit_seconds'], 2)} s")]
    is_right, middle = place.left > across, (place.top + place.bottom) / 2
    edge = place.left - 1 if is_right else place.right + 1
    if abs(middle - at) > LINE / 2:
        parts.append(tag("path", d=path([(across, at), (edge, middle)]), class_="leader"))
    if math.isfinite(row.interval.low) and math.isfinite(row.interval.high):
        low, high = y(row.interval.low), y(row.interval.high)
        parts.append(tag("line", x1=across, x2=across, y1=low, y2=high, class_="whisker"))
    parts.append(look.marker(across, at, 4.2))
    edge, anchor = (place.left, "start") if is_right else (place.right, "end")
    label = cut(row.label, LONGEST)
    parts.append(tag("text", label, x=edge, y=middle + 3.8, text_anchor=anchor, class_="label"))
    return tag("g", join(parts), class_=f"series {look.css}")

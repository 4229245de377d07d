"""Each metric by the length of the list: one panel a metric, one line a model, labelled where it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping

from recsys.metrics.registry import METRICS
from recsys.report.board import Board
from recsys.report.figures.base import Figure, Table, apart, axes
from recsys.report.labels import spread
from recsys.report.palette import Style
from recsys.report.scales import Scale, padded
from recsys.report.svg import join, path, svg, tag
from recsys.report.words import cut, interval, listed, metric_name, number

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 360, 40, 142, 12, 40
LABEL = 13.0
MARKED = 12


def by_k(board: Board, looks: Mapping[str, Style]) -> list[Figure]:
    """A panel for each metric that was computed at two list lengths or more."""
    return [_panel(board, name, columns, looks) for name, columns in board.by_metric.items() if len(columns) > 1]


def _panel(board: Board, name: str, columns: Mapping[int, str], looks: Mapping[str, Style]) -> Figure:
    lines = {
        row.label: [(k, row.values[column]) for k, column in columns.items() if math.isfinite(row.values[column])]
        for row in board.ok
    }
    lines = {label: points for label, points in lines.items() if points}
    height = max(230, TOP + BOTTOM + int(LABEL * len(lines)) + 8)
    ks = list(columns)
    x = Scale(ks[0], ks[-1], LEFT + 6, WIDTH - RIGHT - 8, log=ks[-1] > 4 * ks[0])
    y = Scale(*padded(value for points in lines.values() for _, value in points), height - BOTTOM, TOP)
    ticks = [(float(k), str(k)) for k in apart(ks, x, 26)]
    ends = spread([y(points[-1][1]) for points in lines.values()], LABEL, TOP + 2, height - BOTTOM)
    best = board.best.label if board.best else None
    drawn = []
    for (label, points), end in zip(lines.items(), ends, strict=True):
        look, places = looks[label], [(x(k), y(value)) for k, value in points]
        right, last = WIDTH - RIGHT, places[-1]
        marks = places if len(places) <= MARKED else places[-1:]
        drawn.append(
            tag(
                "g",
                tag("title", f"{label}: {number(points[-1][1])} at {points[-1][0]}"),
                tag("path", d=path(places), class_="line", stroke_dasharray=look.dash),
                tag("path", d=path([last, (right - 2, last[1]), (right + 8, end), (right + 12, end)]), class_="leader"),
                join(look.marker(*place) for place in marks),
                tag("text", cut(label, 18), x=float(right + 15), y=end + 3.8, class_="label"),
                class_=f"series {look.css}" + (" best" if label == best else ""),
            )
        )
    metric = metric_name(name)
    rows = tuple(
        (row.label, *(_with_interval(board, row.label, column, row.values[column]) for column in columns.values()))
        for row in board.ok
    )
    better = "" if METRICS[name].higher_is_better else " Lower is better."
    return Figure(
        title=metric,
        picture=svg(
            WIDTH,
            height,
            f"{metric} at list lengths {listed([str(k) for k in ks])}, one line for each of {len(lines)} models",
            *axes(x, y, x_ticks=ticks, x_title="items in the list (k)"),
            *reversed(drawn),
        ),
        caption=f"{_leaders(lines, columns, METRICS[name].higher_is_better)}{better}",
        table=Table(f"{metric} by list length", ("Model", *(f"k = {k}" for k in columns)), rows),
    )


def _with_interval(board: Board, label: str, column: str, value: float) -> str:
    bound = board.interval(label, column)
    around = interval(bound.low, bound.high)
    return f"{number(value)} ({around})" if around else number(value)


def _leaders(lines: Mapping[str, list[tuple[int, float]]], ks: Mapping[int, str], higher_is_better: bool) -> str:
    """Which model has the best value at the shortest and the longest list."""
    sign = 1 if higher_is_better else -1

    def best(k: int) -> str | None:
        there = {label: dict(points)[k] for label, points in lines.items() if k in dict(points)}
        return max(there, key=lambda label: sign * there[label]) if there else None

    first, last = min(ks), max(ks)
    one, other = best(first), best(last)
    if one is None or other is None:
        return ""
    word = "Highest" if higher_is_better else "Lowest"
    if one == other:
        return f"{word} at k = {first} and k = {last}: {one}."
    return f"{word} at k = {first}: {one}; at k = {last}: {other}."

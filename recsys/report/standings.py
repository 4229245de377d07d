"""The leaderboard and the costs as lines of text and small bars."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from recsys.comparison.leaderboard import SPREADS
from recsys.metrics.registry import parse_column
from recsys.report.board import Board, Row, primary_like
from recsys.report.figures.bars import difference_bar, difference_scale, value_bar, value_scale
from recsys.report.palette import Style
from recsys.report.verdict import told_apart
from recsys.report.words import MISSING, column_name, count, interval, number, signed


@dataclass(frozen=True)
class Cell:
    """A number: as text, and exactly, for sorting; best: whether it leads its column."""

    text: str
    value: str = ""
    best: bool = False


@dataclass(frozen=True)
class Line:
    """A row of the leaderboard. apart: whether it is told apart from the best; None where that cannot be said."""

    row: Row
    rank: int | None
    is_best: bool
    apart: bool | None
    bar: Markup
    around: str
    difference: Cell
    difference_bar: Markup
    difference_around: str
    primary: Cell
    spreads: Mapping[str, Cell]
    others: tuple[Cell, ...]


@dataclass(frozen=True)
class Measured:
    """A column of the cost table: what it is called, its unit, and a factor and decimals to show it with."""

    name: str
    title: str
    unit: str
    factor: float
    digits: int


COSTS = (
    Measured("fit_seconds", "Fit", "s", 1, 2),
    Measured("recommend_seconds", "Recommend", "s", 1, 2),
    Measured("cpu_seconds", "CPU", "s", 1, 2),
    Measured("peak_memory_mb", "Peak memory", "MB", 1, 0),
    Measured("model_bytes", "Stored model", "MB", 1e-6, 2),
)


def other_columns(board: Board) -> list[str]:
    """The columns beside the primary: each other metric at its k, or at the nearest there is."""
    return [column for column in primary_like(board) if column != board.primary]


def spreads(board: Board) -> list[str]:
    """What the primary metric is seen to vary over: those of `Row.spread` that any model has."""
    return [over for over in SPREADS if any(math.isfinite(row.spread.get(over, math.nan)) for row in board.ok)]


def lines(board: Board, looks: Mapping[str, Style]) -> list[Line]:
    """The leaderboard, best first; models without a value of the primary metric and failed ones have no rank."""
    values = value_scale(row.interval for row in board.ranked)
    differences = difference_scale(row.difference for row in board.ranked)
    leaders = {column: _leader(board, column) for column in other_columns(board)}
    found = []
    for row in board.rows:
        rank = board.ranked.index(row) + 1 if row in board.ranked else None
        css = looks[row.label].css if row.label in looks else "control"
        value, bound, gap = row.values[board.primary], row.interval, row.difference
        around = interval(bound.low, bound.high)
        gap_around = interval(gap.low, gap.high, sign=True)
        is_best = board.best is row
        found.append(
            Line(
                row=row,
                rank=rank,
                is_best=is_best,
                apart=told_apart(row),
                bar=value_bar(bound, values, css, f"{row.label}: {number(value)}, interval {around or 'unknown'}"),
                around=around,
                difference=Cell(MISSING, "0") if is_best else Cell(signed(gap.value), exact(gap.value)),
                difference_bar=Markup("")
                if is_best
                else difference_bar(gap, differences, css, f"{signed(gap.value)}, interval {gap_around or 'unknown'}"),
                difference_around="" if is_best else gap_around,
                primary=Cell(number(value), exact(value)),
                spreads={over: Cell(number(each), exact(each)) for over, each in row.spread.items()},
                others=tuple(
                    Cell(number(row.values[column]), exact(row.values[column]), best=leaders[column] is row)
                    for column in leaders
                ),
            )
        )
    return found


def cost_columns(board: Board) -> list[Measured]:
    """The costs that any model has."""
    return [cost for cost in COSTS if any(cost.name in row.measured for row in board.rows)]


def cost_cells(board: Board, row: Row) -> list[Cell]:
    """What a model cost, in the order of `cost_columns`."""
    return [_cost(row.measured.get(cost.name, math.nan), cost) for cost in cost_columns(board)]


def exact(value: float) -> str:
    """A number for sorting; empty where there is none."""
    return repr(value) if math.isfinite(value) else ""


def titles(columns: list[str]) -> list[str]:
    """Columns as headers."""
    return [column_name(column) for column in columns]


def _cost(value: float, cost: Measured) -> Cell:
    if not math.isfinite(value):
        return Cell(MISSING)
    shown, least = value * cost.factor, 10.0**-cost.digits
    if 0 < shown < least:
        return Cell(f"< {number(least, cost.digits)}", exact(value))
    return Cell(count(shown) if cost.digits == 0 else number(shown, cost.digits), exact(value))


def _leader(board: Board, column: str) -> Row | None:
    """The model with the best value of a column, controls aside."""
    sign = 1 if parse_column(column)[0].higher_is_better else -1
    there = [row for row in board.ok if not row.control and math.isfinite(row.values[column])]
    return max(there, key=lambda row: sign * row.values[column]) if len(there) > 1 else None

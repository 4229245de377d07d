"""The result in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from recsys.comparison.family import ALPHA
from recsys.report.board import Board, Row
from recsys.report.tuning_words import tuning_in_words
from recsys.report.words import column_name, count, interval, listed, number, plural

# How many times less a fit must take to be spoken of.
WORTH_SAYING = 1.5


@dataclass(frozen=True)
class Verdict:
    """headline: the one line. points: what else one must know. problems: what went wrong or casts doubt."""

    headline: str
    points: tuple[str, ...]
    problems: tuple[str, ...]


def verdict(board: Board) -> Verdict:
    """Who is best, who cannot be told apart from it, what the controls reached, on how many users, and what failed."""
    points = (
        _cost(board),
        _first_behind(board),
        _controls(board),
        _users(board),
        _without_value(board),
        _untuned(board),
    )
    problems = (_as_good_as_best(board), _no_intervals(board), *_failures(board))
    return Verdict(_headline(board), tuple(filter(None, points)), tuple(filter(None, problems)))


def told_apart(row: Row) -> bool | None:
    """Whether the difference to the best is beyond chance; None where that cannot be said.

    Of a model: by the p-value adjusted for all pairs. Of a control, which is in no family: by its own interval.
    """
    if not row.control:
        return None if math.isnan(row.p_adjusted) else row.p_adjusted <= ALPHA
    _, low, high = row.difference
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return low > 0 or high < 0


def rivals(board: Board) -> list[Row]:
    """The models held against the best: with a value, no controls."""
    return [row for row in board.ranked if row is not board.best and not row.control]


def _headline(board: Board) -> str:
    best, metric = board.best, column_name(board.primary)
    if best is None:
        return "No model is left to judge: only controls have a result." if board.ranked else "No model has a result."
    value = number(best.values[board.primary])
    ahead = _ahead(board)
    if ahead is not None and told_apart(ahead) is not False:
        reached = number(ahead.values[board.primary])
        return f"No model beats the control {ahead.label}: {metric} {reached}, and {value} for {best.label}, the best."
    others = rivals(board)
    if not others:
        return f"{best.label} reaches {metric} {value}; there is no other model to hold it against."
    if any(told_apart(row) is None for row in others):
        return f"{best.label} has the best {metric}, {value}; whether it is really better cannot be said."
    alike = [row.label for row in others if not told_apart(row)]
    if not alike:
        beaten = f"the other {plural(len(others), 'model')}" if len(others) > 1 else others[0].label
        lowest = "" if board.higher_is_better else ", the lowest error"
        return f"{best.label} is best: {metric} {value}{lowest}, ahead of {beaten} by more than chance explains."
    if len(alike) == len(others) > 1:
        return f"{best.label} has the best {metric}, {value}, but no other model can be told apart from it."
    return f"{best.label} has the best {metric}, {value}, but cannot be told apart from {listed(alike)}."


def _ahead(board: Board) -> Row | None:
    """A control with a better value than the best model."""
    return board.ranked[0] if board.best is not None and board.ranked[0].control else None


def _cost(board: Board) -> str | None:
    """Which of the models that cannot be told apart from the best costs least, where that makes a difference."""
    alike = [row for row in rivals(board) if told_apart(row) is False]
    leaders = [board.best, *alike] if board.best is not None else []
    timed = sorted((row.measured.get("fit_seconds", 0), row.label) for row in leaders)
    timed = [(seconds, label) for seconds, label in timed if seconds > 0]
    if len(timed) < 2:
        return None
    (least, cheap), *_, (most, dear) = timed
    if most < WORTH_SAYING * least:
        return None
    times = count(most / least) if most >= 10 * least else f"{most / least:.1f}"
    which = "Of the two" if len(timed) == 2 else "Of these"
    return f"{which}, {cheap} costs least: its fit took {times} times less than that of {dear}."


def _first_behind(board: Board) -> str | None:
    """The first model that is beaten, and by how much."""
    beaten = next((row for row in rivals(board) if told_apart(row)), None)
    if beaten is None:
        return None
    value, *bounds = (abs(bound) for bound in beaten.difference)
    which = "The next" if beaten is rivals(board)[0] else "The first that is clearly worse"
    around = interval(min(bounds), max(bounds))
    return f"{which}, {beaten.label}, is {number(value)} behind (95\xa0% interval {around}, user by user)."


def _controls(board: Board) -> str | None:
    controls = [row for row in board.ranked if row.control]
    if not controls:
        return None
    reached = listed([f"{row.label} {number(row.values[board.primary])}" for row in controls])
    top = controls[0].values[board.primary]
    if board.best is None or _ahead(board) or not board.higher_is_better or top <= 0:
        return f"Controls: {reached}."
    times = board.best.values[board.primary] / top
    shown = f"{times:.1f}" if times < 10 else count(times)
    return f"Controls: {reached}; {board.best.label} reaches {shown} times {controls[0].label}."


def _as_good_as_best(board: Board) -> str | None:
    """A control that cannot be told apart from the best model, or beats it, makes the rest of little worth."""
    for row in board.ranked:
        if row.control and board.best is not None and (row is _ahead(board) or told_apart(row) is False):
            alike = told_apart(row) is False
            how = f"cannot be told apart from {board.best.label}" if alike else "is ahead of every model"
            return f"The control {row.label} {how}: nothing here is shown to be better than no personalisation."
    return None


def _no_intervals(board: Board) -> str | None:
    return f"No intervals: {board.note}." if board.note and board.ranked else None


def _users(board: Board) -> str | None:
    if not board.users:
        return None
    folds = board.manifest["split"]["folds"]
    left_out = sum(fold["test_users_with_positives"] - fold["warm_test_users_with_positives"] for fold in folds)
    text = f"Measured on {plural(board.users, 'user')}"
    if left_out and board.manifest["choices"]["users"] == "warm":
        return f"{text}; {plural(left_out, 'user')} of the test part, unknown in training, not counted."
    return f"{text}."


def _without_value(board: Board) -> str | None:
    without = [row.label for row in board.ok if row not in board.ranked]
    return f"No {column_name(board.primary)}: {listed(without)}." if without else None


def _untuned(board: Board) -> str | None:
    models = [row for row in board.ok if not row.control]
    tuned, untuned = ([row.label for row in models if row.tuned is is_so] for is_so in (True, False))
    return tuning_in_words(board.best.label if board.best else None, tuned, untuned)


def _failures(board: Board) -> list[str]:
    """Which models failed and why; those with one reason together."""
    by_reason: dict[str, list[str]] = {}
    for row in board.failed:
        by_reason.setdefault(row.status, []).append(row.label)
    return [f"{listed(labels)} failed: {reason}" for reason, labels in by_reason.items()]

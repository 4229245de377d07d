"""Searches for settings: the section of a comparison, and the page of a search alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys.report.board import Board
from recsys.report.figures.base import Figure, Table
from recsys.report.figures.search import best_so_far, importances
from recsys.report.fill import fill
from recsys.report.palette import Style, styles
from recsys.report.words import MISSING, column_name, count, listed, number, percent, plural

STYLES = ("page.css", "operations.css")
ENDED = ("pruned", "failed", "unfinished")
FOOT = "One file, no network. How to read it: docs/tuning.md."

Searches = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Tuning:
    """What is shown of searches. importances: a figure a model; silent: why others have none, or None."""

    table: Table
    best: Figure
    importances: tuple[Figure, ...]
    silent: str | None


def tuning_section(board: Board, looks: Mapping[str, Style]) -> Tuning | None:
    """Of a comparison, in the order of the leaderboard; None where nothing was tuned."""
    found: Searches = board.manifest.get("tuning", {})
    rows = {row.label: row for row in board.ok if row.label in found}
    fits = sum(
        row.seeds * row.folds * (row.measured.get("fit_seconds", 0.0) + row.measured.get("recommend_seconds", 0.0))
        for row in board.ok
    )
    return _tuning({label: found[label] for label in rows}, looks, board.primary, fits) if rows else None


def tuning_page(name: str, column: str, found: Searches, failures: Mapping[str, str]) -> str:
    """The page of a search. The same searches give the same text.

    found: by model, as `tuning_facts` gives them, with those that had nothing to tune. failures: why models failed.
    """
    searched = {label: about for label, about in found.items() if about["trials"]}
    untuned = [label for label in found if label not in searched]
    trials, seconds = (sum(about[what] for about in searched.values()) for what in ("trials", "seconds"))
    points = [
        f"{plural(trials, 'trial')} of {plural(len(searched), 'model')}, {number(seconds, 1)} s of work.",
        "These values were chosen as the best of many on the validation part, so they flatter; no trial saw the test "
        "part, which is left for the comparison.",
    ]
    if untuned:
        points.append(f"Not tuned, for there is nothing to search: {listed(untuned)}.")
    sections = [("tuning", "Tuning")]
    return fill(
        "tuning.html",
        STYLES,
        title=f"{name}: tuning",
        eyebrow="Search for settings",
        name=name,
        meta=f"{column_name(column)} on the validation part",
        headline=_headline(searched, column),
        problems=[f"{label} failed: {reason}" for label, reason in failures.items()],
        points=points,
        sections=sections,
        tuning=_tuning(searched, styles(list(searched), []), column, 0.0) if searched else None,
        foot=FOOT,
    )


def _headline(searched: Searches, column: str) -> str:
    """Which model a search brought most."""
    if not searched:
        return "There was nothing to tune."
    label = max(searched, key=lambda each: abs(searched[each]["after"] - searched[each]["before"]))
    before, after = searched[label]["before"], searched[label]["after"]
    if before == after:
        return "No search found better settings than those of the specification."
    metric = column_name(column)
    return f"The search brought {label} most: {metric} {number(before)} → {number(after)} on the validation part."


def _tuning(found: Searches, looks: Mapping[str, Style], column: str, fits: float) -> Tuning:
    figures = {label: importances(label, about, looks[label]) for label, about in found.items()}
    silent = [label for label, figure in figures.items() if figure is None]
    return Tuning(
        _table(found, column, fits),
        best_so_far(found, looks, column),
        tuple(figure for figure in figures.values() if figure is not None),
        f"What mattered cannot be said of {listed(silent)}: too few trials came to a value, one setting alone was "
        "searched, or all values are equal."
        if silent
        else None,
    )


def _table(found: Searches, column: str, fits: float) -> Table:
    """What searching took and brought, a row a model; fits: seconds of the final fits and lists."""
    whole = fits + sum(about["seconds"] for about in found.values())
    rows = tuple(
        (
            label,
            count(about["trials"]),
            ", ".join(f"{count(about[state])} {state}" for state in ENDED if about[state]) or MISSING,
            f"{number(about['seconds'], 1)}\xa0s",
            percent(about["seconds"] / whole) if whole else MISSING,
            number(about["before"]),
            number(about["after"]),
            ", ".join(f"{name} {_plain(old)} → {_plain(new)}" for name, (old, new) in about["changed"].items())
            or "as they were",
        )
        for label, about in found.items()
    )
    metric = column_name(column)
    share = "Share of all work" if fits else "Share"
    header = ("Model", "Trials", "Of them", "Time", share, f"{metric} before", "After", "Settings")
    return Table(f"Tuning: {metric} on the validation part", header, rows)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

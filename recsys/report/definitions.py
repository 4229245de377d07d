"""What the numbers mean: formulas from the metrics' own documentation, and the choices behind each column."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys.experiment.candidates import sample_in_words
from recsys.metrics.passport import passport, passport_hash
from recsys.metrics.registry import METRICS, Metric, parse_column
from recsys.report.board import Board
from recsys.report.words import metric_name

_MEANING = {
    "users": "Who is counted",
    "refit": "Final fit",
    "mean": "Averaged over",
    "relevance": "What counts as relevant",
    "truth": "What a list is held against",
    "seen": "Items the user has in training",
    "candidates": "What a list may hold",
    "ties": "Order of equal scores",
    "empty_list": "A user without a list counts",
}
_WORDS: dict[tuple[str, Any], str] = {
    ("users", "warm"): "users known from training who have a relevant item in the test part",
    ("users", "all"): "all users who have a relevant item in the test part, unknown ones too",
    ("refit", True): "on training and validation rows, for the epochs chosen on validation",
    ("refit", False): "on training rows alone",
    ("candidates", "train"): "every item of the final training part (full ranking, no sampled negatives)",
    ("candidates", "catalogue"): "every item of the data, in training or not (full ranking, no sampled negatives)",
    ("seen", "left out"): "left out of the list",
    ("seen", "left in"): "left in the list",
}


@dataclass(frozen=True)
class Definition:
    """A metric in words. formula: None where a sentence says it all. choices: what others define differently.
    hashes: the passport of each of its columns."""

    name: str
    summary: str
    formula: str | None
    higher_is_better: bool
    choices: dict[str, str]
    hashes: dict[str, str]


def definitions(board: Board) -> list[Definition]:
    """Every metric of the leaderboard, in its order."""
    hashes: Mapping[str, str] = board.manifest.get("passports", {})
    found = []
    for name in dict.fromkeys(parse_column(column)[0].name for column in board.columns):
        metric = METRICS[name]
        summary, formula = in_words(metric.compute.__doc__)
        own = {column: hashes[column] for column in board.columns if column in hashes and _is_of(name, column)}
        found.append(
            Definition(metric_name(name), summary, formula, metric.higher_is_better, dict(metric.definition), own)
        )
    return found


def in_words(documentation: str | None) -> tuple[str, str | None]:
    """The first line of a metric's documentation, and its formula: the first indented paragraph that is no doctest.

    >>> in_words('Hits over k; one value a user.\\n\\n        h / k\\n\\n    hits: (n,)')
    ('Hits over k.', 'h / k')
    """
    paragraphs = inspect.cleandoc(documentation or "").split("\n\n")
    summary = re.sub(r";[^.]*|, \(n_users,\)", "", paragraphs[0].replace("\n", " "))
    formula = next((text for text in paragraphs[1:] if text.startswith("    ")), None)
    return summary, None if formula is None else " ".join(formula.split())


def shared_choices(board: Board) -> dict[str, str]:
    """The choices that all columns of lists share, in words; empty where the passports say otherwise."""
    hashes: Mapping[str, str] = board.manifest.get("passports", {})
    choices: Mapping[str, Any] = board.manifest.get("choices", {})
    column = next((column for column in board.columns if _is_usual(METRICS[column.partition("@")[0]])), None)
    if not choices or column is None or passport_hash(column, **choices) != hashes.get(column):
        return {}
    whole = passport(column, **choices)
    told = {
        meaning: _WORDS.get((key, whole[key]), str(whole[key])) for key, meaning in _MEANING.items() if key in whole
    }
    sample = sample_in_words(choices["candidates"], board.spec["evaluation"]["candidates"])
    return told if sample is None else told | {_MEANING["candidates"]: sample}


def _is_usual(metric: Metric) -> bool:
    """Whether a metric of lists leaves to the experiment all that is shared: its own choices are listed beside it."""
    return metric.needs != "values" and not _MEANING.keys() & metric.definition.keys()


def _is_of(name: str, column: str) -> bool:
    return column.partition("@")[0] == name

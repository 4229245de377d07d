"""Data, split, settings and origin as terms and tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from recsys.experiment.spec import CONTROLS
from recsys.report.board import Board
from recsys.report.figures.base import Table
from recsys.report.words import MISSING, column_name, count, number, percent, plural, short

PARTS = ("train", "validation", "test", "history")
DROPPED = {
    "dropped_duplicates": "repeats of a user and item",
    "dropped_min_user_count": "users with too few rows",
    "dropped_min_item_count": "items with too few rows",
}
MOST_FOLDS = 30


def meta(board: Board) -> str:
    """What was compared on what, in one line."""
    spec, failed = board.spec, len(board.failed)
    models = plural(len(board.rows), "model") + (f" ({failed} failed)" if failed else "")
    folds, seeds = len(board.manifest["split"]["folds"]), len(spec["seeds"])
    repeats = [plural(n, noun) for n, noun in ((folds, "fold"), (seeds, "seed")) if n > 1]
    return " · ".join([models, f"{spec['data']['source']} data", f"{spec['split']['kind']} split", *repeats])


def data_facts(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The data in numbers: (what, how much)."""
    facts = [("Rows", count(about["rows"])), ("Users", count(about["users"])), ("Items", count(about["items"]))]
    facts.append(("Density", f"{percent(about['density'])} of all pairs"))
    for what in ("user", "item"):
        spread = about[f"rows_per_{what}"]
        span = f"{count(spread['min'])} to {count(spread['max'])}, median {short(spread['median'])}"
        facts.append((f"Rows per {what}", span))
    facts.append(("Values", _values(about["values"])))
    facts.append(("Times", _times(about["times"])))
    dropped = [f"{count(n)} ({why})" for name, why in DROPPED.items() if (n := about["account"].get(name))]
    if dropped:
        facts.append(("Rows left out", ", ".join(dropped)))
    if about.get("sessions"):
        sessions = about["sessions"]
        facts.append(("Sessions", f"{count(sessions['sessions'])} of {plural(sessions['rows'], 'view')}"))
    return facts


def features_table(about: Mapping[str, Any]) -> Table | None:
    """What is known about items and users beside their ids."""
    rows = [
        (name, f"{what}s", feature["kind"], _content(feature), count(feature["missing"]))
        for what in ("item", "user")
        for name, feature in about[f"{what}_features"].items()
    ]
    header = ("Feature", "Of", "Kind", "Content", "Missing")
    return Table("What is known beside the ids", header, tuple(rows)) if rows else None


def split_table(folds: Sequence[Mapping[str, Any]]) -> Table:
    """Rows, users and items of each part of each fold."""
    several = len(folds) > 1
    rows = [
        (
            f"fold {number + 1}, {part}" if several else part,
            *(count(fold[part][of]) for of in ("rows", "users", "items")),
        )
        for number, fold in enumerate(folds[:MOST_FOLDS])
        for part in PARTS
        if fold[part]["rows"]
    ]
    caption = "Rows, users and items of each part"
    if len(folds) > MOST_FOLDS:
        caption += f" (the first {MOST_FOLDS} of {len(folds)} folds)"
    return Table(caption, ("Part", "Rows", "Users", "Items"), tuple(rows))


def split_facts(folds: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Who and what of the test is cold, summed over folds."""

    def of(name: str) -> int:
        return sum(fold[name] for fold in folds)

    return [
        ("Test positives", count(of("test_positives"))),
        (
            "Users with test positives",
            f"{count(of('test_users_with_positives'))}, "
            f"{count(of('warm_test_users_with_positives'))} of them known from training",
        ),
        (
            "Cold users",
            f"{count(of('cold_users'))}, with {plural(of('test_positives_of_cold_users'), 'test positive')}",
        ),
        (
            "Cold items",
            f"{count(of('cold_items'))}, with {plural(of('test_positives_on_cold_items'), 'test positive')}",
        ),
        ("Rows in no part", count(of("unused"))),
    ]


def cold_table(board: Board) -> Table | None:
    """What each model reaches on users it does not know, by its own fallback."""
    cold: Mapping[str, Any] = board.manifest.get("cold", {})
    rows = tuple(
        (row.label, count(cold[row.label]["users"]), number(cold[row.label].get(board.primary)))
        for row in board.ok
        if row.label in cold
    )
    metric = column_name(board.primary)
    return Table(f"{metric} of users unknown in training", ("Model", "Cold users", metric), rows) if rows else None


def settings(board: Board) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Each model's label, name, and settings as it ran: those that tuning found in place of those of the spec, and the
    controls that were added to it."""
    found = []
    asked = [str(model.get("label") or model["name"]) for model in board.spec["models"]]
    added = [label for label in board.manifest.get("controls", []) if label not in asked]
    controls = [{"name": name, "label": label} for label in added for name in CONTROLS if label.startswith(name)]
    for model in [*board.spec["models"], *controls]:
        label = str(model.get("label") or model["name"])
        ran = {**model, **board.manifest.get("tuning", {}).get(label, {}).get("settings", {})}
        values = [(key, _plain(value)) for key, value in ran.items() if key not in ("name", "label")]
        found.append((label, str(model["name"]), values))
    return found


def origin(board: Board) -> list[tuple[str, str]]:
    """Fingerprints and versions: (what, value); only what the manifest has."""
    manifest = board.manifest
    source: Mapping[str, str] = manifest.get("source", {})
    commit = source.get("git.commit")
    data: Mapping[str, Any] = manifest.get("data", {})
    found = [
        ("Run key", manifest.get("run_key")),
        ("MLflow run", manifest.get("mlflow_run_id")),
        ("Data", data.get("digest")),
        *((f"Input {name}", digest) for name, digest in data.get("inputs", {}).items()),
        ("Split", manifest.get("split", {}).get("digest")),
        ("Code", manifest.get("code")),
        ("Source commit", commit and commit + (" (changed since)" if source.get("git.dirty") == "true" else "")),
        ("Seeds of the models", ", ".join(map(str, manifest.get("seeds", [])))),
        ("Threads a model", manifest.get("threads")),
        ("Versions", ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items())),
    ]
    return [(what, str(value)) for what, value in found if value not in (None, "")]


def _values(values: Mapping[str, Any] | None) -> str:
    if values is None:
        return "none: every row counts the same"
    return f"{short(values['min'])} to {short(values['max'])}, mean {number(values['mean'], 2)}"


def _times(times: Mapping[str, Any] | None) -> str:
    if times is None:
        return "none: the order of rows counts"
    if times["clock"] == "order":
        return "each user's own order"
    first, last = (str(times[name]).partition(" ")[0] for name in ("first", "last"))
    return f"{first} to {last} ({plural(round(times['days']), 'day')})"


def _content(feature: Mapping[str, Any]) -> str:
    if "min" in feature:
        return f"{short(feature['min'])} to {short(feature['max'])}"
    if "distinct" in feature:
        return f"{count(feature['distinct'])} different, such as “{feature['example']}”"
    return MISSING


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

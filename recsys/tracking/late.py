"""A comparison logged after it has ended, from the folder it left: for results that MLflow missed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np

from recsys.comparison.leaderboard import MEASURED
from recsys.comparison.result import FILES, Comparison, copy_into, require_as_written, rows_of
from recsys.comparison.stored_run import READ, StoredRun
from recsys.errors import ExpectedError, InputError
from recsys.metrics.registry import metric_key
from recsys.store import digest, plain_json
from recsys.tracking.entities import DataInput, ParentRun
from recsys.tracking.runs import Tracker
from recsys.tracking.summary import log_summary

KEYS = ["model", "seed", "fold"]
MISSING = "curves, stored models, figures, and what metrics of whole lists were by seed and fold"
"""What a folder does not hold of what MLflow has of a comparison."""
REMEDY = "name a folder that `recsys compare` has written"
Where = tuple[str, int, int]
"""Label, seed and fold."""


@dataclass(frozen=True)
class _Found:
    """What is logged of a folder. cells: with settings and metrics. failures: settings, and why, by cell."""

    tags: dict[str, Any]
    params: dict[str, Any]
    inputs: list[DataInput]
    cells: list[tuple[Where, dict[str, Any], dict[str, float]]]
    failures: dict[Where, tuple[dict[str, Any], str]]


def read_result(folder: Path) -> StoredRun:
    """The comparison in a folder. Raises InputError where it holds none, one that was put together from others,
    or a file that was changed since."""
    missing = [name for name in READ if not (folder / name).is_file()]
    if missing:
        message = f"there is no {missing[0]} in it" if folder.is_dir() else "there is no such folder"
        raise InputError(str(folder), message, REMEDY)
    try:
        manifest = plain_json((folder / "manifest.json").read_text(encoding="utf-8"))
        key, run_id = str(manifest["run_key"]), str(manifest["mlflow_run_id"])
        dict[str, str](manifest["failures"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(str(folder / "manifest.json"), "is not that of one comparison", REMEDY) from None
    found = Comparison(folder.absolute(), key, run_id)
    require_as_written(found)
    return StoredRun(run_id, found)


def logged_before(result: StoredRun, tracker: Tracker) -> str | None:
    """The run that MLflow has of this comparison from its beginning to its end, or None. Raises as Tracker does."""
    found = tracker.find(result.spec.name, result.comparison.run_key)
    return found[0] if found is not None and found[1] == _status(result) else None


def log_result(result: StoredRun, tracker: Tracker) -> str:
    """Log what the folder holds: one parent with all files, one child a model, seed and fold; the parent's id.

    Children that MLflow has already stay as they are. Raises InputError, before a run is opened, where a file of the
    folder is not as a comparison writes it; else as Tracker does.
    """
    found = _whole(result)
    parent = tracker.open_parent(result.spec.name, result.comparison.run_key, found.tags, found.params)
    tracker.log_inputs(parent.run_id, found.inputs)
    for cell, settings, metrics in found.cells:
        if cell not in parent.children:
            run_id = tracker.open_child(parent, *cell, settings)
            tracker.log_inputs(run_id, found.inputs)
            tracker.log_metrics(run_id, metrics)
            tracker.close(run_id, "FINISHED")
            parent.children[cell] = run_id
    _log_failures(found.failures, parent, tracker)
    with TemporaryDirectory() as only_these:  # beside the result may lie what is nobody's business
        copy_into([path for name in FILES if (path := result.comparison.out / name).is_file()], Path(only_these))
        tracker.log_files(parent.run_id, Path(only_these))
    log_summary(tracker, parent, result.leaderboard, result.manifest, result.spec.evaluation.primary)
    tracker.close_parent(parent.run_id, _status(result))
    return parent.run_id


def _whole(result: StoredRun) -> _Found:
    """All that will be logged. Raises InputError where a file is not as a comparison writes it."""
    try:
        spec, manifest = result.spec, result.manifest
        place = os.fsencode(result.comparison.out).decode(errors="backslashreplace")
        plain = spec.model_dump(mode="json", exclude_none=True)
        found = _Found(
            tags={**manifest["source"], "spec.digest": digest(plain), "logged_from": place},
            params=plain | {name: manifest[name] for name in ("threads", "versions")},
            inputs=_inputs(result),
            cells=[(cell, _settings(result, cell[0]), metrics) for cell, metrics in _cells(result)],
            failures={
                (label, spec.seeds[0], 0): (_settings(result, label), str(reason))
                for label, reason in result.comparison.failures.items()
            },
        )
        known = ParentRun("", "", {cell: "" for cell, _, _ in found.cells})
        log_summary(cast(Any, _Nobody()), known, result.leaderboard, manifest, spec.evaluation.primary)
        return found
    except ExpectedError:
        raise
    except Exception as error:  # whatever a library makes of a file that is not what it says
        message = f"holds a file that is not as a comparison writes it ({type(error).__name__}: {str(error)[:200]})"
        raise InputError(str(result.comparison.out), message, REMEDY) from error


class _Nobody:
    """Hears what a summary would tell MLflow, to see that it can be told."""

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """As of Tracker, and nothing is kept."""

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """As of Tracker, and nothing is kept."""


def _status(result: StoredRun) -> str:
    return "FAILED" if result.comparison.failures else "FINISHED"


def _inputs(result: StoredRun) -> list[DataInput]:
    data, split, source = result.manifest["data"], result.manifest["split"], result.spec.data.source
    profile = json.dumps({name: data[name] for name in ("rows", "users", "items")})
    whole = DataInput(source, data["digest"], "data", profile)
    return [whole, DataInput(f"{source}-{result.spec.split.kind}", split["digest"], "split", profile)]


def _cells(result: StoredRun) -> Iterator[tuple[Where, dict[str, float]]]:
    """Label, seed and fold, and its metrics: means over users; of the only cell of a model all that its row holds."""
    board = {str(row["model"]): row for row in rows_of(result.leaderboard)}
    frame = result.per_user
    cells: list[Where] = list(frame[KEYS].drop_duplicates().itertuples(index=False, name=None))
    for cell in cells:
        label, seed, fold = cell
        rows = frame[(frame["model"] == label) & (frame["seed"] == seed) & (frame["fold"] == fold)]
        row = board[label]
        values = rows.drop(columns=[*KEYS, "user"]).mean().to_dict()
        costs: dict[str, Any] = {}
        if row["seeds"] * row["folds"] == 1:
            values = {name: row.get(name) for name in result.spec.evaluation.columns} | values
            costs = {f"cost.{name}": row[name] for name in MEASURED if name != "mlflow_run_id"}
        metrics = {f"test.{metric_key(str(name))}": value for name, value in values.items()}
        yield cell, _known(metrics | costs | {"test.users": len(rows)})


def _known(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None and np.isfinite(value)}


def _settings(result: StoredRun, label: str) -> dict[str, Any]:
    """The settings of a row, with those that tuning has found."""
    [model] = [model for model in (*result.spec.models, *result.spec.controls) if model.row == label]
    return model.settings() | result.manifest.get("tuning", {}).get(label, {}).get("settings", {})


def _log_failures(failures: Mapping[Where, tuple[dict[str, Any], str]], parent: ParentRun, tracker: Tracker) -> None:
    for cell, (settings, reason) in failures.items():
        run_id = tracker.open_child(parent, *cell, settings)
        tracker.tag(run_id, {"failure": reason[:5000]})
        tracker.close(run_id, "FAILED")

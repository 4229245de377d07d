"""A comparison logged after it has ended, from the folder it left: for results that MLflow missed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from recsys.comparison.leaderboard import MEASURED
from recsys.comparison.result import FILES, Comparison, copy_into, rows_of
from recsys.comparison.stored_run import READ, StoredRun
from recsys.errors import InputError
from recsys.metrics.registry import metric_key
from recsys.store import digest
from recsys.tracking.runs import DataInput, ParentRun, Tracker
from recsys.tracking.summary import log_summary

KEYS = ["model", "seed", "fold"]
MISSING = "curves, stored models, figures, and what metrics of whole lists were by seed and fold"
"""What a folder does not hold of what MLflow has of a comparison."""


def read_result(folder: Path) -> StoredRun:
    """The comparison in a folder. Raises InputError where it holds none, or one that was put together from others."""
    remedy = "name a folder that `recsys compare` has written"
    missing = [name for name in READ if not (folder / name).is_file()]
    if missing:
        message = f"there is no {missing[0]} in it" if folder.is_dir() else "there is no such folder"
        raise InputError(str(folder), message, remedy)
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        key, run_id = str(manifest["run_key"]), str(manifest["mlflow_run_id"])
    except (ValueError, KeyError, TypeError):
        raise InputError(str(folder / "manifest.json"), "is not that of one comparison", remedy) from None
    return StoredRun(run_id, Comparison(folder.absolute(), key, run_id))


def logged_before(result: StoredRun, tracker: Tracker) -> str | None:
    """The run that MLflow has of this comparison from its beginning to its end, or None. Raises as Tracker does."""
    found = tracker.find(result.spec.name, result.comparison.run_key)
    return found[0] if found is not None and found[1] == _status(result) else None


def log_result(result: StoredRun, tracker: Tracker) -> str:
    """Log what the folder holds: one parent with all files, one child a model, seed and fold; the parent's id.

    Children that MLflow has already stay as they are. Raises as Tracker does.
    """
    spec, manifest = result.spec, result.manifest
    plain = spec.model_dump(mode="json", exclude_none=True)
    tags = {**manifest["source"], "spec.digest": digest(plain), "logged_from": str(result.comparison.out)}
    params = plain | {name: manifest[name] for name in ("threads", "versions")}
    parent = tracker.open_parent(spec.name, result.comparison.run_key, tags, params)
    inputs = _inputs(result)
    tracker.log_inputs(parent.run_id, inputs)
    for cell, metrics in _cells(result):
        if cell not in parent.children:
            run_id = tracker.open_child(parent, *cell, _settings(result, cell[0]))
            tracker.log_inputs(run_id, inputs)
            tracker.log_metrics(run_id, metrics)
            tracker.close(run_id, "FINISHED")
            parent.children[cell] = run_id
    _log_failures(result, parent, tracker)
    with TemporaryDirectory() as only_these:  # beside the result may lie what is nobody's business
        copy_into([path for name in FILES if (path := result.comparison.out / name).is_file()], Path(only_these))
        tracker.log_files(parent.run_id, Path(only_these))
    log_summary(tracker, parent, result.leaderboard, manifest, spec.evaluation.primary)
    tracker.close_parent(parent.run_id, _status(result))
    return parent.run_id


def _status(result: StoredRun) -> str:
    return "FAILED" if result.comparison.failures else "FINISHED"


def _inputs(result: StoredRun) -> list[DataInput]:
    data, split, source = result.manifest["data"], result.manifest["split"], result.spec.data.source
    profile = json.dumps({name: data[name] for name in ("rows", "users", "items")})
    whole = DataInput(source, data["digest"], "data", profile)
    return [whole, DataInput(f"{source}-{result.spec.split.kind}", split["digest"], "split", profile)]


def _cells(result: StoredRun) -> Iterator[tuple[tuple[str, int, int], dict[str, float]]]:
    """Label, seed and fold, and its metrics: means over users; of the only cell of a model all that its row holds."""
    board = {str(row["model"]): row for row in rows_of(result.leaderboard)}
    frame = result.per_user
    cells: list[tuple[str, int, int]] = list(frame[KEYS].drop_duplicates().itertuples(index=False, name=None))
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


def _log_failures(result: StoredRun, parent: ParentRun, tracker: Tracker) -> None:
    for label, reason in result.comparison.failures.items():
        run_id = tracker.open_child(parent, label, result.spec.seeds[0], 0, _settings(result, label))
        tracker.tag(run_id, {"failure": reason[:5000]})
        tracker.close(run_id, "FAILED")

"""A finished run read back from MLflow."""

from __future__ import annotations

from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from recsys.comparison.result import Comparison, require_as_written
from recsys.comparison.stored_run import READ, StoredRun
from recsys.errors import InputError
from recsys.settings import Settings
from recsys.tracking.database import require_server
from recsys.tracking.entities import CANDIDATE, COMPARISON
from recsys.tracking.runs import Tracker

UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
IDS = "ids are in the column mlflow_run_id of leaderboard.csv, in manifest.json, and in MLflow's UI"


def stored_run(run_id: str, settings: Settings, folder: Path) -> StoredRun:
    """A comparison, or one model of it, its files fetched into the folder.

    Raises InputError where there is no such run, or it has no result; RunError where MLflow fails.
    """
    if settings.owns_tracking and not settings.database.exists():
        raise InputError(f"run {run_id}", f"there are no runs in {settings.root}", "name their home in RECSYS_HOME")
    require_server(settings)
    tracker = Tracker(settings)
    run = _run(tracker, run_id)
    role, tags = run.data.tags.get("role"), run.data.tags
    if role == CANDIDATE:
        if run.info.status != "FINISHED":
            raise InputError(f"run {run_id}", f"has no result: it is {run.info.status}", "name a finished one")
        parent = _run(tracker, tags["mlflow.parentRunId"])
        cell = (tags["label"], int(tags["seed"]), int(tags["fold"]))
        return StoredRun(run_id, _comparison(tracker, parent, folder), cell, run.data.metrics)
    if role != COMPARISON:
        message = f"is one of {role}" if role else "is none of a comparison"
        raise InputError(f"run {run_id}", message, "name that of a comparison, or of a model in one")
    return StoredRun(run_id, _comparison(tracker, run, folder))


def _run(tracker: Tracker, run_id: str) -> Run:
    try:
        run = tracker.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in UNKNOWN:
            raise tracker.trouble(error) from error
        raise InputError(f"run {run_id}", "MLflow has no such run", IDS) from None
    if run.info.lifecycle_stage != "active":
        raise InputError(f"run {run_id}", "was deleted", f"bring it back with: mlflow runs restore --run-id {run_id}")
    return run


def _comparison(tracker: Tracker, run: Run, folder: Path) -> Comparison:
    run_id = run.info.run_id
    try:
        there = {file.path for file in tracker.client.list_artifacts(run_id)}
        missing = [name for name in READ if name not in there]
        if missing:
            message = f"has no {missing[0]}: it is {run.info.status}"
            raise InputError(f"run {run_id}", message, "name that of a comparison that came to its end")
        for name in READ:
            tracker.client.download_artifacts(run_id, name, str(folder))
    except (MlflowException, OSError) as error:
        raise tracker.trouble(error) from error
    found = Comparison(folder, run.data.tags["run_key"], run_id)
    require_as_written(found)
    return found

"""Whether a comparison was finished before: from the store and the database alone, without Prefect or MLflow."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from recsys.comparison.result import Comparison, default_out, deliver
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.store import Store
from recsys.tracking.database import run_status

STAGES = ("comparison", "report")


def finished_comparison(spec: Experiment, run_key: str, settings: Settings, out: Path | None) -> Comparison | None:
    """The comparison that finished under this key with every model, its files verified and delivered; else None.

    Its parent run in MLflow must be there and FINISHED, so that what is printed can be opened. None as well where
    `recsys gc` takes its files meanwhile: whoever asks then works under the run that gc heeds.
    """
    try:
        return _delivered(spec, run_key, settings, out)
    except FileNotFoundError:
        return None


def _delivered(spec: Experiment, run_key: str, settings: Settings, out: Path | None) -> Comparison | None:
    store = Store(settings.store)
    refs = [ref for stage in STAGES if (ref := store.get(stage, run_key)) is not None]
    if len(refs) < len(STAGES):
        return None
    manifest: dict[str, Any] = json.loads((refs[0].folder / "manifest.json").read_text())
    run_id = manifest["mlflow_run_id"]
    if manifest["failures"] or status_of(settings, run_id) != "FINISHED":
        return None
    place = (out or default_out(spec.name, run_key)).absolute()
    deliver(refs, place)
    return Comparison(place, run_key, run_id, cached=True)


def status_of(settings: Settings, run_id: str) -> str | None:
    """The status of a run in MLflow; None where it is deleted, or MLflow cannot be asked."""
    uri = settings.mlflow_uri
    if uri.startswith("sqlite:///"):
        return run_status(Path(uri.removeprefix("sqlite:///")), run_id)
    if not uri.startswith(("http://", "https://")):
        return None
    question = f"{uri.rstrip('/')}/api/2.0/mlflow/runs/get?{urllib.parse.urlencode({'run_id': run_id})}"
    try:
        with urllib.request.urlopen(question, timeout=10) as answer:
            info = json.load(answer)["run"]["info"]
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return None
    return str(info["status"]) if info.get("lifecycle_stage") == "active" else None

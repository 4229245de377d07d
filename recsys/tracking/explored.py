"""Explorations that are finished: their folder, and whether one was made before, without Prefect or MLflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.comparison.result import deliver
from recsys.settings import Settings
from recsys.store import Ref, Store
from recsys.tracking.finished import status_of

STAGE, RUN_STAGE = "exploration", "exploration-run"
FACTS, PAGE, RUN = "explore.json", "explore.html", "run.json"


@dataclass(frozen=True)
class Explored:
    """A finished exploration in its folder; facts: what `recsys.experiment.exploring.exploration` says."""

    out: Path
    run_id: str
    facts: dict[str, Any]


def finished_exploration(name: str, key: str, settings: Settings, out: Path | None) -> Explored | None:
    """The exploration that finished under this key, its files verified and delivered; else None.

    Its run in MLflow must be there and FINISHED, so that what is printed can be opened. None as well where
    `recsys gc` takes its files meanwhile.
    """
    store = Store(settings.store)
    found, run = store.get(STAGE, key), store.get(RUN_STAGE, key)
    if found is None or run is None:
        return None
    try:
        run_id = str(json.loads((run.folder / RUN).read_text())["run_id"])
        return delivered(found, run_id, place(name, key, out)) if status_of(settings, run_id) == "FINISHED" else None
    except FileNotFoundError:
        return None


def delivered(found: Ref, run_id: str, out: Path) -> Explored:
    """Copy the stored files to a folder. Raises as `recsys.comparison.result.deliver` does."""
    deliver([found], out, (FACTS, PAGE))
    return Explored(out, run_id, json.loads((found.folder / FACTS).read_text()))


def place(name: str, key: str, out: Path | None) -> Path:
    """The folder asked for, or `runs/<name>/explore-<key>` here."""
    return (out or Path("runs") / name / f"explore-{key[:12]}").absolute()

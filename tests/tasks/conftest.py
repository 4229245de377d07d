"""A run on a small world, tasks called by `.fn`, and models fitted in this very process."""

from __future__ import annotations

import json
from typing import Any

import pytest
from made import spec
from made.fixtures import models

from recsys.data.load import inputs as inputs_of
from recsys.experiment.fit import fit_and_recommend
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from tasks import context, stages
from tasks.context import Reporter, Run

__all__ = ["models"]

SMALL = {"source": "synthetic", "users": 60, "items": 40, "interactions": 800}


class Noting(Reporter):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def stage(self, name, text, cached=False):
        self.told.append(("stage", name, text, cached))

    def warn(self, text):
        self.told.append(("warn", text))

    def begin(self, cell):
        self.told.append(("begin", cell.name))

    def step(self, cell, step):
        self.told.append(("step", cell.name, step["phase"], step["epoch"]))

    def end(self, cell, text, failed=False, cached=False):
        self.told.append(("end", cell.name, text, failed, cached))


@pytest.fixture
def run_of(tmp_path, monkeypatch):
    """A run of an experiment on the small world, with what changes."""
    monkeypatch.chdir(tmp_path)

    def made(experiment: Experiment | None = None, fresh=False, inputs=None, **changes):
        experiment = experiment or spec(**{"data": SMALL, "models": ["constant"], **changes})
        found = inputs_of(experiment.data, experiment.predefined, Settings()) if inputs is None else inputs
        return Run(experiment, Settings(), "0123456789abcdef", found, Noting(), fresh)

    return made


@pytest.fixture
def children(monkeypatch):
    """Models are fitted in this process; the jobs, with how they were to be run."""
    jobs = []

    def run_child(job, folder, **how):
        jobs.append((job, how))
        how["checkpoint"].mkdir(parents=True)
        fit_and_recommend(job, folder, how["checkpoint"], how["tell"])
        measured = json.loads((folder / "measured.json").read_text())
        (folder / "measured.json").write_text(json.dumps(measured | {"cpu_seconds": 1.0, "peak_memory_mb": 80.0}))

    monkeypatch.setattr(context, "run_child", run_child)
    return jobs


class Logger:
    """Notes what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text, *values):
        self.lines.append(text % values)


@pytest.fixture
def prefect(monkeypatch):
    """What the tasks of a run outside any flow would tell Prefect."""
    told: dict[str, Any] = {"log": Logger(), "created": [], "updated": []}
    monkeypatch.setattr(stages, "get_run_logger", lambda: told["log"])
    monkeypatch.setattr(
        stages, "create_progress_artifact", lambda share, description: told["created"].append(share) or "artifact"
    )
    monkeypatch.setattr(stages, "update_progress_artifact", lambda artifact, share: told["updated"].append(share))
    return told

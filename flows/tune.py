"""Search the settings of every model on the validation part, each with the same budget."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prefect.artifacts import create_table_artifact

from flows.local import local_flow
from flows.searches import tune_models
from flows.session import recording, run_of, supervised
from recsys.data.load import inputs
from recsys.experiment.keys import tuning_key
from recsys.experiment.spec import Experiment
from recsys.experiment.trials import Tuned, tuned_text
from recsys.experiment.tuning_facts import tuning_facts
from recsys.report.tuning import tuning_page
from recsys.settings import Settings
from recsys.tracking.entities import TUNING
from recsys.tracking.links import run_page
from tasks.context import Run, width
from tasks.ornaments import shown
from tasks.recorder import Recorder
from tasks.stages import load_data, split_data

BUSY = "another process tunes this very experiment; its work is used when it is done"


@dataclass(frozen=True)
class TunedModels:
    """What tuning left. found: by row. failures: why models failed, by row. run_id: of the parent run in MLflow."""

    spec: Experiment
    found: dict[str, Tuned]
    failures: dict[str, str]
    run_id: str
    link: str

    def text(self, source: str) -> str:
        """The tuned experiment as a spec file; source: where the experiment came from."""
        return tuned_text(self.spec, self.found, source)

    @cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What is said of each search, by row."""
        models = {model.row: model for model in self.spec.models}
        return {label: tuning_facts(found, models[label]) for label, found in self.found.items()}

    @property
    def page(self) -> str:
        """The searches in pictures."""
        return tuning_page(self.spec.name, self.spec.evaluation.primary, self.facts, self.failures)


@local_flow(name="tune", description="Search the settings of every model, each with the same budget")
def tune(spec: Experiment, overrides: list[str] | None = None) -> TunedModels:
    """Load, split, search on the validation part, write the tuned spec and its page to MLflow.

    A spec without a section `tuning` gets the default budget. Raises InputError where spec or data are wrong, the last
    error where every model failed.
    """
    spec = with_budget(spec.override(overrides or []))
    with tuning_run(spec) as run:
        data = load_data.submit(run).result()
        split = split_data.submit(data, run).result()
        with recording(run, data, split, TUNING) as recorder:
            failures: dict[str, str] = {}
            found = tune_models(data, split, failures, recorder, run)
            parent = recorder.parent
            link = run_page(run.settings, parent.experiment_id, parent.run_id)
            tuned = TunedModels(spec, found, failures, parent.run_id, link)
            publish(tuned, recorder)
            return tuned


def with_budget(spec: Experiment) -> Experiment:
    """The experiment with the default budget where it names none."""
    return spec if spec.tuning is not None else spec.override(["tuning={}"])


@contextlib.contextmanager
def tuning_run(spec: Experiment) -> Iterator[Run]:
    """The run of a search; one process at a time works on it."""
    settings = Settings()
    found = inputs(spec.data, spec.predefined, settings)
    key = tuning_key(spec, found, width(spec)[1])
    run = run_of(spec, settings, key, found)
    with supervised(run, key, BUSY):
        yield run


def publish(tuned: TunedModels, recorder: Recorder) -> None:
    """The tuned spec and the page in the run's artifacts, and a table in the Prefect UI."""
    recorder.tracker.log_text(tuned.run_id, "tuned.yaml", tuned.text(tuned.spec.name))
    recorder.tracker.log_text(tuned.run_id, "tuning.html", tuned.page)
    rows = [
        {"model": each.label, "trials": len(each.trials), "before": each.before, "after": each.after}
        for each in tuned.found.values()
    ]
    shown(lambda: create_table_artifact(rows, key="tuning", description=f"Tuning of {tuned.spec.name}"))

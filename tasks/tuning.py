"""Tuning as Prefect tasks: the fold that settings are tuned on, and the search for each model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from recsys.comparison.evaluation import refuse_nobody
from recsys.data.dataset import Dataset
from recsys.errors import InputError
from recsys.experiment.keys import tuned_key, tuning_fold_key
from recsys.experiment.trials import Tuned, trial_spec, tunable
from recsys.splits.tuning import tuning_fold
from recsys.store import Ref
from tasks.context import Cell, Run
from tasks.recorder import Recorder
from tasks.stages import done, folds_of
from tasks.tuner import Tuner
from tasks.words import tuned_line


@task(name="tuning fold", cache_policy=NO_CACHE)
def cut_tuning_fold(dataset: Ref, split: Ref, run: Run) -> Any:
    """The first fold without its test rows, which no trial reads; in the stored folder `0`.

    Windows that roll begin with the oldest, so that no trial sees a later test either. Raises InputError where the
    validation part counts no user.
    """

    def build(folder: Path) -> None:
        (folder / "0").mkdir()
        tuning_fold(Dataset.load(dataset.folder), folds_of(split)[0]).save(folder / "0")

    ref = run.produce("tuning fold", tuning_fold_key(split, 0), build)
    try:
        refuse_nobody(trial_spec(run.spec), Dataset.load(dataset.folder), folds_of(ref)[0])
    except InputError as error:
        raise InputError("split.validation", error.message, error.remedy) from error
    return done(ref)


@task(name="tune", task_run_name="tune {cell.label}", cache_policy=NO_CACHE)
def tune_model(cell: Cell, dataset: Ref, fold: Ref, recorder: Recorder | None, run: Run) -> Any:
    """The best settings of a model on the validation part, found within the budget; recorder: None leaves MLflow out.

    Raises what the model raises with the settings of the spec.
    """
    tuner = Tuner(cell, dataset, fold, recorder, run)
    if not tunable(run.spec, cell.model):
        run.reporter.stage("tune", f"{cell.label}: nothing to tune")
    ref = run.produce("tuned", tuned_key(run.spec, tuner.fit_key(cell.model)), tuner.build)
    found = tuned_of(ref, cell)
    if recorder is not None:
        for trial in found.trials:
            recorder.trial(cell.label, cell.model.name, trial, found.metric)
    if found.trials:
        run.reporter.end(cell, tuned_line(found, cell.model, ref.cached), cached=ref.cached)
    return done(ref)


def tuned_of(ref: Ref, cell: Cell) -> Tuned:
    """What tuning found, for this row."""
    return Tuned.load(ref.folder).model_copy(update={"label": cell.label})

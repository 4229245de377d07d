"""The stages of a comparison as Prefect tasks: one library function each, references in and out."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Completed

from recsys.comparison.evaluation import evaluate_lists, refuse_nobody
from recsys.comparison.leaks import said
from recsys.data.build import check_weight
from recsys.data.dataset import Dataset
from recsys.data.load import load
from recsys.data.summary import summary_lines
from recsys.experiment.candidates import unknown_pairs
from recsys.experiment.cells import expected_seconds, job_of
from recsys.experiment.keys import dataset_key, evaluation_key, fit_key, split_key
from recsys.splits.account import account
from recsys.splits.fold import Fold, save_folds
from recsys.splits.leaks import Case, Finding, check_fold, refuse_errors
from recsys.splits.splitting import split
from recsys.store import Ref
from tasks.context import Cell, Run
from tasks.ornaments import shown
from tasks.recorder import Recorder
from tasks.words import fit_line, split_lines

PROGRESS_SECONDS = 1.0


def done(ref: Ref) -> Ref | State[Ref]:
    """The reference, in state Cached where the store had it."""
    return Completed(name="Cached", data=ref) if ref.cached else ref


@task(name="load data", cache_policy=NO_CACHE)
def load_data(run: Run) -> Any:
    """The data set of the experiment."""

    def build(folder: Path) -> None:
        load(run.spec.data, run.spec.predefined, run.settings, expected=run.inputs, as_of=run.as_of).save(folder)

    ref = run.produce("dataset", dataset_key(run.spec, run.inputs, run.as_of), build)
    data = Dataset.load(ref.folder)
    check_weight(data, run.spec.data.weight)
    for line in summary_lines(data):
        run.reporter.stage("data", line, ref.cached)
    return done(ref)


@task(name="split", cache_policy=NO_CACHE)
def split_data(dataset: Ref, run: Run) -> Any:
    """The folds of the experiment: `0`, `1`, … in the stored folder."""

    def build(folder: Path) -> None:
        save_folds(split(Dataset.load(dataset.folder), run.spec.split), folder)

    ref = run.produce("split", split_key(run.spec, dataset), build)
    data = Dataset.load(dataset.folder)
    for fold in folds_of(ref):
        for line in split_lines(account(data, fold, run.spec.positive, run.spec.refit), fold.name):
            run.reporter.stage("split", line, ref.cached)
    return done(ref)


@task(name="check leaks", cache_policy=NO_CACHE)
def check_leaks(dataset: Ref, split: Ref, run: Run) -> list[Finding]:
    """The warnings of all checks. Raises InputError for the first error, where a fold counts no user, and where a table
    of candidates does not know the data."""
    data, spec = Dataset.load(dataset.folder), run.spec
    unknown = unknown_pairs(spec.evaluation.candidates, data)
    if unknown is not None:
        run.reporter.warn(unknown)
    warnings: list[Finding] = []
    for fold in folds_of(split):
        findings = check_fold(Case(data, fold, spec.positive, spec.evaluation.exclude_seen, spec.refit))
        refuse_errors(findings)
        refuse_nobody(spec, data, fold)
        warnings += findings
    for warning in said(warnings):
        run.reporter.warn(warning)
    return warnings


@task(name="fit and recommend", task_run_name="fit {cell.name}", cache_policy=NO_CACHE)
def fit_and_recommend(
    cell: Cell, dataset: Ref, split: Ref, recorder: Recorder | None, run: Run, seconds: float = math.inf
) -> Any:
    """The fitted model of a cell and its lists, made in a process of its own.

    recorder: None leaves MLflow out. seconds: how long it is expected to take; unknown where left out.
    """
    fold = split.folder / str(cell.fold)
    job = job_of(run.spec, cell.model, cell.seed, dataset.folder, fold, run.threads)
    key = fit_key(job, dataset, split, cell.fold)

    checkpoint = run.settings.checkpoints / key

    def build(folder: Path) -> None:
        if recorder is not None:
            recorder.begin(cell)
        run.reporter.begin(cell)
        run.fit_near(dataset, split)(
            job,
            folder,
            label=cell.label,
            records=run.settings.processes,
            log=run.settings.logs / f"fit-{key}.log",
            checkpoint=checkpoint,
            limits=run.limits,
            stop=run.stop,
            tell=_teller(cell, recorder, run),
        )
        shutil.rmtree(checkpoint, ignore_errors=True)

    with run.fitting(seconds):
        ref = run.produce("fit", key, build)
    run.reporter.end(cell, fit_line(ref), cached=ref.cached)
    return done(ref)


def fit_all(
    cells: Sequence[Cell], dataset: Ref, split: Ref, recorder: Recorder | None, run: Run
) -> dict[PrefectFuture[Any], Cell]:
    """The fits of all cells, under way; those that are expected to take longest begin first."""
    data = Dataset.load(dataset.folder)
    size = len(data.users), len(data.items), len(data)
    works = [expected_seconds(run.spec, cell.model, size) for cell in cells]
    run.announce(works)
    return {
        fit_and_recommend.submit(cell, dataset, split, recorder, run, seconds): cell
        for cell, seconds in zip(cells, works, strict=True)
    }


@task(name="evaluate", task_run_name="evaluate {cell.name}", cache_policy=NO_CACHE)
def evaluate(cell: Cell, fit: Ref, dataset: Ref, split: Ref, recorder: Recorder, run: Run) -> Any:
    """The metrics of a cell's lists, with intervals; closes the cell's run in MLflow."""

    def build(folder: Path) -> None:
        evaluate_lists(run.spec, dataset.folder, split.folder / str(cell.fold), fit.folder, folder)

    with run.core():
        ref = run.produce("evaluation", evaluation_key(run.spec, fit, split, cell.fold), build)
    recorder.finish(cell, fit, ref)
    return done(ref)


def folds_of(split: Ref) -> list[Fold]:
    """The folds in a stored split, in order."""
    return [Fold.load(folder) for folder in sorted(split.folder.iterdir(), key=_number) if folder.is_dir()]


def _number(path: Path) -> int:
    return int(path.name) if path.name.isdigit() else -1


def _teller(cell: Cell, recorder: Recorder | None, run: Run) -> Callable[[Mapping[str, Any]], None]:
    """Tells the terminal, MLflow and Prefect of each epoch; Prefect once a second at most, and of no short fit."""
    logger = get_run_logger()
    artifact: Any = None
    last: float | None = None
    shows = True

    def show(share: float) -> None:
        nonlocal artifact
        if artifact is None:
            artifact = create_progress_artifact(share, description=f"{cell.name}: epochs")
        else:
            update_progress_artifact(artifact, share)

    def tell(step: Mapping[str, Any]) -> None:
        nonlocal last, shows
        run.reporter.step(cell, step)
        if recorder is not None:
            recorder.step(cell, step)
        now = time.monotonic()
        last = last or now
        if now - last > PROGRESS_SECONDS:
            last = now
            logger.info("%s: %s of %s epochs (%s)", cell.name, step["epoch"], step["epochs"], step["phase"])
            shows = shows and shown(lambda: show(100.0 * step["epoch"] / max(1, step["epochs"])))

    return tell

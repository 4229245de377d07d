"""The steps of a backtest as Prefect tasks: one library function each, references in and out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from recsys.champion.sides import side_of
from recsys.comparison.backtest import Course, PeriodValues, course, policy_steps
from recsys.comparison.backtest_result import Backtest, Period
from recsys.comparison.result import copy_into
from recsys.data.dataset import Dataset
from recsys.experiment.cells import job_of
from recsys.experiment.fit import lists_of_stored
from recsys.experiment.keys import aged_key
from recsys.experiment.lists import Lists
from recsys.experiment.spec import Experiment
from recsys.metrics.registry import metric_key
from recsys.models.base import ModelConfig
from recsys.models.registry import model_class
from recsys.report.backtest import backtest_page, ranked
from recsys.report.backtest_words import advice, few_users
from recsys.splits.config import RollingSplit, microseconds
from recsys.splits.fold import Fold
from recsys.splits.leaks import ERRORS, Case, check_fold, refuse_errors
from recsys.splits.periods import periods_for
from recsys.store import Ref
from tasks.context import Cell, Run
from tasks.recorder import Recorder
from tasks.stages import done, folds_of


@dataclass(frozen=True)
class Aged:
    """A fit, and what it reached in its own period and all later ones."""

    cell: Cell
    fit: Ref
    values: Ref


@dataclass(frozen=True)
class Backtested:
    """A finished backtest in its folder."""

    out: Path
    run_id: str
    result: Backtest


@task(name="cut periods", cache_policy=NO_CACHE)
def cut_periods(dataset: Ref, every: str | None, periods: int | None, run: Run) -> Experiment:
    """The experiment with the split of its backtest. Raises InputError where the data cannot be cut so."""
    length, n = periods_for(Dataset.load(dataset.folder), every, periods)
    run.reporter.stage("periods", f"{n} of {length}, the last one ends with the newest row")
    return rolling(run.spec, length, n)


def rolling(spec: Experiment, every: str, periods: int) -> Experiment:
    """The experiment on rolling windows; with a validation part where one of its models watches it."""
    watched = any(model_class(model.name).watches_validation for model in spec.models)
    validation = spec.validation_share if watched else 0.0
    split = RollingSplit(kind="rolling", window=every, folds=periods, validation=validation)
    return spec.model_copy(update={"split": split, "tuning": None})


@task(name="check periods", cache_policy=NO_CACHE)
def check_periods(dataset: Ref, split: Ref, run: Run) -> None:
    """Raise InputError where a period measures nothing, or tests on what was trained on."""
    data, spec = Dataset.load(dataset.folder), run.spec
    for fold in folds_of(split):
        case = Case(data, fold, spec.positive, spec.evaluation.exclude_seen, spec.refit)
        refuse_errors(check_fold(case, ERRORS))


@task(name="ask at every age", task_run_name="ages of {cell.name}", cache_policy=NO_CACHE)
def ask_at_every_age(cell: Cell, fit: Ref, dataset: Ref, split: Ref, run: Run) -> Any:
    """What a fit reaches in its own period and in each later one, a file a period with a value a user."""
    job = job_of(run.spec, cell.model, cell.seed, dataset.folder, split.folder / str(cell.fold), run.threads)

    def build(folder: Path) -> None:
        data = Dataset.load(dataset.folder)
        for fold in folds_of(split)[cell.fold :]:
            there = job.model_copy(update={"fold": split.folder / str(fold.number)})
            own = fold.number == cell.fold
            lists = Lists.load(fit.folder) if own else lists_of_stored(there, fit.folder / "model")
            side = side_of(run.spec, data, fold, lists)
            values = {name: getattr(side, name)[side.counted] for name in ("users", "values", "rows")}
            np.savez(folder / f"{fold.number}.npz", **values)

    with run.core():
        return done(run.produce("aged", aged_key(run.spec, job, fit, dataset, split, cell.fold), build))


@task(name="hold ages and policies", cache_policy=NO_CACHE)
def hold_ages(aged: Sequence[Aged], failures: Mapping[str, str], dataset: Ref, split: Ref, run: Run) -> Backtest:
    """Quality by age and by policy of every model that has all its fits."""
    data, spec = Dataset.load(dataset.folder), run.spec
    assert isinstance(spec.split, RollingSplit)
    ordered = sorted(aged, key=lambda each: each.cell.fold)
    of_model = {
        model: [each for each in ordered if each.cell.label == model.row]
        for model in spec.models
        if model.row not in failures
    }
    with run.core():
        courses = tuple(_course(model, each, run) for model, each in of_model.items())
    result = Backtest(
        name=spec.name,
        column=spec.evaluation.primary,
        every=spec.split.window,
        periods=tuple(_periods(data, spec.split, next(iter(of_model.values())), folds_of(split))),
        courses=courses,
        failures=dict(failures),
        warm=spec.users == "warm",
    )
    for doubt in few_users(result):
        run.reporter.warn(doubt)
    return result


@task(name="publish backtest", cache_policy=NO_CACHE)
def publish_backtest(result: Backtest, out: Path | None, recorder: Recorder, run: Run) -> Backtested:
    """Table and page, in the folder asked for and in the run's artifacts; the numbers as metrics by age."""
    run_id = recorder.parent.run_id
    place = (out or Path("runs") / run.spec.name / f"backtest-{run.key[:12]}").absolute()
    with run.store.scratch(run.key) as folder:
        (folder / "backtest.csv").write_text(result.to_csv(), encoding="utf-8")
        (folder / "backtest.html").write_text(backtest_page(result), encoding="utf-8")
        recorder.tracker.log_files(run_id, folder)
        copy_into(sorted(folder.iterdir()), place)
    recorder.tracker.log_steps(run_id, _metrics(result), again=True)
    recorder.tracker.tag(run_id, {"advice": "\n".join(advice(each, result) for each in ranked(result))})
    return Backtested(place, run_id, result)


def _course(model: ModelConfig, aged: Sequence[Aged], run: Run) -> Course:
    assert isinstance(run.spec.split, RollingSplit)
    n = run.spec.split.folds
    cells = [
        PeriodValues(each.cell.fold, period, **_read(each.values, period))
        for each in aged
        for period in range(each.cell.fold, n)
    ]
    seconds = [json.loads((each.fit.folder / "measured.json").read_text())["cpu_seconds"] for each in aged]
    steps = policy_steps(microseconds(run.spec.split.window), n)
    control = model_class(model.name).control
    return course(model.row, cells, seconds, steps, run.spec.evaluation.primary, control=control)


def _periods(data: Dataset, split: RollingSplit, aged: Sequence[Aged], folds: Sequence[Fold]) -> Iterator[Period]:
    """When they were, and how many users count in each."""
    assert data.timestamp is not None
    length, end = microseconds(split.window), int(data.timestamp.max()) + 1
    for each, fold in zip(aged, folds, strict=True):
        closes = end - (split.folds - 1 - fold.number) * length
        users = len(_read(each.values, fold.number)["users"])
        yield Period(start=closes - length, end=closes, rows=len(fold.test), users=users)


def _read(values: Ref, period: int) -> dict[str, Any]:
    with np.load(values.folder / f"{period}.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _metrics(result: Backtest) -> Iterator[tuple[int, dict[str, float]]]:
    """Metrics as MLflow takes them, the age or the periods between two fits as the step; nothing that is not known."""
    key = metric_key(result.column)
    for each in result.courses:
        label = each.label.replace("+", "-")
        for age in each.ages:
            yield age.steps, known({f"{label}.by_age.{key}": age.value.value, f"{label}.by_age.loss": age.loss.value})
        for policy in each.policies:
            about = {f"{label}.by_policy.{key}": policy.value.value, f"{label}.by_policy.loss": policy.loss.value}
            yield policy.steps, known(about | {f"{label}.by_policy.cpu_seconds": policy.cpu_seconds})


def known(values: Mapping[str, float]) -> dict[str, float]:
    """Those that are numbers."""
    return {name: value for name, value in values.items() if math.isfinite(value)}

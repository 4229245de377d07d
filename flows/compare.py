"""The main job: train models on one split of the data and compare them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Container, Mapping
from types import MappingProxyType

from flows.finishing import SomeFailedError, as_they_finish
from flows.local import local_flow
from flows.searches import tune_models
from flows.session import options, recording, session
from recsys.comparison.assemble import CellResult
from recsys.comparison.result import Comparison
from recsys.errors import RunError
from recsys.experiment.spec import Experiment
from recsys.experiment.trials import Tuned
from recsys.store import Ref
from recsys.tracking.entities import COMPARISON
from tasks.context import Cell, Run
from tasks.recorder import Lost, Recorder
from tasks.results import publish_report, rank_models
from tasks.stages import check_leaks, evaluate, fit_all, folds_of, load_data, split_data


class ModelsFailedError(SomeFailedError):
    """Some models failed; `comparison` holds what the others reached."""

    def __init__(self, comparison: Comparison, failures: dict[str, str]) -> None:
        super().__init__(failures)
        self.comparison = comparison


class NotLoggedError(RunError):
    """MLflow went while models were compared; `comparison` is complete in its folder."""

    def __init__(self, comparison: Comparison, lost: Lost) -> None:
        since, out = time.strftime("%H:%M:%S", time.localtime(lost.since)), shlex.quote(str(comparison.out))
        message = f"has not answered since {since} ({lost.trouble.message}); the result in {out} is complete"
        super().__init__(lost.trouble.place, message, f"log it later: recsys log {out}")
        self.comparison = comparison


@local_flow(name="compare", description="Train models on one split and compare them")
def compare(spec: Experiment, overrides: list[str] | None = None) -> Comparison:
    """Load, split, tune where the spec says so, fit every model, evaluate, rank, report.

    spec: the experiment. overrides: `a.b=value` settings applied to it. Raises InputError where the input is wrong,
    ModelsFailedError where a model failed and the rest is done, NotLoggedError where all is done and MLflow was away.
    """
    with session(spec.override(overrides or [])) as run:
        if run.finished is not None:
            return run.finished
        data = load_data.submit(run).result()
        split = split_data.submit(data, run).result()
        leaks = check_leaks(data, split, run)
        recorder, failures = Recorder(run.reporter.warn), dict[str, str]()
        cells = cells_of(run, split)
        # Importing MLflow takes a second: fits that wait for nothing in it begin before.
        fits = {} if run.spec.tuning else fit_all(cells, data, split, recorder, run)
        with recording(run, data, split, COMPARISON, recorder):
            tuned = tune_models(data, split, failures, recorder, run)
            if run.spec.tuning:
                cells = cells_of(run, split, tuned, failures)
                fits = fit_all(cells, data, split, recorder, run)
            lists, scores = {}, {}
            for cell, lists[cell] in as_they_finish(fits, failures, recorder, run):
                scores[evaluate.submit(cell, lists[cell], data, split, recorder, run)] = cell
            done = [
                CellResult(cell.label, cell.seed, cell.fold, lists[cell].folder, score.folder, recorder.run_id(cell))
                for cell, score in as_they_finish(scores, failures, recorder, run)
            ]
            done.sort(key=lambda result: [(cell.label, cell.seed, cell.fold) for cell in cells].index(result.key))
            board = rank_models(done, failures, data, split, leaks, recorder, run, tuned)
            comparison = publish_report(board, data, options.get().out, recorder, run)
            if failures:
                raise ModelsFailedError(comparison, failures)
        if recorder.lost is not None:
            raise NotLoggedError(comparison, recorder.lost)
        return comparison


def cells_of(
    run: Run, split: Ref, tuned: Mapping[str, Tuned] = MappingProxyType({}), failures: Container[str] = ()
) -> list[Cell]:
    """All that is fitted, as tuning found its settings; failures: rows whose tuning failed."""
    return [
        Cell(model=tuned[model.row].apply(model) if model.row in tuned else model, seed=seed, fold=fold.number)
        for fold in folds_of(split)
        for model, seed in run.spec.compared()
        if model.row not in failures
    ]

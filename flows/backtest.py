"""Models over time: how fast they age, and what retraining each day, week or month would have given."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flows.finishing import SomeFailedError, as_they_finish
from flows.local import local_flow
from flows.session import options, recording, run_of, supervised
from recsys.data.load import inputs
from recsys.errors import RunError
from recsys.experiment.external import require_model
from recsys.experiment.keys import decision_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.splits.periods import PERIODS
from recsys.store import Ref
from tasks.backtesting import (
    Aged,
    Backtested,
    ask_at_every_age,
    check_periods,
    cut_periods,
    hold_ages,
    publish_backtest,
    rolling,
)
from tasks.context import Cell, Run
from tasks.recorder import Recorder
from tasks.stages import fit_all, folds_of, load_data, split_data

ROLE = "backtest"


class BacktestFailedError(SomeFailedError):
    """Some models failed; `backtest` holds what the others reached."""

    def __init__(self, backtest: Backtested, failures: dict[str, str]) -> None:
        super().__init__(failures)
        self.backtest = backtest


@local_flow(name="backtest", description="How fast models age, and what retraining more or less often gives and costs")
def backtest(
    spec: Experiment, overrides: list[str] | None = None, every: str | None = None, periods: int | None = None
) -> Backtested:
    """Load, cut time, fit every model before every period, ask each fit in all later ones, hold ages and policies.

    every: length of a period, such as 7d. periods: how many, the newest. What is left out follows from the data. Raises
    InputError where spec or data are wrong, BacktestFailedError where a model failed and the rest is done.
    """
    with over_time(spec.override(overrides or [])) as run:
        data = load_data.submit(run).result()
        run.spec = cut_periods.submit(data, every, periods, run).result()
        run.key = decision_key(run.spec, data=data.digest)
        split = split_data.submit(data, run).result()
        check_periods.submit(data, split, run).result()
        with recording(run, data, split, ROLE) as recorder:
            failures: dict[str, str] = {}
            aged = grown_old(data, split, failures, recorder, run)
            found = hold_ages.submit(aged, failures, data, split, run).result()
            done = publish_backtest.submit(found, options.get().out, recorder, run).result()
            if failures:
                raise BacktestFailedError(done, failures)
            return done


@contextlib.contextmanager
def over_time(spec: Experiment) -> Iterator[Run]:
    """The run of a backtest; one process at a time works on those of an experiment's name."""
    settings = Settings()
    for model in spec.models:
        require_model(model, "a backtest")
    provisional = rolling(spec, "7d", PERIODS)  # the data decide; the places for models at once need some number
    found = inputs(spec.data, None, settings)
    run = run_of(provisional, settings, "", found)
    with supervised(run, f"backtest-{spec.name}", "another backtest of this name is at work; its work is used"):
        yield run


def grown_old(data: Ref, split: Ref, failures: dict[str, str], recorder: Recorder, run: Run) -> list[Aged]:
    """Every fit with what it reaches from then on. A model that fails once is noted in `failures`, and out.

    Raises the failure where no model is left.
    """
    cells = [
        Cell(model=model, seed=run.spec.seeds[0], fold=fold.number)
        for model in run.spec.models
        for fold in folds_of(split)
    ]
    fits = fit_all(cells, data, split, None, run)
    fitted: dict[Cell, Ref] = {}
    asked = {}
    for cell, fitted[cell] in as_they_finish(fits, failures, recorder, run):
        asked[ask_at_every_age.submit(cell, fitted[cell], data, split, run)] = cell
    aged = [Aged(cell, fitted[cell], values) for cell, values in as_they_finish(asked, failures, recorder, run)]
    kept = [each for each in aged if each.cell.label not in failures]
    if not kept:
        label, reason = next(iter(failures.items()))
        raise RunError(label, reason, "no model has all its fits")
    return kept

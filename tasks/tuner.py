"""The trials of one model: fitted, scored, counted, kept."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from recsys.comparison.evaluation import value_on
from recsys.errors import ExpectedError
from recsys.experiment.cells import job_of
from recsys.experiment.job import Job
from recsys.experiment.keys import fit_key, trial_key
from recsys.experiment.launch import Stop, Stopped
from recsys.experiment.search import Trial, search
from recsys.experiment.trials import Outcome, TrialRecord, Tuned, trial_spec, tunable
from recsys.models.base import ModelConfig
from recsys.models.space import space_of
from recsys.store import Ref
from tasks.context import Cell, Run
from tasks.recorder import Recorder

Tell = Callable[[Mapping[str, Any]], None]


class Pruned(Exception):  # noqa: N818 -- no error: the trial was behind the others
    """A trial was ended early."""


class BudgetStop(Stop):
    """Set once the run is to end, or the seconds of a search are used up."""

    def __init__(self, stop: Stop, is_spent: Callable[[], bool]) -> None:
        super().__init__()
        self._stop, self._is_spent = stop, is_spent

    def __bool__(self) -> bool:
        return bool(self._stop) or self._is_spent()


class Spent(Exception):  # noqa: N818 -- no error: the budget is what it is
    """There is no time left to begin a trial."""


class Tuner:
    """The trials of one model: each an ordinary fit in a process of its own, its outcome kept, whatever ends us."""

    def __init__(self, cell: Cell, dataset: Ref, fold: Ref, recorder: Recorder | None, run: Run) -> None:
        assert run.spec.tuning is not None
        self.cell, self.dataset, self.fold, self.recorder, self.run = cell, dataset, fold, recorder, run
        self.spec, self.tuning = trial_spec(run.spec), run.spec.tuning
        self.column = run.spec.evaluation.primary
        self._lock = threading.Lock()
        self._seconds, self._ended = 0.0, 0
        self._running: dict[int, float] = {}
        self._took: dict[int, float] = {}

    def build(self, folder: Path) -> None:
        """Search, and write what was found to the folder."""
        model, found = self.cell.model, Tuned(label=self.cell.label, metric=self.column)
        if tunable(self.run.spec, model):
            self.run.reporter.begin(self.cell)
            space, seed = space_of(type(model), self.run.spec.split.in_time), self.cell.seed
            records = search(model, space, self.column, seed, self.tuning.trials, self.is_spent, self.work)
            found = Tuned.of(model, self.column, records)
        found.save(folder)

    def left(self) -> float:
        """Seconds that are left, what runs now counted."""
        with self._lock:
            running = sum(time.monotonic() - began for began in self._running.values())
            return self.tuning.seconds - self._seconds - running

    def is_spent(self) -> bool:
        """Whether the seconds are used up."""
        return self.left() <= 0

    def work(self, batch: Sequence[Trial]) -> list[Outcome | None]:
        """Trials side by side, as many as there are cores."""
        if not batch:
            return []
        with ThreadPoolExecutor(len(batch)) as pool:
            return list(pool.map(self.outcome, batch))

    def outcome(self, trial: Trial) -> Outcome | None:
        """What came of a trial, now or before; None where there is no time left for it. A failed one is not kept: it
        is tried again when the search goes on."""
        try:
            found = self._kept(trial)
        except Spent:
            return None
        except ExpectedError as error:
            if trial.number == 0:
                raise
            found = Outcome(state="failed", seconds=self._took.get(trial.number, 0.0), message=str(error))
        self._count(trial, found)
        return found

    def fit_key(self, model: ModelConfig) -> str:
        """The key of a trial's fit."""
        return fit_key(self._job(model), self.dataset, self.fold, 0)

    def _job(self, model: ModelConfig) -> Job:
        folder = self.fold.folder / "0"
        return job_of(self.spec, model, self.cell.seed, self.dataset.folder, folder, self.run.threads)

    def _kept(self, trial: Trial) -> Outcome:
        key = trial_key(self.spec, self.fit_key(self._model(trial)), trial.history)

        def build(folder: Path) -> None:
            with self.run.fitting(), self._timed(trial):
                (folder / "outcome.json").write_text(self._done(trial).model_dump_json())

        ref = self.run.produce("trial", key, build)
        found = _read(ref)
        if found.state == "unfinished" and ref.cached and self.left() > found.seconds + 1:
            found = _read(self.run.store.produce("trial", key, build, fresh=True))
        return found

    def _model(self, trial: Trial) -> ModelConfig:
        return type(self.cell.model).model_validate({**self.cell.model.settings(), **trial.settings})

    @contextlib.contextmanager
    def _timed(self, trial: Trial) -> Iterator[None]:
        """The time inside is spent. Raises Spent where there is none; the first trial has all it needs."""
        if trial.number > 0 and self.is_spent():
            raise Spent
        with self._lock:
            self._running[trial.number] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                took = time.monotonic() - self._running.pop(trial.number)
                self._took[trial.number] = took
                self._seconds += took

    def _done(self, trial: Trial) -> Outcome:
        """Fit and score, as far as time allows."""
        began, curve = time.monotonic(), list[tuple[int, float]]()

        def tell(step: Mapping[str, Any]) -> None:
            if self.column in step:
                curve.append((step["epoch"], step[self.column]))
                if trial.behind(*curve[-1]):
                    raise Pruned

        try:
            about = self._scored(self._fit(trial, tell), tell)
        except Pruned:
            about = {"state": "pruned"}
        except Stopped:
            if self.run.stop:
                raise
            about = {"state": "unfinished"}
        spent = max(time.monotonic() - began, about.pop("spent", 0.0))
        return Outcome(**about, seconds=spent, curve=tuple(curve))

    def _scored(self, fit: Ref, tell: Tell) -> dict[str, Any]:
        """What there is to say of a whole fit; one that was there before is judged epoch by epoch like any other."""
        if fit.cached:
            for step in json.loads((fit.folder / "curves.json").read_text()):
                tell(step)
        value = value_on(self.spec, self.dataset.folder, self.fold.folder / "0", fit.folder)
        measured = json.loads((fit.folder / "measured.json").read_text())
        spent = measured["fit_seconds"] + measured["recommend_seconds"]
        return {"state": "done", "value": value, "epochs": measured.get("best_epoch"), "spent": spent}

    def _fit(self, trial: Trial, tell: Tell) -> Ref:
        run, model = self.run, self._model(trial)
        job, key = self._job(model), self.fit_key(model)
        checkpoint = run.settings.checkpoints / key
        stop = run.stop if trial.number == 0 else BudgetStop(run.stop, self.is_spent)

        def build(folder: Path) -> None:
            run.fit_near(self.dataset, self.fold)(
                job,
                folder,
                label=self.cell.label,
                records=run.settings.processes,
                log=run.settings.logs / f"fit-{key}.log",
                checkpoint=checkpoint,
                limits=run.limits,
                stop=stop,
                tell=tell,
            )

        try:
            ref = run.produce("fit", key, build)
        except Pruned:
            shutil.rmtree(checkpoint, ignore_errors=True)
            raise
        shutil.rmtree(checkpoint, ignore_errors=True)
        return ref

    def _count(self, trial: Trial, found: Outcome) -> None:
        """A trial is done: its seconds are spent, and people are told."""
        with self._lock:
            self._seconds += max(0.0, found.seconds - self._took.get(trial.number, 0.0))
            self._ended += 1
            step = {"phase": "tuning", "unit": "trial", "epoch": self._ended, "epochs": self.tuning.trials}
        self.run.reporter.step(self.cell, step)
        if self.recorder is not None:
            record = TrialRecord(**found.model_dump(), number=trial.number, settings=trial.settings)
            self.recorder.trial(self.cell.label, self.cell.model.name, record, self.column)


def _read(ref: Ref) -> Outcome:
    return Outcome.model_validate_json((ref.folder / "outcome.json").read_text())

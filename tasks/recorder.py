"""What a comparison writes to MLflow while it runs."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from recsys.experiment.launch import Stopped
from recsys.experiment.trials import TrialRecord
from recsys.metrics.registry import metric_key
from recsys.store import Ref
from recsys.tracking.entities import DataInput, ParentRun, TrackingError
from tasks.context import Cell

if TYPE_CHECKING:
    from recsys.tracking.runs import Tracker

log = logging.getLogger(__name__)

T = TypeVar("T")
Key = tuple[str, int, int]

CURVE_SKIPS = ("phase", "epoch", "epochs")
CURVE_SECONDS = 0.5
PATIENCE = 10


@dataclass(frozen=True)
class Lost:
    """When MLflow was found to be gone, seconds since 1970, and what it was like."""

    since: float
    trouble: TrackingError


class Recorder:
    """The parent run of a comparison and the child run of each cell. Safe to call from several threads.

    Fits may begin before it is open; what they tell until then is logged later. Nothing is begun any more once it is
    closed. warn: told once where MLflow goes; from then on nothing is logged, and `lost` says why. None: whoever logs
    gets the TrackingError.
    """

    tracker: Tracker
    parent: ParentRun

    def __init__(self, warn: Callable[[str], None] | None = None) -> None:
        self.inputs = list[DataInput]()
        self.lost: Lost | None = None
        self._warn = warn
        self._lock = threading.RLock()
        self._is_open, self._begun = False, list[Cell]()
        self._open: dict[Key, str] = {}
        self._curves: dict[Key, _Curve] = {}
        self._closed = False

    def open(self, tracker: Tracker, parent: ParentRun, inputs: list[DataInput]) -> Self:
        """Log from now on, below this parent; inputs: of each run below it. Raises as Tracker does."""
        with self._lock:
            self.tracker, self.parent, self.inputs, self._is_open = tracker, parent, inputs, True
        for cell in self._begun:
            self.begin(cell)
        return self

    def attempt(self, log: Callable[[], T]) -> T | None:
        """What a call to MLflow gives; None where MLflow is gone and the run goes on without it."""
        if self.lost is None:
            try:
                return log()
            except TrackingError as error:
                self._lose(error)
        assert self.lost is not None
        if self._warn is None:
            raise self.lost.trouble
        return None

    def _lose(self, error: TrackingError) -> None:
        with self._lock:
            if self.lost is None:
                self.lost = Lost(time.time(), error)
                if self._warn is not None:
                    self._warn(f"{error.place}: {error.message}; this goes on without it")

    def run_id(self, cell: Cell) -> str | None:
        """The child run of a cell, finished or open; of an open one nothing remains where MLflow is gone."""
        key = _key(cell)
        return self.parent.children.get(key) or (self._open.get(key) if self.lost is None else None)

    def begin(self, cell: Cell) -> str | None:
        """Open the child run of a cell that has none; its id. Raises Stopped where the parent is closed."""
        with self._lock:
            if not self._is_open:
                self._begun.append(cell)
                return None
        return self.attempt(lambda: self._begin(cell))

    def step(self, cell: Cell, step: Mapping[str, Any]) -> None:
        """Log one epoch of a fit: soon, together with others where they come fast."""
        with self._lock:
            if self.lost is not None or (self._is_open and _key(cell) in self.parent.children):
                return  # a lost fit is made again, and its run has this curve already
            curve = self._curves.setdefault(_key(cell), _Curve())
            curve.points.append(curve_point(step))
            if not self._is_open or time.monotonic() - curve.logged < curve.pause:
                return
        began = time.monotonic()
        try:
            self._log_curve(cell)
        except Exception as error:
            log.warning("%s: its curve is logged later (%s)", cell.name, error)
            # What the fit tells waits meanwhile: a server that is away takes a tenth of its time at most.
            curve.logged = time.monotonic()
            curve.pause = max(CURVE_SECONDS, PATIENCE * round(curve.logged - began))

    def finish(self, cell: Cell, fit: Ref, evaluation: Ref) -> None:
        """Log the results of a cell and close its run; nothing where it is finished already."""
        if _key(cell) not in self.parent.children:
            self.attempt(lambda: self._finish(cell, fit, evaluation))

    def trial(self, label: str, name: str, trial: TrialRecord, metric: str) -> None:
        """Log a trial of tuning, once; name: of the model."""
        self.attempt(lambda: self._trial((label, trial.number), name, trial, metric))

    def finish_fit(self, cell: Cell, fit: Ref) -> str:
        """Log what a fit took, that nothing is evaluated on, and close its run; the run's id."""
        run_id = self._begin(cell)
        if _key(cell) not in self.parent.children:
            self._log_curve(cell)
            self.tracker.log_metrics(run_id, cost_metrics(fit.folder))
            self._finished(cell, run_id)
        return run_id

    def fail(self, cell: Cell, message: str) -> None:
        """Close the run of a cell whose model failed."""
        self.attempt(lambda: self._fail(cell, message))

    def close(self, status: str) -> None:
        """End the parent run, and as KILLED what is still open below it; nothing where it was not opened."""
        if self._is_open:
            self.attempt(lambda: self._close(status))

    def _begin(self, cell: Cell) -> str:
        with self._lock:
            found = self.run_id(cell)
            if found is None:
                if self._closed:
                    raise Stopped
                found = self.tracker.open_child(self.parent, *_key(cell), cell.model.settings())
                self._open[_key(cell)] = found
                self.tracker.log_inputs(found, self.inputs)
            return found

    def _finish(self, cell: Cell, fit: Ref, evaluation: Ref) -> None:
        run_id = self._begin(cell)
        with self._lock:
            if _key(cell) not in self._curves:
                points = [curve_point(step) for step in json.loads((fit.folder / "curves.json").read_text())]
                self._curves[_key(cell)] = _Curve(points)
        self._log_curve(cell)
        self.tracker.log_metrics(run_id, child_metrics(fit.folder, evaluation.folder))
        self.tracker.log_model(self.parent, run_id, cell.label, fit.folder / "model", cell.model.settings())
        self._finished(cell, run_id)

    def _finished(self, cell: Cell, run_id: str) -> None:
        self.tracker.close(run_id, "FINISHED")
        with self._lock:
            self._open.pop(_key(cell), None)
            self.parent.children[_key(cell)] = run_id

    def _trial(self, key: tuple[str, int], name: str, trial: TrialRecord, metric: str) -> None:
        with self._lock:
            if key in self.parent.trials:
                return
            if self._closed:
                raise Stopped
            metrics = {"cost.seconds": trial.seconds}
            if trial.value is not None:
                metrics[f"validation.{metric_key(metric)}"] = trial.value
            if trial.epochs is not None:
                metrics["validation.epochs"] = trial.epochs
            settings = {"model": name, **trial.settings}
            run_id = self.tracker.log_trial(self.parent, *key, trial.state, settings, metrics)
            self.parent.trials[key] = run_id

    def _fail(self, cell: Cell, message: str) -> None:
        run_id = self._begin(cell)
        self._log_curve(cell)
        self.tracker.tag(run_id, {"failure": message[:5000]})
        self.tracker.close(run_id, "FAILED")
        with self._lock:
            self._open.pop(_key(cell), None)

    def _close(self, status: str) -> None:
        with self._lock:
            self._closed = True
            for run_id in self._open.values():
                self.tracker.close(run_id, "KILLED")
            self._open.clear()
        self.tracker.close_parent(self.parent.run_id, status)

    def _log_curve(self, cell: Cell) -> None:
        """Log the points of a cell that are not logged yet; where that fails they wait for the next time."""
        run_id = self._begin(cell)
        with self._lock:
            curve = self._curves.get(_key(cell), _Curve())
            waiting = len(curve.points)
            if waiting:
                self.tracker.log_steps(run_id, curve.points)
                del curve.points[:waiting]
            curve.logged, curve.pause = time.monotonic(), CURVE_SECONDS


@dataclass
class _Curve:
    """The epochs of a fit that are not logged yet, when some were logged last, and how long the next ones wait."""

    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    logged: float = field(default_factory=time.monotonic)
    pause: float = field(default_factory=lambda: CURVE_SECONDS)


def curve_point(step: Mapping[str, Any]) -> tuple[int, dict[str, float]]:
    """The epoch, and its metrics named by the phase of the fit.

    >>> curve_point({"phase": "fit", "epoch": 3, "epochs": 9, "loss": 0.5})
    (3, {'fit.loss': 0.5})
    """
    values = {f"{step['phase']}.{metric_key(key)}": value for key, value in step.items() if key not in CURVE_SKIPS}
    return step["epoch"], values


def child_metrics(fit: Path, evaluation: Path) -> dict[str, float]:
    """All final metrics of a cell under the keys MLflow shows."""
    summary = json.loads((evaluation / "summary.json").read_text())
    metrics = {f"test.{metric_key(name)}": value for name, value in summary["overall"].items()}
    for name, (low, high) in summary["intervals"].items():
        metrics[f"test.{metric_key(name)}.ci_low"] = low
        metrics[f"test.{metric_key(name)}.ci_high"] = high
    metrics |= {"test.users": summary["n_users"], "test.cold_users": summary["n_cold"]}
    metrics |= {f"test.cold.{metric_key(name)}": value for name, value in summary["cold"].items()}
    return metrics | cost_metrics(fit)


def cost_metrics(fit: Path) -> dict[str, float]:
    """What a fit took, under the keys MLflow shows."""
    measured = json.loads((fit / "measured.json").read_text())
    return {f"cost.{name}": value for name, value in measured.items()}


def _key(cell: Cell) -> Key:
    return cell.label, cell.seed, cell.fold

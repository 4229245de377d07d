"""What a comparison writes to MLflow while it runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys.metrics.registry import metric_key
from recsys.store import Ref
from recsys.tracking.runs import DataInput, ParentRun, Tracker
from tasks.context import Cell

CURVE_SKIPS = ("phase", "epoch", "epochs")


class Recorder:
    """The parent run of a comparison and the child run of each cell. Safe to call from several threads."""

    def __init__(self, tracker: Tracker, parent: ParentRun, inputs: list[DataInput]) -> None:
        self.tracker, self.parent, self.inputs = tracker, parent, inputs
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int, int], str] = {}

    def run_id(self, cell: Cell) -> str | None:
        """The child run of a cell, finished or open."""
        key = _key(cell)
        return self.parent.children.get(key) or self._open.get(key)

    def begin(self, cell: Cell) -> str:
        """Open the child run of a cell that has none; its id."""
        with self._lock:
            found = self.run_id(cell)
            if found is None:
                found = self.tracker.open_child(self.parent, *_key(cell), cell.model.settings())
                self._open[_key(cell)] = found
                self.tracker.log_inputs(found, self.inputs)
            return found

    def step(self, cell: Cell, step: Mapping[str, Any]) -> None:
        """Log one epoch of a fit."""
        self.tracker.log_steps(self.begin(cell), [curve_point(step)])

    def finish(self, cell: Cell, fit: Ref, evaluation: Ref) -> None:
        """Log the results of a cell and close its run; nothing where it is finished already."""
        if _key(cell) in self.parent.children:
            return
        with self._lock:
            live = _key(cell) in self._open
        run_id = self.begin(cell)
        if not live:
            curves = json.loads((fit.folder / "curves.json").read_text())
            self.tracker.log_steps(run_id, [curve_point(step) for step in curves])
        self.tracker.log_metrics(run_id, child_metrics(fit.folder, evaluation.folder))
        self.tracker.log_model(self.parent, run_id, cell.label, fit.folder / "model", cell.model.settings())
        self.tracker.close(run_id, "FINISHED")
        with self._lock:
            self._open.pop(_key(cell), None)
            self.parent.children[_key(cell)] = run_id

    def fail(self, cell: Cell, message: str) -> None:
        """Close the run of a cell whose model failed."""
        run_id = self.begin(cell)
        self.tracker.tag(run_id, {"failure": message[:5000]})
        self.tracker.close(run_id, "FAILED")

    def close(self, status: str) -> None:
        """End the parent run, and as KILLED what is still open below it."""
        for run_id in self._open.values():
            if status == "KILLED":
                self.tracker.close(run_id, "KILLED")
        self.tracker.close(self.parent.run_id, status)


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
    measured = json.loads((fit / "measured.json").read_text())
    metrics = {f"test.{metric_key(name)}": value for name, value in summary["overall"].items()}
    for name, (low, high) in summary["intervals"].items():
        metrics[f"test.{metric_key(name)}.ci_low"] = low
        metrics[f"test.{metric_key(name)}.ci_high"] = high
    metrics |= {"test.users": summary["n_users"], "test.cold_users": summary["n_cold"]}
    metrics |= {f"test.cold.{metric_key(name)}": value for name, value in summary["cold"].items()}
    return metrics | {f"cost.{name}": value for name, value in measured.items()}


def _key(cell: Cell) -> tuple[str, int, int]:
    return cell.label, cell.seed, cell.fold

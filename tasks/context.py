"""What the tasks of one run share: settings, store, stop flag, cores, and whom to tell."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from recsys.comparison.result import Comparison
from recsys.config import Config
from recsys.experiment.forks import Forks
from recsys.experiment.launch import Limits, Stop, Stopped, environment_of, run_child
from recsys.experiment.remote import Cluster, RunChild
from recsys.experiment.spec import Experiment
from recsys.models.base import ModelConfig
from recsys.models.registry import model_class
from recsys.processes import cores
from recsys.settings import Settings
from recsys.store import Ref, Store
from tasks.turns import Turns

# Elsewhere a process that has imported numerical libraries may not be safe to fork.
CAN_FORK = sys.platform == "linux"


class Cell(Config):
    """One fit of a comparison: a model, a seed, a fold."""

    model: ModelConfig
    seed: int
    fold: int

    @property
    def label(self) -> str:
        return self.model.row

    @property
    def name(self) -> str:
        """What people read: the label with its seed, and the fold after the first."""
        return f"{self.label} seed {self.seed}" + (f" fold {self.fold}" if self.fold else "")


class Reporter:
    """Whom a run tells what it does; this one tells nobody."""

    def stage(self, name: str, text: str, cached: bool = False) -> None:
        """A stage is done."""

    def warn(self, text: str) -> None:
        """Something the reader should know."""

    def begin(self, cell: Cell) -> None:
        """A model starts to fit."""

    def step(self, cell: Cell, step: Mapping[str, Any]) -> None:
        """A model did an epoch."""

    def end(self, cell: Cell, text: str, failed: bool = False, cached: bool = False) -> None:
        """A model is done."""


@contextlib.contextmanager
def alone(settings: Settings, name: str, reporter: Reporter, waiting: str) -> Iterator[None]:
    """No other process of this home has the lock of this name inside; waiting: what is said while one has it."""
    locks = settings.root / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        reporter.stage("wait", waiting)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def width(spec: Experiment) -> tuple[int, int]:
    """Models at once, and threads for each: together never more than the cores.

    On a cluster there are more at once, of as many threads each: they are part of what a result is stored under.
    """
    available = cores()
    wanted = available if spec.runner.workers == "auto" else min(spec.runner.workers, available)
    cells = sum(1 for _ in spec.candidates()) * getattr(spec.split, "folds", 1)
    cells = max(cells, spec.tuning.trials if spec.tuning else 0)
    workers = max(1, min(wanted, cells))
    return workers, max(1, available // workers)


def forks_of(settings: Settings) -> Forks:
    """Where the fits of a run on this machine are forked from."""
    return Forks(settings.processes, settings.logs / "fork-server.log")


def prepare(forks: Forks, spec: Experiment) -> None:
    """Begin to import what the fits of an experiment need, where they are to be forks."""
    if CAN_FORK and spec.runner.kind != "ray":
        environment = environment_of(width(spec)[1])
        for libraries in {model_class(model.name).libraries for model in spec.models}:
            forks.prepare(libraries, environment)


class Run:
    """One run of a flow. Plain, so that Prefect looks for nothing in it.

    as_of: microseconds since 1970; later rows are left out. None: all rows count. forks: where its fits are forked
    from; None: its own.
    """

    def __init__(
        self,
        spec: Experiment,
        settings: Settings,
        key: str,
        inputs: dict[str, str],
        reporter: Reporter,
        fresh: bool,
        as_of: int | None = None,
        forks: Forks | None = None,
    ) -> None:
        self.spec, self.settings, self.key, self.inputs = spec, settings, key, inputs
        self.reporter, self.fresh, self.as_of = reporter, fresh, as_of
        self.finished: Comparison | None = None
        self.store = Store(settings.store)
        self.stop = Stop()
        runner, (workers, self.threads) = spec.runner, width(spec)
        self._cores = self._fits = Turns(workers)
        self._connecting = threading.Lock()
        self.cluster = Cluster(runner.address, settings.shared, settings.root) if runner.kind == "ray" else None
        self.forks = forks or forks_of(settings)
        self.limits = Limits(spec.runner.timeout, None if spec.runner.memory is None else int(spec.runner.memory * 1e9))

    @contextlib.contextmanager
    def core(self, work: float = math.inf) -> Iterator[None]:
        """A turn for work that keeps a core busy; work: seconds it may take, unknown where left out. Raises Stopped
        once the run is to end."""
        with self._one(self._cores, work):
            yield

    def connect(self) -> None:
        """Reach the cluster, where there is to be one. Raises RunError where none answers."""
        with self._connecting:
            if self.cluster is not None and self._fits is self._cores:
                workers, there = self.spec.runner.workers, self.cluster.width(self.threads)
                self._fits = Turns(there if workers == "auto" else min(workers, there))

    def announce(self, works: Iterable[float]) -> None:
        """Fits that are about to ask for their turns; works: seconds that each may take."""
        self.connect()
        self._fits.announce(works)

    @contextlib.contextmanager
    def fitting(self, work: float = math.inf) -> Iterator[None]:
        """A turn for a fit: as `core`, or on the cluster."""
        self.connect()
        with self._one(self._fits, work):
            yield

    def fit_near(self, dataset: Ref, split: Ref) -> RunChild:
        """What does jobs on these data: a process of this machine, or of the cluster."""
        if self.cluster is not None:
            return self.cluster.near(dataset, split)
        return partial(run_child, forks=self.forks if CAN_FORK else None)

    @contextlib.contextmanager
    def _one(self, turns: Turns, work: float) -> Iterator[None]:
        with turns.one(work):
            if self.stop:
                raise Stopped
            yield

    def produce(self, stage: str, key: str, build: Callable[[Path], None]) -> Ref:
        """The stored folder of a stage, computed where it is missing, or where the run is to compute anew."""
        return self.store.produce(stage, key, build, fresh=self.fresh)

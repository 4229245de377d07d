"""A model that takes its time, or fails in a way of one's choice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt

from recsys.config import FloatArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import InputError
from recsys.models.base import ModelConfig, Recommender, spread
from recsys.training.run import FitRun, Progress

Deed = Literal["wait", "raise", "refuse", "kill", "exit", "allocate", "exhaust", "compute", "diverge", "print", "spawn"]


class Faulty(Recommender):
    """Popularity with a little noise of the seed, after a wait and one deed.

    Waits `seconds` in `epochs` steps, then until the file FAULTY_WAITS_FOR exists: that is no setting, so a fit that
    was held up in one process can go through in the next. Then it does what `does` names.
    """

    class Config(ModelConfig):
        name: Literal["faulty"] = "faulty"
        does: Deed = "wait"
        seconds: NonNegativeFloat = 0.0
        epochs: PositiveInt = 10

    state = ("noise",)
    stochastic = True
    noise: FloatArray

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Wait, tell of it, do the deed."""
        settings = self.config
        awaited = Path(os.environ.get("FAULTY_WAITS_FOR", "/"))
        for epoch in range(1, settings.epochs + 1):
            time.sleep(settings.seconds / settings.epochs)
            run.tell(Progress(epoch, settings.epochs, {"loss": 1 / epoch}))
        while not awaited.exists():
            time.sleep(0.05)
        self.noise = run.generator().random(train.n_items).astype(np.float32)
        DEEDS[settings.does](run)

    def scores(self, users: UserBatch) -> FloatArray:
        """The same for every user, (len(users), n_items)."""
        return spread(self.popularity + 3 * self.noise, len(users))


def _raise(run: FitRun) -> None:
    raise ZeroDivisionError("the third party's bug")


def _refuse(run: FitRun) -> None:
    raise InputError("model 'faulty'", "these data have no colours", "add a column `colour`")


def _kill(run: FitRun) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit(run: FitRun) -> None:
    os._exit(7)


def _allocate(run: FitRun) -> None:
    """Take 3 GB, piece by piece, which a limit has to end first."""
    taken = []
    for _ in range(300):
        taken.append(np.ones(10_000_000, dtype=np.uint8))
        time.sleep(0.02)


def _exhaust(run: FitRun) -> None:
    np.ones(1 << 60, dtype=np.uint8)


def _compute(run: FitRun) -> None:
    """One long call that never lets another thread of this interpreter run."""
    pow(3, 10**9)


def _diverge(run: FitRun) -> None:
    run.tell(Progress(1, 1, {"loss": float("nan")}))


def _print(run: FitRun) -> None:
    print("noise " * 100_000, flush=True)


def _spawn(run: FitRun) -> None:
    """Leave a process of one's own behind, and wait."""
    import subprocess

    subprocess.Popen(["sleep", "600"])
    time.sleep(600)


def _wait(run: FitRun) -> None:
    pass


DEEDS: dict[str, Callable[[FitRun], None]] = {
    "wait": _wait,
    "raise": _raise,
    "refuse": _refuse,
    "kill": _kill,
    "exit": _exit,
    "allocate": _allocate,
    "exhaust": _exhaust,
    "compute": _compute,
    "diverge": _diverge,
    "print": _print,
    "spawn": _spawn,
}

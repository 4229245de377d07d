"""The run a model is fitted in: its randomness, its threads, whom it tells about progress, what it is checked on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import UserBatch

if TYPE_CHECKING:
    from recsys.training.peers import Peers


class Scorer(Protocol):
    """What validation asks of a model that is being fitted."""

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        ...

    def predict(self, user: IntArray, item: IntArray) -> FloatArray:
        """Values of pairs of positions in training, -1 where unknown, (n,)."""
        ...


class Validation(Protocol):
    """The validation part as a fitting model sees it. name: a column of the leaderboard, such as `ndcg@10`."""

    @property
    def name(self) -> str: ...

    @property
    def higher_is_better(self) -> bool: ...

    def __call__(self, model: Scorer) -> float:
        """The model's value on the validation part."""
        ...


@dataclass(frozen=True)
class Progress:
    """One step of a fit. epoch counts from 1; epochs is how many there will be at most; metrics are finite."""

    epoch: int
    epochs: int
    metrics: dict[str, float] = field(default_factory=dict)


def _silent(progress: Progress) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class FitRun:
    """What a fit may use beside the data.

    device: cpu, cuda, cuda:N or auto. validation: None in the final fit, and where the split has no validation part.
    checkpoint: a folder that outlives a kill, or None; a fit that finds its own state there goes on from it exactly.
    checkpoint_seconds: how often that state is written, at the end of an epoch. peers: the processes that train the
    same model together with this one, which all get the same run but for the checkpoint; None: it trains alone. A model
    that is not trained by `recsys.training.loop` fits alone.
    """

    seed: int = 42
    threads: int = 1
    device: str = "cpu"
    validation: Validation | None = None
    checkpoint: Path | None = None
    checkpoint_seconds: float = 10.0
    peers: Peers | None = None
    tell: Callable[[Progress], None] = _silent

    def generator(self) -> np.random.Generator:
        """A generator of this run's seed."""
        return np.random.default_rng(self.seed)

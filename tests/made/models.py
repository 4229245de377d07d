"""Models that do exactly what a test wants of them. `made.fixtures.models` registers them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import PositiveInt

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import ModelConfig, Needs, Recommender
from recsys.models.space import Between
from recsys.training.run import FitRun, Progress

NAMES = {
    "constant": "Constant",
    "oracle": "Oracle",
    "watcher": "Watcher",
    "going-on": "GoingOn",
    "noisy": "Noisy",
    "broken": "Broken",
    "tilted": "Tilted",
    "climber": "Climber",
}


class Constant(Recommender):
    """Every score is 0: the order of a list is that of the item ids."""

    class Config(ModelConfig):
        name: Literal["constant"] = "constant"

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Nothing to learn."""

    def scores(self, users: UserBatch) -> FloatArray:
        """Zeros, (len(users), n_items)."""
        return np.zeros((len(users), len(self.items)), dtype=np.float32)


class Oracle(Constant):
    """Scores 1 for the pairs it was told, `user item`, and 0 for all others."""

    class Config(ModelConfig):
        name: Literal["oracle"] = "oracle"
        wanted: tuple[str, ...] = ()

    def scores(self, users: UserBatch) -> FloatArray:
        """Ones and zeros, (len(users), n_items)."""
        asking = users.source.users.ids[users.rows]
        wanted = set(self.config.wanted)
        found = [[f"{user} {item}" in wanted for item in self.items.ids] for user in asking]
        return np.array(found, dtype=np.float32).reshape(len(users), len(self.items))


class Watcher(Constant):
    """Predicts 3 for what it knows and 1 for the rest; finds its second epoch the best where it may watch.

    fits: what the fits since the last `clear` were given.
    """

    class Config(ModelConfig):
        name: Literal["watcher"] = "watcher"
        epochs: PositiveInt = 5

    needs = Needs(history=True)
    predicts_values = True
    watches_validation = True
    fits: ClassVar[list[dict[str, object]]] = []

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Note what was given, tell of every epoch."""
        self.fits.append(
            {
                "rows": len(train),
                "epochs": self.config.epochs,
                "validation": None if run.validation is None else run.validation.name,
                "checkpoint": None if run.checkpoint is None else run.checkpoint.name,
                "seed": run.seed,
            }
        )
        for epoch in range(1, self.config.epochs + 1):
            run.tell(Progress(epoch, self.config.epochs, {"loss": 1 / epoch}))
        self.best_epoch = self.config.epochs if run.validation is None else 2

    def predict(self, user: IntArray, item: IntArray) -> FloatArray:
        """3 where both are known, 1 elsewhere."""
        return np.where((user >= 0) & (item >= 0), 3.0, 1.0)


class GoingOn(Watcher):
    """Goes on from its checkpoint, which it writes every second epoch. ends: the phase and epoch at which it breaks."""

    class Config(ModelConfig):
        name: Literal["going-on"] = "going-on"
        epochs: PositiveInt = 5

    ends: ClassVar[tuple[str, int] | None] = None

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Tell of every epoch from the checkpoint on."""
        assert run.checkpoint is not None
        state, epochs = run.checkpoint / "state", self.config.epochs
        for epoch in range(int(state.read_text()) + 1 if state.exists() else 1, epochs + 1):
            if self.ends == (run.checkpoint.name, epoch):
                raise KeyboardInterrupt
            run.tell(Progress(epoch, epochs, {"loss": 1 / epoch}))
            if epoch % 2 == 0:
                state.write_text(str(epoch))
        self.best_epoch = epochs if run.validation is None else 4


class Noisy(Constant):
    """Scores drawn from the seed."""

    class Config(ModelConfig):
        name: Literal["noisy"] = "noisy"

    stochastic = True
    state = ("drawn",)
    drawn: FloatArray

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Draw a score for every item."""
        self.drawn = run.generator().random(train.n_items, dtype=np.float32)

    def scores(self, users: UserBatch) -> FloatArray:
        """The same for every user."""
        return np.tile(self.drawn, (len(users), 1))


class Broken(Constant):
    """Cannot be fitted."""

    class Config(ModelConfig):
        name: Literal["broken"] = "broken"

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Raise ValueError."""
        raise ValueError("it never works")


class Tilted(Constant):
    """Popularity times `tilt`, and a little of its own for every item: the higher the tilt, the better."""

    class Config(ModelConfig):
        name: Literal["tilted"] = "tilted"
        tilt: Annotated[float, Between(-1.0, 1.0)] = -0.5

    state = ("taste",)
    taste: FloatArray

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Weigh popularity against what the model likes."""
        own = np.cos(np.arange(train.n_items)) * train.popularity.std()
        self.taste = (self.config.tilt * train.popularity + own).astype(np.float32)

    def scores(self, users: UserBatch) -> FloatArray:
        """The same for every user."""
        return np.tile(self.taste, (len(users), 1))


class Climber(Tilted):
    """Like Tilted, and tells of epochs that come nearer to `tilt`; the fourth is the best."""

    class Config(ModelConfig):
        name: Literal["climber"] = "climber"
        tilt: Annotated[float, Between(-1.0, 1.0)] = 0.5
        epochs: PositiveInt = 6

    watches_validation = True

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Climb, then weigh."""
        settings = self.config
        for epoch in range(1, settings.epochs + 1):
            name = "loss" if run.validation is None else run.validation.name
            run.tell(Progress(epoch, settings.epochs, {name: settings.tilt * epoch / settings.epochs}))
        self.best_epoch = settings.epochs if run.validation is None else min(4, settings.epochs)
        super().fit(train, run)

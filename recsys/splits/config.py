"""The section `split` of an experiment: one class a splitter."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from recsys.config import Config, Seed

Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
ShareOrNone: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
# A length of time in seconds, minutes, hours, days or weeks: 90s, 30min, 12h, 14d, 2w.
Duration: TypeAlias = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}(s|min|h|d|w)$")]

MICROSECONDS = {"s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86_400 * 10**6, "w": 7 * 86_400 * 10**6}


def microseconds(duration: str) -> int:
    """The length of a Duration.

    >>> microseconds("2w") == microseconds("14d") == 14 * 24 * 3600 * 1_000_000
    True
    """
    digits = duration.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) * MICROSECONDS[duration[len(digits) :]]


class SplitOptions(Config):
    """What every splitter shares: validation rows are cut from the training rows by the rule that cut the test."""

    @property
    def in_time(self) -> bool:
        """Whether held-out rows are later than those that models learn from, of the same user at least."""
        return False


class TwoShares(SplitOptions):
    """A share for testing, and a share of what remains for validation (0: none)."""

    test: Share = 0.2
    validation: ShareOrNone = 0.1

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.test + self.validation >= 1:
            raise ValueError(f"test {self.test:g} and validation {self.validation:g} leave nothing to train on")
        return self


class RandomSplit(TwoShares):
    """Rows drawn at random."""

    kind: Literal["random"] = "random"
    seed: Seed = 42


class LeaveOneOutSplit(SplitOptions):
    """One row of each user, the last in time or a random one.

    validation: the share of users of whom the next row is held out too.
    """

    kind: Literal["leave-one-out"]
    order: Literal["time", "random"] = "time"
    validation: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: Seed = 42

    @property
    def in_time(self) -> bool:
        return self.order == "time"


class TemporalSplit(TwoShares):
    """The newest rows of all: one cut in time for all users."""

    kind: Literal["temporal"]

    @property
    def in_time(self) -> bool:
        return True


class UserTemporalSplit(TwoShares):
    """Each user's newest rows. Models see other users' future: see the leak checks."""

    kind: Literal["user-temporal"]

    @property
    def in_time(self) -> bool:
        return True


class KFoldSplit(SplitOptions):
    """Every row is a test row in exactly one of the folds."""

    kind: Literal["k-fold"]
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    validation: ShareOrNone = 0.1
    seed: Seed = 42

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if 1 / self.folds + self.validation >= 1:
            raise ValueError(f"{self.folds} folds and validation {self.validation:g} leave nothing to train on")
        return self


class ColdUsersSplit(TwoShares):
    """A share of the users, with all their rows: strong generalisation.

    history: the oldest share of a held-out user's rows, shown to the model when it serves them, never trained on.
    """

    kind: Literal["cold-users"]
    history: ShareOrNone = 0.0
    seed: Seed = 42


class RollingSplit(SplitOptions):
    """Windows at the end of the data: each fold tests on one and trains on all before it.

    validation: the newest share of a fold's training rows.
    """

    kind: Literal["rolling"]
    window: Duration = "14d"
    folds: Annotated[int, Field(ge=1, le=1000)] = 3
    validation: ShareOrNone = 0.1

    @property
    def in_time(self) -> bool:
        return True


class PredefinedSplit(SplitOptions):
    """A test part in a file of its own; validation: a file, a random share of the training rows, or none."""

    kind: Literal["predefined"]
    test: Annotated[str, Field(min_length=1)]
    validation: ShareOrNone | Annotated[str, Field(min_length=1)] | None = None
    seed: Seed = 42

    @property
    def in_time(self) -> bool:
        """It may be, where the file says so."""
        return isinstance(self.validation, str)


SplitConfig: TypeAlias = Annotated[
    RandomSplit
    | LeaveOneOutSplit
    | TemporalSplit
    | UserTemporalSplit
    | KFoldSplit
    | ColdUsersSplit
    | RollingSplit
    | PredefinedSplit,
    Field(discriminator="kind"),
]
SPLITS: dict[str, type[SplitOptions]] = {
    "random": RandomSplit,
    "leave-one-out": LeaveOneOutSplit,
    "temporal": TemporalSplit,
    "user-temporal": UserTemporalSplit,
    "k-fold": KFoldSplit,
    "cold-users": ColdUsersSplit,
    "rolling": RollingSplit,
    "predefined": PredefinedSplit,
}

"""What one model is to do, as a small value that a fresh interpreter can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveInt

from recsys.config import Config
from recsys.errors import ExpectedError, InputError, RunError
from recsys.models.base import ModelConfig
from recsys.models.registry import model_class
from recsys.training.peers import PartedError


class Peer(Config):
    """One of several processes that fit a model together; 0 leads.

    own: the address of its machine. meet: host:port where process 0 listens. listening: the descriptor of that socket,
    which its process inherits; None in the others.
    """

    rank: NonNegativeInt
    own: str
    meet: str = ""
    listening: int | None = None


class Job(Config):
    """One model, one seed, one fold: fit it and write its lists.

    dataset, fold: stored folders. settings: of the model, its label left out. seed: 0 for a model without randomness.
    primary: the metric that ends training early, empty for a model that does not watch the validation part. length:
    items a list has at most. predict: whether values of the test rows are to be predicted too, for rmse and mae.
    ranks: which places of the test rows' items are wanted too, as metrics name what they need. processes: how many fit
    the model together; peer: which of them is to do this job, None where it is one alone.

    Where the users are shared out among several processes: fitted is the folder of the model, which is not fitted
    anew, and share is the part of the users to serve, (number, of so many); (0, 0): fit, and serve nobody.
    """

    dataset: Path
    fold: Path
    settings: dict[str, Any]
    seed: int
    positive: float | None
    weight: Literal["value", "log"] | None
    refit: bool
    primary: str
    length: int
    exclude_seen: bool
    candidates: str
    predict: bool
    threads: int
    device: str = "cpu"
    processes: PositiveInt = 1
    peer: Peer | None = None
    ranks: tuple[Literal["ranks", "row ranks"], ...] = ()
    fitted: Path | None = None
    share: tuple[NonNegativeInt, NonNegativeInt] = (0, 1)

    @property
    def model(self) -> ModelConfig:
        return model_class(self.settings["name"]).Config.model_validate(self.settings)

    def question(self) -> dict[str, Any]:
        """What the result depends on beside data and code: all but the folders and what process does which share of
        it; ranks where none are wanted and processes where there is one stand for nothing either."""
        left_out = {"dataset", "fold", "fitted", "share", "peer"}
        left_out |= (set() if self.ranks else {"ranks"}) | (set() if self.processes > 1 else {"processes"})
        return self.model_dump(mode="json", exclude=left_out)


def as_failure(error: BaseException) -> dict[str, Any]:
    """An error as plain values, for the process that started this one."""
    if isinstance(error, ExpectedError):
        parted = {"parted": True} if isinstance(error, PartedError) else {}
        return {"status": error.exit_status, **error.as_dict(), **parted}
    text = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    return {"status": 1, "place": "", "message": message, "remedy": None}


def from_failure(failure: dict[str, Any], place: str) -> ExpectedError:
    """The error that `as_failure` described; place: what to name where it named nothing."""
    kind = InputError if failure["status"] == InputError.exit_status else RunError
    return (PartedError if "parted" in failure else kind)(
        failure["place"] or place, failure["message"], failure["remedy"]
    )

"""What every recommender is: typed settings, fit, scores of a batch of users, save and load without pickle."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from recsys.config import Config, FloatArray, IntArray
from recsys.data.dataset import Entities
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import InputError
from recsys.models.explanation import Explanation
from recsys.models.requirements import require_data, require_memory
from recsys.store import file_digest
from recsys.training.run import FitRun

FORMAT = 1
WEIGHTS, USERS, ITEMS, ABOUT = "weights.safetensors", "users.parquet", "items.parquet", "model.json"
FILES = (WEIGHTS, USERS, ITEMS)
# What building the user × item matrix takes at its peak, a stored row (measured).
MATRIX_BYTES = 32


class ModelConfig(Config):
    """Settings of a model. label: the name of its row, unique in a spec; its name where left out."""

    name: str
    label: str | None = Field(default=None, min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$")

    @property
    def row(self) -> str:
        """The name of this model's row in the leaderboard."""
        return self.label or self.name

    def settings(self) -> dict[str, Any]:
        """What the fit depends on: everything but the label."""
        return {key: value for key, value in self.as_json().items() if key != "label"}

    def files(self) -> tuple[Path, ...]:
        """Files that the settings name and the fit depends on."""
        return ()


@dataclass(frozen=True)
class Needs:
    """What a model reads. user: who the user is. history: what the user has seen. values, timestamps, sessions: as in
    Interactions. A model that needs values or sessions is refused for data without them."""

    user: bool = False
    history: bool = False
    values: bool = False
    timestamps: bool = False
    sessions: bool = False


class Recommender(ABC):
    """A model that scores all items of its training part for a batch of users.

    `state` names the attributes that are the fitted model: numpy arrays and CSR matrices. They are saved as
    safetensors, beside the ids of users and items and the settings; nothing is pickled.
    """

    Config: ClassVar[type[ModelConfig]]
    needs: ClassVar[Needs] = Needs()
    state: ClassVar[tuple[str, ...]] = ()
    stochastic: ClassVar[bool] = False
    """True where the seed changes the result; other models run once, under the first seed."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """What a fit imports and takes long: imported before its time is taken."""
    control: ClassVar[bool] = False
    """True for a baseline that others are held against."""
    predicts_values: ClassVar[bool] = False
    """True where `predict` gives values of the data, such as ratings."""
    watches_validation: ClassVar[bool] = False
    """True where a fit with a validation part chooses its number of epochs: `best_epoch`, then the setting `epochs`."""
    pair_seconds: ClassVar[float] = 3e-9
    """CPU seconds that the list of a user takes for each item, scored and looked through (measured); what depends on
    settings is added by `seconds`."""
    strangers_alike: ClassVar[bool] = False
    """True where all users of whom nothing is known, unknown in training and without a row, get the same scores:
    millions of them are then scored once."""

    users: Entities
    items: Entities
    popularity: FloatArray
    """Positives an item has in training, (n_items,): what a user gets of whom nothing is known."""
    best_epoch: int | None = None
    """The epoch that the last fit found best; its last one without a validation part; None for a model without."""

    def __init__(self, config: ModelConfig) -> None:
        self.config: Any = config

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Peak bytes that a fit takes beyond the training rows; a test holds it against the measured peak."""
        return 16 * (n_users + n_items) + MATRIX_BYTES * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """CPU seconds of one fit and the lists of all training users, within a factor of about three.

        Measured on one core of a server of 2023; a model that watches validation is fitted twice.
        """
        return 2e-7 * n_interactions + self.pair_seconds * n_users * n_items

    @abstractmethod
    def fit(self, train: Interactions, run: FitRun) -> None:
        """Learn from the training part."""

    @abstractmethod
    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items), finite; seen items are scored like any other.

        A user who is unknown here, or whose history is empty, is scored as the model's documentation says.
        """

    def predict(self, user: IntArray, item: IntArray) -> FloatArray:
        """Values of pairs of positions in training, -1 where unknown, (n,); only where `predicts_values`."""
        raise NotImplementedError(f"{self.config.name} predicts no values")

    def explain(self, users: UserBatch, items: IntArray) -> Explanation | None:
        """Why the one user of the batch gets these items; None where the model looks at no history."""
        return None

    def learn(self, train: Interactions, run: FitRun) -> None:
        """Fit, and keep what serving needs: ids and the popularity fallback.

        Raises InputError where the data lack what the model needs, or the fit needs more memory than is free.
        """
        require_data(self, train)
        require_memory(self, train)
        self.users, self.items = train.users, train.items
        self.popularity = train.popularity.astype(np.float32)
        self.fit(train, run)

    def fall_back(self, scores: FloatArray, users: UserBatch) -> FloatArray:
        """The scores with popularity in the rows of users without any history."""
        empty = np.diff(users.history.indptr) == 0
        scores[empty] = self.popularity
        return scores

    def save(self, folder: Path) -> None:
        """Write the fitted model to an existing folder."""
        from safetensors.numpy import save_file

        arrays: dict[str, np.ndarray] = {}
        for name in ("popularity", *self.state):
            value = getattr(self, name)
            if sparse.issparse(value):
                arrays |= {f"{name}.{part}": getattr(value, part) for part in ("data", "indices", "indptr")}
                arrays[f"{name}.shape"] = np.array(value.shape)
            else:
                arrays[name] = np.asarray(value)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / WEIGHTS)
        self.users.frame("user")[["user"]].to_parquet(folder / USERS, index=False)
        self.items.frame("item").to_parquet(folder / ITEMS, index=False)
        about = {
            "format": FORMAT,
            "family": self.config.name,
            "settings": self.config.settings(),
            "item_kinds": self.items.kinds,
            "sha256": {name: file_digest(folder / name) for name in FILES},
        }
        (folder / ABOUT).write_text(json.dumps(about, indent=1))

    def restore(self, folder: Path, about: dict[str, Any]) -> None:
        """Read the arrays and ids that `save` wrote; the caller has chosen the class and verified the hashes."""
        import pandas as pd
        from safetensors.numpy import load_file

        arrays = load_file(folder / WEIGHTS)
        for name in ("popularity", *self.state):
            if f"{name}.shape" in arrays:
                parts = [arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr")]
                setattr(self, name, sparse.csr_array(tuple(parts), shape=tuple(arrays[f"{name}.shape"])))
            elif name in arrays:
                setattr(self, name, arrays[name])
            else:
                raise InputError(str(folder / WEIGHTS), f"holds no array '{name}'", "fit the model again")
        self.users = Entities.from_frame(pd.read_parquet(folder / USERS), "user", {})
        self.items = Entities.from_frame(pd.read_parquet(folder / ITEMS), "item", about.get("item_kinds", {}))


def spread(values: IntArray | FloatArray, n: int) -> FloatArray:
    """The same scores for n users, (n, len(values)) float32, in memory of their own."""
    return np.tile(np.asarray(values, dtype=np.float32), (n, 1))

"""Random: a list of its own for every user, drawn from the seed."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.config import FloatArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import ModelConfig, Needs, Recommender
from recsys.training.run import FitRun

Hashes = NDArray[np.uint64]
# Pairs hashed in one go, so that the copies stay in the processor's cache (measured: ten times as fast as 2**22).
BLOCK = 2**15


class Random(Recommender):
    """Uniform scores that depend on seed, user id and item id alone; a control that shows what chance gives.

    A user, known or not, gets the same list every time, whoever else is asked for.
    """

    class Config(ModelConfig):
        name: Literal["random"] = "random"

    needs = Needs(user=True)
    state = ("seed", "item_hashes")
    stochastic = True
    control = True
    pair_seconds = 6e-9
    seed: Hashes
    item_hashes: Hashes
    """(n_items,)."""

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Nothing to learn: remember the seed."""
        self.seed = mixed(np.array([run.seed], dtype=np.uint64))
        self.item_hashes = hashes(train.items.ids)

    def scores(self, users: UserBatch) -> FloatArray:
        """Uniform in [0, 1), (len(users), n_items)."""
        of_user = mixed(hashes(users.source.users.ids[users.rows]) ^ self.seed)
        found = np.empty((len(users), len(self.item_hashes)), dtype=np.float32)
        size = max(1, BLOCK // max(1, len(self.item_hashes)))
        for start in range(0, len(users), size):
            found[start : start + size] = mixed(of_user[start : start + size, None] ^ self.item_hashes) >> np.uint64(40)
        found *= np.float32(2**-24)
        return found


def hashes(ids: NDArray[Any]) -> Hashes:
    """A number for each id, (n,), the same in every process."""
    if ids.dtype != object:
        return mixed(ids.astype(np.uint64))
    digests = [blake2b(str(name).encode(), digest_size=8).digest() for name in ids]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def mixed(values: Hashes) -> Hashes:
    """SplitMix64's finalizer: every bit of the result depends on every bit of the value.

    Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, fig. 8.
    """
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values

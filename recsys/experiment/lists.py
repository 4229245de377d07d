"""The lists that one model made, in the codes of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Lists:
    """Ranked items of the users with test positives.

    users: (n,) positions in the data set, ascending. warm: (n,) known to the final fit. items: (n, k) positions in the
    data set, -1 where a list ends early. scores: (n, k) float32.

    The rest is None where nobody asked, or the model cannot say. predicted: values of the fold's test rows, (n_test,)
    float32. ranks: where each test row's item stands among all items that its user's list could have held, (n_test,)
    int32 from 1; 0 where it is none of them. row_ranks: the same with seen items left in. n_candidates: (n,) int32 how
    many items each list could have held.
    """

    users: IntArray
    warm: BoolArray
    items: IntArray
    scores: FloatArray
    predicted: FloatArray | None = None
    ranks: IntArray | None = None
    row_ranks: IntArray | None = None
    n_candidates: IntArray | None = None

    def save(self, folder: Path) -> None:
        """Write to an existing folder."""
        for name in ARRAYS:
            array = getattr(self, name)
            if array is not None:
                np.save(folder / f"{name}.npy", array)

    @classmethod
    def joined(cls, parts: Sequence[Lists]) -> Lists:
        """The lists of all users, from those that were made share by share."""
        order = np.argsort(np.concatenate([part.users for part in parts]))

        def array(name: str) -> IntArray | None:
            found = [getattr(part, name) for part in parts if getattr(part, name) is not None]
            if not found or name == "predicted":
                return found[0] if found else None
            if name in ("ranks", "row_ranks"):  # each knows the rows of its own users, and has 0 for the others
                return np.sum(found, axis=0, dtype=np.int32)
            return np.concatenate(found)[order]

        return cls(**{name: array(name) for name in ARRAYS})  # type: ignore[arg-type]

    @classmethod
    def load(cls, folder: Path) -> Lists:
        """Open stored lists; the arrays stay on disk until they are read."""

        def array(name: str) -> IntArray | None:
            path = folder / f"{name}.npy"
            return np.load(path, mmap_mode="r", allow_pickle=False) if path.exists() else None

        return cls(**{name: array(name) for name in ARRAYS})  # type: ignore[arg-type]


ARRAYS: Final = tuple(each.name for each in fields(Lists))

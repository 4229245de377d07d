"""The lists that one model made, in the codes of the data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Lists:
    """Ranked items of the users with test positives.

    users: (n,) positions in the data set, ascending. warm: (n,) known to the final fit. items: (n, k) positions in the
    data set, -1 where a list ends early. scores: (n, k) float32. predicted: values of the fold's test rows, (n_test,)
    float32, or None.
    """

    users: IntArray
    warm: BoolArray
    items: IntArray
    scores: FloatArray
    predicted: FloatArray | None = None

    def save(self, folder: Path) -> None:
        """Write to an existing folder."""
        for name in ("users", "warm", "items", "scores", "predicted"):
            array = getattr(self, name)
            if array is not None:
                np.save(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: Path) -> Lists:
        """Open stored lists; the arrays stay on disk until they are read."""

        def array(name: str) -> IntArray | None:
            path = folder / f"{name}.npy"
            return np.load(path, mmap_mode="r", allow_pickle=False) if path.exists() else None

        return cls(**{name: array(name) for name in ("users", "warm", "items", "scores", "predicted")})  # type: ignore[arg-type]

"""A fold: which rows of a data set are for what."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from recsys.config import IntArray
from recsys.data.dataset import Dataset

PARTS: Final = ("train", "validation", "test", "history")


@dataclass(frozen=True, eq=False)
class Fold:
    """Row numbers of a Dataset, int64 and ascending; no row is in two parts.

    history: rows of held-out users that a model may read when it serves them, and is never trained on. number: from 0.
    name: empty where a split has one fold.
    """

    train: IntArray
    validation: IntArray
    test: IntArray
    history: IntArray
    number: int = 0
    name: str = ""

    @classmethod
    def of(
        cls,
        n: int,
        *,
        test: IntArray,
        validation: IntArray,
        history: IntArray | None = None,
        unused: IntArray | None = None,
        number: int = 0,
        name: str = "",
    ) -> Fold:
        """The fold of a data set of n rows; what no part names is for training. Rows come in any order.

        Every row gets one code, so that no row can be in two parts or be lost.
        """
        code = np.zeros(n, dtype=np.int8)
        for part, rows in enumerate((validation, test, history, unused), start=1):
            if rows is not None:
                code[rows] = part
        parts = {part: np.flatnonzero(code == index) for index, part in enumerate(PARTS)}
        return cls(**parts, number=number, name=name)

    def save(self, folder: Path) -> None:
        """Write to an empty folder: one array a file, so that a reader can map them into memory."""
        for part in PARTS:
            np.save(folder / f"{part}.npy", getattr(self, part))
        (folder / "fold.json").write_text(json.dumps({"number": self.number, "name": self.name}))

    @classmethod
    def load(cls, folder: Path) -> Fold:
        """Open a stored fold; its arrays stay on disk until they are read."""
        about = json.loads((folder / "fold.json").read_text())
        rows = {part: np.load(folder / f"{part}.npy", mmap_mode="r", allow_pickle=False) for part in PARTS}
        return cls(**rows, **about)


def training_rows(data: Dataset, fold: Fold, refit: bool) -> IntArray:
    """Rows the final model is fitted on: train, and once refitted validation with what validation users had shown.

    Under cold-users with a history, validation users show their oldest rows while models are tuned; these rows join
    the rest of theirs in the final fit.
    """
    if not refit or not len(fold.validation):
        return fold.train
    tuned_on = np.zeros(len(data.users), dtype=bool)
    if len(fold.history):
        tuned_on[data.user[fold.validation]] = True
    shown = fold.history[tuned_on[data.user[fold.history]]]
    return _union(len(data), fold.train, fold.validation, shown)


def shown_rows(data: Dataset, fold: Fold, refit: bool) -> IntArray:
    """Rows a model may read when it serves: those it was fitted on, and the history of held-out users."""
    return _union(len(data), training_rows(data, fold, refit), fold.history)


def _union(n: int, *parts: IntArray) -> IntArray:
    """Row numbers below n that are in any of the parts, ascending; np.union1d takes 100 times as long."""
    there = np.zeros(n, dtype=bool)
    for rows in parts:
        there[rows] = True
    return np.flatnonzero(there)


def save_folds(folds: Iterable[Fold], folder: Path) -> None:
    """Write each fold to the folder of its number, `0`, `1`, …, below an existing one."""
    for fold in folds:
        (folder / str(fold.number)).mkdir()
        fold.save(folder / str(fold.number))

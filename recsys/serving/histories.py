"""What each known user has seen, as arrays on disk: what a model is asked with, and what is left out of lists."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Entities
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import InputError

TYPES = {"indptr": "<i8", "items": "<i4", "positive": "|b1", "weight": "<f4", "value": "<f4", "timestamp": "<i8"}
OPTIONAL = ("positive", "weight", "value", "timestamp")
NO_FEATURES = pd.DataFrame()


@dataclass(frozen=True, eq=False)
class Excerpt(Interactions):
    """Rows of a few users of training. `all_binary`: whether every positive of training weighs the same."""

    all_binary: bool = True

    @property
    def binary(self) -> bool:
        return self.all_binary


@dataclass(frozen=True, eq=False)
class Everybody(UserBatch):
    """All users of a source, in its order: their rows are its matrices, and need not be picked out of them."""

    @cached_property
    def history(self) -> sparse.csr_array:
        return self.source.matrix

    @cached_property
    def seen(self) -> sparse.csr_array:
        return self.source.seen

    @cached_property
    def values(self) -> sparse.csr_array:
        return self.source.values


@dataclass(frozen=True, eq=False)
class Histories:
    """Rows of all training users, each user's oldest first.

    indptr: (n_users + 1,) int64. items: (n,) int32 positions. positive, weight, value: (n,), or None where all are
    positive, all weigh 1, or the data have no values. binary: every positive weighs 1. top: the largest value, what a
    new user's items are taken to be worth. timestamp: (n,) int64, of a model that reads times and users who share a
    clock.
    """

    indptr: IntArray
    items: IntArray
    positive: BoolArray | None = None
    weight: FloatArray | None = None
    value: FloatArray | None = None
    binary: bool = True
    top: float | None = None
    timestamp: IntArray | None = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @classmethod
    def of(cls, train: Interactions, times: bool = False) -> Histories:
        """The histories of a training part. times: whether the model reads them."""
        counts = np.bincount(train.user, minlength=train.n_users)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        by_time = np.arange(len(train)) if train.timestamp is None else np.argsort(train.timestamp, kind="stable")
        order = by_time[np.argsort(train.user[by_time], kind="stable")]
        return cls(
            indptr,
            np.asarray(train.item[order], dtype=np.int32),
            None if train.positive.all() else np.asarray(train.positive[order], dtype=bool),
            None if train.binary else np.asarray(train.weight[order], dtype=np.float32),
            None if train.value is None else np.asarray(train.value[order], dtype=np.float32),
            bool(train.binary),
            None if train.value is None or not len(train) else float(train.value.max()),
            train.timestamp[order] if times and train.timestamp is not None and train.clock == "time" else None,
        )

    def save(self, folder: Path) -> None:
        """Write to an existing folder, an array a file."""
        for name in TYPES:
            array = getattr(self, name)
            if array is not None:
                np.save(folder / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, n_users: int, n_items: int, *, binary: bool, top: float | None) -> Histories:
        """Open stored histories of so many users and items; all but `indptr` stay on disk until they are read.

        Raises InputError where the arrays do not fit together.
        """
        arrays: dict[str, Any] = {}
        for name, kind in TYPES.items():
            path = folder / f"{name}.npy"
            if name in OPTIONAL and not path.exists():
                continue
            arrays[name] = _mapped(path, kind)
        indptr, items = arrays["indptr"], arrays["items"]
        sound = (
            len(indptr) == n_users + 1
            and int(indptr[0]) == 0
            and bool(np.all(np.diff(indptr) >= 0))
            and int(indptr[-1]) == len(items)
            and all(len(arrays[name]) == len(items) for name in OPTIONAL if name in arrays)
            and (not len(items) or (int(items.min()) >= 0 and int(items.max()) < n_items))
        )
        if not sound:
            message = f"holds no histories of {n_users:,} users and {n_items:,} items"
            raise InputError(str(folder), message, "write the bundle again")
        return cls(np.asarray(indptr), binary=binary, top=top, **{n: a for n, a in arrays.items() if n != "indptr"})

    def seen(self, user: int) -> IntArray:
        """Items of a user, oldest first."""
        return np.asarray(self.items[self.indptr[user] : self.indptr[user + 1]])

    def batch(self, users: Entities, items: Entities, start: int, stop: int) -> UserBatch:
        """The training users at positions start to stop, as a model is asked to serve them.

        The same rows as `train.batch` gives, so the same scores.
        """
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        rows, n = slice(first, last), stop - start

        def part(array: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if array is None else np.asarray(array[rows])

        positive, weight = part(self.positive), part(self.weight)
        source = Excerpt(
            user=np.repeat(np.arange(n, dtype=np.int32), np.diff(self.indptr[start : stop + 1])),
            item=np.asarray(self.items[rows]),
            value=part(self.value),
            timestamp=part(self.timestamp),
            positive=np.ones(last - first, dtype=bool) if positive is None else positive,
            weight=np.ones(last - first, dtype=np.float32) if weight is None else weight,
            users=Entities(users.ids[start:stop], NO_FEATURES, {}),
            items=items,
            all_binary=self.binary,
        )
        return Everybody(source, np.arange(n), np.arange(start, stop))

    def stranger(self, items: Entities, history: IntArray) -> UserBatch:
        """One user outside training who has taken these items, oldest first, each as a positive."""
        n = len(history)
        source = Interactions(
            user=np.zeros(n, dtype=np.int32),
            item=np.asarray(history, dtype=np.int32),
            value=None if self.top is None else np.full(n, self.top, dtype=np.float32),
            timestamp=None,
            positive=np.ones(n, dtype=bool),
            weight=np.ones(n, dtype=np.float32),
            users=Entities(np.array(["new"], dtype=object), NO_FEATURES, {}),
            items=items,
        )
        return Everybody(source, np.zeros(1, dtype=np.int64), np.full(1, -1))


def _mapped(path: Path, kind: str) -> NDArray[Any]:
    """An array that stays on disk. Raises InputError where the file holds no such array."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(str(path), "is no stored array", "write the bundle again") from error
    if array.dtype.str != kind or array.ndim != 1:
        shown = f"{array.dtype} of {array.ndim} dimensions"
        raise InputError(str(path), f"holds {shown}, one dimension of {np.dtype(kind)} is needed", "write it again")
    return array

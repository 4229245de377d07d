"""What a model trains on and is asked about: compact indices, nothing of the rest of the data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Dataset, Entities, in_time
from recsys.data.raw import Clock

if TYPE_CHECKING:
    import pandas as pd

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, eq=False)
class Interactions:
    """Rows of interactions among the users and items of a training part.

    user, item: (n,) int32 positions in users and items, which hold what occurs in training and nothing else (with
    the whole catalogue as candidates: all items). value: (n,) float32 or None. timestamp: (n,) int64 or None.
    positive: (n,) what counts as a positive. weight: (n,) float32 confidence of a positive. sessions, clock: as in
    Dataset, sessions of known items only.
    """

    user: IntArray
    item: IntArray
    value: FloatArray | None
    timestamp: IntArray | None
    positive: BoolArray
    weight: FloatArray
    users: Entities
    items: Entities
    sessions: pd.DataFrame | None = None
    clock: Clock = "time"

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_items(self) -> int:
        return len(self.items)

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """Positives as (n_users, n_items) float32: the weight, 1 unless the data say otherwise."""
        kept = self.positive
        matrix = self._csr(self.user[kept], self.item[kept], self.weight[kept])
        if self.binary:
            matrix.data[:] = 1
        return matrix

    @cached_property
    def binary(self) -> bool:
        """True where every positive weighs the same."""
        return bool(np.all(self.weight == 1))

    @cached_property
    def seen(self) -> sparse.csr_array:
        """All rows, positive or not, as (n_users, n_items) ones."""
        if self.binary and self.positive.all():
            return self.matrix
        matrix = self._csr(self.user, self.item, np.ones(len(self), dtype=np.float32))
        matrix.data[:] = 1
        return matrix

    @cached_property
    def values(self) -> sparse.csr_array:
        """The values of all rows as (n_users, n_items), explicit zeros kept; a pair that occurs twice holds the mean.

        Raises ValueError where the data have no values.
        """
        if self.value is None:
            raise ValueError("these interactions have no values")
        total = self._csr(self.user, self.item, self.value)
        count = self._csr(self.user, self.item, np.ones(len(self), dtype=np.float32))
        total.data /= count.data
        return total

    @cached_property
    def ages(self) -> sparse.csr_array:
        """Days from each positive to the newest of its user, in the places of `matrix`; of a pair that occurs twice the
        newer one. For data whose users share a clock."""
        kept = np.flatnonzero(self.positive)
        user, time = self.user[kept], np.asarray(self.timestamp)[kept]
        newest = np.full(self.n_users, np.iinfo(np.int64).min)
        np.maximum.at(newest, user, time)
        matrix = self.matrix
        places = np.repeat(np.arange(self.n_users, dtype=np.int64), np.diff(matrix.indptr)) * self.n_items
        place = np.searchsorted(places + matrix.indices, user.astype(np.int64) * self.n_items + self.item[kept])
        days = np.full(len(matrix.data), np.inf, dtype=np.float32)
        np.minimum.at(days, place, ((newest[user] - time) / DAY).astype(np.float32))
        return sparse.csr_array((days, matrix.indices, matrix.indptr), shape=matrix.shape)

    @cached_property
    def sequences(self) -> tuple[IntArray, IntArray]:
        """Every user's items in the order of time: (indptr of n_users + 1, items of n)."""
        order = in_time(self.timestamp, len(self))
        order = order[np.argsort(self.user[order], kind="stable")]
        counts = np.bincount(self.user, minlength=self.n_users)
        return np.concatenate([[0], np.cumsum(counts)]), self.item[order]

    @cached_property
    def popularity(self) -> IntArray:
        """Positives an item has, (n_items,)."""
        return np.bincount(self.item[self.positive], minlength=self.n_items)

    def batch(self, users: IntArray, known: bool = True) -> UserBatch:
        """These users as a model is asked to serve them; `known` is False for users outside training."""
        users = np.asarray(users)
        return UserBatch(self, users, users if known else np.full(len(users), -1))

    def _csr(self, user: IntArray, item: IntArray, data: FloatArray) -> sparse.csr_array:
        matrix = sparse.csr_array((data, (user, item)), shape=(self.n_users, self.n_items), dtype=np.float32)
        matrix.sort_indices()
        return matrix


@dataclass(frozen=True, eq=False)
class UserBatch:
    """Users to serve: who they are and what each has seen.

    source: holds their rows. rows: (n,) their positions in source. index: (n,) their positions in training, -1 where
    unknown there. A model that reads histories alone serves new users for free.
    """

    source: Interactions
    rows: IntArray
    index: IntArray

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def history(self) -> sparse.csr_array:
        """Weights of each user's positives, (n, n_items)."""
        return self.source.matrix[self.rows]

    @cached_property
    def seen(self) -> sparse.csr_array:
        """Ones where a user has seen an item, (n, n_items)."""
        return self.source.seen[self.rows]

    @cached_property
    def values(self) -> sparse.csr_array:
        """Values of each user's rows, (n, n_items)."""
        return self.source.values[self.rows]

    def sequence(self, row: int) -> IntArray:
        """Items that the user at this row of the batch has seen, oldest first."""
        indptr, items = self.source.sequences
        user = self.rows[row]
        return items[indptr[user] : indptr[user + 1]]


def training_view(
    data: Dataset, rows: IntArray, positive: float | None, weight: str | None, whole_catalogue: bool = False
) -> Interactions:
    """The rows of a data set as a training part, coded anew among the users and items that occur in them.

    positive: values at or above it are positives; None: all. weight: None, "value" or "log", as in DataOptions.
    """
    rows = rows if np.all(rows[1:] >= rows[:-1]) else np.sort(rows)
    user, item = np.asarray(data.user[rows]), np.asarray(data.item[rows])
    # Counting is an order of magnitude faster than np.unique.
    users = np.flatnonzero(np.bincount(user, minlength=len(data.users)))
    items = np.arange(len(data.items)) if whole_catalogue else np.flatnonzero(np.bincount(item))
    user_code, item_code = _codes(users, len(data.users)), _codes(items, len(data.items))
    user, item = user_code[user], item_code[item]  # those of the whole data set are let go
    sessions = data.sessions
    if sessions is not None:
        sessions = sessions.assign(item=item_code[sessions["item"].to_numpy()])
        sessions = sessions[sessions["item"] >= 0].reset_index(drop=True)
        if "user" in sessions:
            sessions = sessions.assign(user=np.append(user_code, -1)[sessions["user"].to_numpy()])
    return Interactions(
        user=user,
        item=item,
        **_measures(data, rows, positive, weight),
        users=data.users.take(users),
        items=data.items.take(items),
        sessions=sessions,
    )


def _codes(kept: IntArray, n: int) -> IntArray:
    codes = np.full(n, -1, dtype=np.int32)
    codes[kept] = np.arange(len(kept), dtype=np.int32)
    return codes


def _measures(data: Dataset, rows: IntArray, positive: float | None, weight: str | None) -> dict[str, Any]:
    """Value, time, positive and weight of these rows, as Interactions names them."""
    value = None if data.value is None else np.asarray(data.value[rows])
    confidence = np.ones(len(rows), dtype=np.float32)
    if weight is not None and value is not None:
        confidence = (value if weight == "value" else np.log1p(value)).astype(np.float32)
    return {
        "value": value,
        "timestamp": None if data.timestamp is None else np.asarray(data.timestamp[rows]),
        "clock": data.clock,
        "positive": np.ones(len(rows), bool) if positive is None or value is None else value >= positive,
        "weight": confidence,
    }


def serving_view(
    data: Dataset, train: Interactions, users: IntArray, rows: IntArray, positive: float | None, weight: str | None
) -> Interactions:
    """Users outside training as a model meets them: those of `rows` that are about an item it knows.

    users: positions in the data set; they are the users of the result, in this order, with or without rows.
    """
    code = _codes(users, len(data.users))
    item_code = np.full(len(data.items), -1, dtype=np.int32)
    item_code[data.items.positions(train.items.ids)] = np.arange(train.n_items, dtype=np.int32)
    user, item = code[data.user[rows]], item_code[data.item[rows]]
    kept = (user >= 0) & (item >= 0)
    return Interactions(
        user=user[kept],
        item=item[kept],
        **_measures(data, rows[kept], positive, weight),
        users=data.users.take(users),
        items=train.items,
    )


def known_view(
    data: Dataset, users: Entities, items: Entities, rows: IntArray, positive: float | None, weight: str | None
) -> Interactions:
    """Rows in the codes of a model that was fitted before, on other rows: those of users and items it knows."""
    codes = []
    for known, entities in ((users, data.users), (items, data.items)):
        position = entities.positions(known.ids)
        code = np.full(len(entities), -1, dtype=np.int32)
        code[position[position >= 0]] = np.flatnonzero(position >= 0)
        codes.append(code)
    user, item = codes[0][data.user[rows]], codes[1][data.item[rows]]
    kept = (user >= 0) & (item >= 0)
    return Interactions(
        user=user[kept], item=item[kept], **_measures(data, rows[kept], positive, weight), users=users, items=items
    )


def history_view(train: Interactions, items: IntArray) -> Interactions:
    """One user outside training who has taken these items of it, oldest first, each as a positive."""
    n = len(items)
    stranger = Entities(np.array(["new"], object), train.users.features.iloc[:0].reindex([0]), train.users.kinds)
    return Interactions(
        user=np.zeros(n, dtype=np.int32),
        item=np.asarray(items, dtype=np.int32),
        value=None if train.value is None else np.full(n, train.value.max(), dtype=np.float32),
        timestamp=None,
        positive=np.ones(n, dtype=bool),
        weight=np.ones(n, dtype=np.float32),
        users=stranger,
        items=train.items,
    )

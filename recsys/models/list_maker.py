"""Models that make the lists of a comparison themselves, and leave nothing that could be asked again."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import sparse

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Entities
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import ABOUT, FORMAT, Recommender
from recsys.training.run import FitRun


@dataclass(frozen=True, eq=False)
class ListRequest:
    """Lists that are wanted: of k items each, for these users, after training on these rows.

    train: the training part; its items are what a list may hold. positive: its values from there on are positives;
    None: all. users: those to serve, ascending. known: (n,) their positions in train, -1 where unknown there.
    histories: what may be shown of the unknown ones, who are its users, in this order. exclude_seen: whether lists are
    to leave out what a user has taken. candidates: (n, n_items) the only items allowed, or None. folder: an empty one.
    """

    train: Interactions
    positive: float | None
    users: Entities
    known: IntArray
    histories: Interactions
    k: int
    exclude_seen: bool
    candidates: sparse.csr_array | None
    folder: Path

    @cached_property
    def seen(self) -> sparse.csr_array:
        """Ones where a user to serve has taken an item, (n, n_items)."""
        both = sparse.vstack([self.train.seen, self.histories.seen], format="csr")
        strangers = self.train.n_users + np.cumsum(self.known < 0) - 1
        return both[np.where(self.known >= 0, self.known, strangers)]

    @cached_property
    def left(self) -> IntArray:
        """Items that the list of each user may hold, (n,)."""
        allowed, seen = self.candidates, self.seen
        if allowed is None:
            taken = np.diff(seen.indptr) if self.exclude_seen else np.zeros(len(self.users), dtype=np.int64)
            return self.train.n_items - taken
        allowed = allowed.astype(bool)
        taken = np.diff((allowed.multiply(seen.astype(bool))).tocsr().indptr) if self.exclude_seen else 0
        return np.diff(allowed.tocsr().indptr) - taken

    def holds(self, matrix: sparse.csr_array, user: IntArray, item: IntArray) -> BoolArray:
        """Whether (n, n_items) `matrix` has an entry at each of these pairs, (m,)."""
        rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
        pairs = rows * self.train.n_items + matrix.indices
        return np.isin(user.astype(np.int64) * self.train.n_items + item, pairs)


class ListMaker(Recommender):
    """A model that is asked for lists once, while it is fitted: it is compared, and neither served nor retrained."""

    @abstractmethod
    def lists(self, request: ListRequest, run: FitRun) -> tuple[IntArray, FloatArray]:
        """Train and recommend: items (n, k) int32 of train, -1 where a list ends early, and scores (n, k) float32."""

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Nothing: `lists` does all."""

    def scores(self, users: UserBatch) -> FloatArray:
        """There are none. Raises NotImplementedError."""
        raise NotImplementedError(f"{self.config.name} makes lists and no scores")

    def save(self, folder: Path) -> None:
        """Write what it was; there is no fitted model."""
        about = {"format": FORMAT, "family": self.config.name, "settings": self.config.settings()}
        (folder / ABOUT).write_text(json.dumps(about, indent=1))

"""User k-nearest neighbours: what the users most like this one have taken."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs, Recommender
from recsys.models.neighbors import CELLS, TINY, lengths, scaled, strongest
from recsys.models.space import Between
from recsys.training.run import FitRun


class UserKnn(Recommender):
    """An item's score is the sum of the similarities of the nearest `neighbors` training users who have it.

    Similarity is the cosine of histories, in which an item counts by its rarity to the power `rarity` (0: all items
    count the same), shrunk where it rests on few items.
    Herlocker et al., "An Algorithmic Framework for Performing Collaborative Filtering", SIGIR 1999, for implicit data.
    There is nothing to fit; scoring compares a user with all training users. A new user is served by the history alone;
    a user without one, or like nobody, gets popularity.
    """

    class Config(ModelConfig):
        name: Literal["user-knn"] = "user-knn"
        neighbors: Annotated[PositiveInt, Between(5, 1000, log=True)] = 100
        shrinkage: Annotated[NonNegativeFloat, Between(0.1, 1000.0, log=True)] = 5.0
        rarity: Annotated[NonNegativeFloat, Between(0.0, 2.0)] = 0.5

    needs = Needs(history=True)
    state = ("matrix", "weights")
    matrix: sparse.csr_array
    """(n_users, n_items): the positives of training."""
    weights: FloatArray
    """(n_items,) float32: what having an item says about a user."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """The matrix and its weighted copies."""
        return 8 * (n_users + n_items) + (MATRIX_BYTES + 24) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Pairs of users with the same item, the strongest of each user, and their histories added up."""
        pairs = 1.5e-8 * n_interactions**2 / max(n_items, 1) + 1e-8 * n_users**2
        lists = 5e-9 * n_interactions * min(self.config.neighbors, n_users)
        return super().seconds(n_users, n_items, n_interactions) + pairs + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Keep the matrix and weigh the items."""
        self.matrix = train.matrix
        users = np.bincount(train.matrix.indices, minlength=train.n_items)
        rarity = np.log1p(train.n_users / np.maximum(users, 1)) ** self.config.rarity
        # With a mean square of 1 over entries, shrinkage means the same whatever the rarity.
        self.weights = (rarity / np.sqrt(np.average(np.square(rarity), weights=users))).astype(np.float32)

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        scores = np.zeros((len(users), self.matrix.shape[1]), dtype=np.float32)
        profiles = scaled(users.history, None, self.weights)
        size = max(1, CELLS // self.matrix.shape[0])
        for start in range(0, len(users), size):
            rows = slice(start, start + size)
            near = self._neighbors(profiles[rows], users.index[rows])
            scores[rows] = (near @ self.matrix).toarray()
        lonely = ~scores.any(axis=1)
        scores[lonely] = self.popularity
        return scores

    def _neighbors(self, profiles: sparse.csr_array, index: np.ndarray) -> sparse.csr_array:
        """Similarities to the nearest training users but oneself, (n, n_users)."""
        near = (profiles @ self._by_item).tocsr()
        row = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
        together = lengths(profiles)[row] * self._lengths[near.indices] + np.float32(self.config.shrinkage)
        near.data /= np.maximum(together, TINY)
        near.data[near.indices == index[row]] = 0
        return strongest(near, self.config.neighbors)

    @cached_property
    def _by_item(self) -> sparse.csr_array:
        """Weighted histories of the training users, (n_items, n_users)."""
        return scaled(self.matrix, None, self.weights).T.tocsr()

    @cached_property
    def _lengths(self) -> FloatArray:
        return lengths(scaled(self.matrix, None, self.weights))

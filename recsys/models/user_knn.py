"""User k-nearest neighbours: what the users most like this one have taken."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models import rating_neighbors
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs, Recommender
from recsys.models.explanation import Explanation
from recsys.models.neighbors import CELLS, TINY, lengths, scaled, strongest
from recsys.models.rating_neighbors import (
    as_written,
    centred,
    largest_first,
    nearest_means,
    pearson,
    pearson_parts,
    row_means,
)
from recsys.models.space import Between
from recsys.training.run import FitRun


class UserKnn(Recommender):
    """An item's score is the sum of the similarities of the nearest `neighbors` training users who have it.

    Similarity is the cosine of histories, in which an item counts by its rarity to the power `rarity` (0: all items
    count the same), shrunk where it rests on few items.
    Herlocker et al., "An Algorithmic Framework for Performing Collaborative Filtering", SIGIR 1999, for implicit data.
    With `similarity: pearson` it is their own method, for values: an item's score is the value that is expected, the
    user's mean plus the mean deviation of the `neighbors` most alike of those who have the item, weighted by the
    correlation over the items both have; the user's mean where nobody alike has it.
    There is nothing to fit; scoring compares a user with all training users. A new user is served by the history alone;
    a user without one, or like nobody, gets popularity.
    """

    class Config(ModelConfig):
        name: Literal["user-knn"] = "user-knn"
        similarity: Literal["cosine", "pearson"] = "cosine"
        neighbors: Annotated[PositiveInt, Between(5, 1000, log=True)] = 100
        shrinkage: Annotated[NonNegativeFloat, Between(0.1, 1000.0, log=True)] = 5.0
        rarity: Annotated[NonNegativeFloat, Between(0.0, 2.0)] = 0.5

    needs = Needs(history=True)
    state = ("matrix", "weights")
    strangers_alike = True
    matrix: sparse.csr_array
    """(n_users, n_items): the positives of training; with pearson the values."""
    weights: FloatArray
    """(n_items,) float32: what having an item says about a user; with pearson (0,)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        if self.config.similarity == "pearson":
            self.needs = Needs(history=True, values=True)  # type: ignore[misc]

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """The matrix and its weighted copies."""
        return 8 * (n_users + n_items) + (MATRIX_BYTES + 24) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Pairs of users with the same item, the strongest of each user, and their histories added up."""
        if self.needs.values:
            pairs = 6e-8 * n_interactions**2 / max(n_items, 1)
            return super().seconds(n_users, n_items, n_interactions) + pairs + 4e-9 * n_users * n_interactions
        pairs = 1.5e-8 * n_interactions**2 / max(n_items, 1) + 1e-8 * n_users**2
        lists = 5e-9 * n_interactions * min(self.config.neighbors, n_users)
        return super().seconds(n_users, n_items, n_interactions) + pairs + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Keep the matrix and weigh the items."""
        if self.needs.values:
            self.matrix, self.weights = train.values, np.empty(0, dtype=np.float32)
            return
        self.matrix = train.matrix
        users = np.bincount(train.matrix.indices, minlength=train.n_items)
        rarity = np.log1p(train.n_users / np.maximum(users, 1)) ** self.config.rarity
        # With a mean square of 1 over entries, shrinkage means the same whatever the rarity.
        self.weights = (rarity / np.sqrt(np.average(np.square(rarity), weights=users))).astype(np.float32)

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        if self.needs.values:
            return self._expected(users)
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

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the score: its share of the likeness to those who have the item."""
        if self.needs.values:
            return self._expected_parts(users, items)
        history, own = users.history[[0]], self.weights
        near = self._neighbors(scaled(history, None, own), users.index[:1])
        both = scaled(
            self.matrix[near.indices][:, history.indices], None, np.square(own[history.indices]) * history.data
        )
        # What two users share, by item, brought to the sum that is their similarity.
        share = scaled(both, near.data / np.maximum(both.sum(axis=1), TINY), None)
        parts = (self.matrix[near.indices][:, items].T @ share).toarray()
        return Explanation(history.indices, parts, additive=True)

    def _expected(self, users: UserBatch) -> FloatArray:
        """Values that are expected, (len(users), n_items), by correlation with all training users."""
        scores = np.empty((len(users), self.matrix.shape[1]), dtype=np.float32)
        values = as_written(users.values)
        size = max(1, rating_neighbors.CELLS // self.matrix.shape[0])
        for start in range(0, len(users), size):
            rows = slice(start, start + size)
            near = self._correlations(values[rows], users.index[rows])
            deviation = nearest_means(near, self._deviations.T.tocsr(), self.config.neighbors)
            scores[rows] = row_means(values[rows])[:, None] + np.nan_to_num(deviation)
        return self.fall_back(scores, users)

    def _expected_parts(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the mean and to the correlations behind an expected value."""
        values = as_written(users.values[[0]])
        near = self._correlations(values, users.index[:1])[0]
        by_item = self._deviations[:, items].T.tocsr()
        parts = np.tile(values.data / max(values.nnz, 1), (len(items), 1))
        for place in range(len(items)):
            entries = slice(by_item.indptr[place], by_item.indptr[place + 1])
            first = largest_first(near[None, by_item.indices[entries]])[0, : self.config.neighbors]
            first = first[near[by_item.indices[entries][first]] != 0]
            others, deviation = by_item.indices[entries][first], by_item.data[entries][first]
            if len(others):
                size = np.abs(near[others]).sum()
                parts[place] += deviation / size @ pearson_parts(centred(values), self._deviations[others])
        return Explanation(values.indices, parts.astype(np.float32), additive=True)

    def _correlations(self, values: sparse.csr_array, index: IntArray) -> FloatArray:
        """With every training user but oneself, (n, n_users) float32."""
        near = pearson(centred(values), self._deviations)
        known = np.flatnonzero(index >= 0)
        near[known, index[known]] = 0
        return near

    def _neighbors(self, profiles: sparse.csr_array, index: np.ndarray) -> sparse.csr_array:
        """Similarities to the nearest training users but oneself, (n, n_users)."""
        near = (profiles @ self._by_item).tocsr()
        row = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
        together = lengths(profiles)[row] * self._lengths[near.indices] + np.float32(self.config.shrinkage)
        near.data /= np.maximum(together, TINY)
        near.data[near.indices == index[row]] = 0
        return strongest(near, self.config.neighbors)

    @cached_property
    def _deviations(self) -> sparse.csr_array:
        """Values of the training users less their means, (n_users, n_items)."""
        return centred(as_written(self.matrix))

    @cached_property
    def _by_item(self) -> sparse.csr_array:
        """Weighted histories of the training users, (n_items, n_users)."""
        return scaled(self.matrix, None, self.weights).T.tocsr()

    @cached_property
    def _lengths(self) -> FloatArray:
        return lengths(scaled(self.matrix, None, self.weights))

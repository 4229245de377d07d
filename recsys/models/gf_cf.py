"""GF-CF: two filters of the graph of users and items, without training."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, Needs
from recsys.models.ease import one_by_one
from recsys.models.explanation import Explanation
from recsys.models.neighbors import CELLS, TINY, scaled
from recsys.models.pure_svd import right_vectors, svd_memory, svd_seconds
from recsys.models.recency import TimedConfig, TimedRecommender
from recsys.models.space import Between
from recsys.training.run import FitRun


class GfCf(TimedRecommender):
    """r (NᵀN + alpha · D^-½ V Vᵀ D^½): one step over the graph, and what is smooth on it.

    N is the matrix of positives divided by the roots of users' and items' sums, D the items' sums, V the strongest
    `embedding_size` right singular vectors of N.
    Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021, eq. 8 and algorithm 1.
    A new user is served by the history alone, exactly; a user without one gets popularity.
    """

    class Config(TimedConfig):
        name: Literal["gf-cf"] = "gf-cf"
        embedding_size: Annotated[PositiveInt, Between(8, 512, log=True)] = 64
        alpha: Annotated[NonNegativeFloat, Between(0.01, 10.0, log=True)] = 0.3

    needs = Needs(history=True)
    state = ("normalized", "vectors", "root")
    strangers_alike = True
    normalized: sparse.csr_array
    """N, (n_users, n_items) float32."""
    vectors: FloatArray
    """V, (n_items, embedding_size) float32."""
    root: FloatArray
    """D^½, (n_items,) float32."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """The matrix, N and its decomposition."""
        decomposed = svd_memory(n_users, n_items, n_interactions, self.config.embedding_size)
        return decomposed + (MATRIX_BYTES + 12) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """The decomposition; every user's neighbours and their items."""
        size = self.config.embedding_size
        pairs = 5e-9 * n_interactions**2 / max(n_items, 1) + 5e-10 * n_users * n_interactions
        lists = 1e-9 * n_interactions * size + 2e-11 * n_users * n_items * size
        fit = svd_seconds(n_users, n_items, n_interactions, size)
        return super().seconds(n_users, n_items, n_interactions) + fit + pairs + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Normalise and decompose the matrix."""
        matrix = train.matrix
        self.root = np.sqrt(matrix.sum(axis=0)).astype(np.float32)
        of_users = np.sqrt(matrix.sum(axis=1))
        self.normalized = scaled(matrix, 1 / np.maximum(of_users, TINY), 1 / np.maximum(self.root, TINY))
        self.vectors = right_vectors(self.normalized, self.config.embedding_size)

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items), a block of users at a time."""
        history = self.history(users)
        scores = self._smooth(history) @ (self.vectors * self.root[:, None]).T
        size = max(1, CELLS // max(self.normalized.shape))
        for start in range(0, len(users), size):
            rows = slice(start, start + size)
            scores[rows] += (history[rows] @ self._by_item).toarray() @ self.normalized
        return self.fall_back(self.lifted(scores), users)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the score."""
        history = self.history(users)[[0]]
        each = one_by_one(history)
        step = (each @ self._by_item) @ self.normalized[:, items]
        smooth = self._smooth(each) @ (self.vectors[items] * self.root[items, None]).T
        return Explanation(history.indices, self.lifted(step.toarray() + smooth, items).T, additive=True)

    def _smooth(self, history: sparse.csr_array) -> FloatArray:
        """alpha · r D^-½ V, (n, embedding_size)."""
        return history @ (self.vectors * (self.config.alpha / np.maximum(self.root, TINY))[:, None])

    @cached_property
    def _by_item(self) -> sparse.csr_array:
        """Nᵀ, (n_items, n_users)."""
        return self.normalized.T.tocsr()

"""PureSVD: items projected on what most histories have in common."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import PositiveInt
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, Needs
from recsys.models.explanation import Explanation
from recsys.models.recency import TimedConfig, TimedRecommender
from recsys.models.space import Between
from recsys.models.vectors import VectorRecommender
from recsys.training.run import FitRun

# Singular values below this share of the largest are the rounding of zero.
LEAST = 1e-5


class PureSvd(TimedRecommender, VectorRecommender):
    """The history projected on the strongest right singular vectors of the matrix of positives: r V Vᵀ.

    Cremonesi, Koren and Turrin, "Performance of Recommender Algorithms on Top-N Recommendation Tasks", RecSys 2010.
    A new user is served by the history alone, exactly; a user without one gets popularity.
    """

    class Config(TimedConfig):
        name: Literal["pure-svd"] = "pure-svd"
        embedding_size: Annotated[PositiveInt, Between(4, 256, log=True)] = 16

    needs = Needs(history=True)
    state = ("item_vectors", "item_biases")

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """The matrix and the decomposition."""
        decomposed = svd_memory(n_users, n_items, n_interactions, self.config.embedding_size)
        return decomposed + MATRIX_BYTES * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """The decomposition, and a product of vectors for every pair."""
        size = self.config.embedding_size
        lists = 1e-9 * n_interactions * size + 2e-11 * n_users * n_items * size
        return (
            super().seconds(n_users, n_items, n_interactions)
            + svd_seconds(n_users, n_items, n_interactions, size)
            + lists
        )

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Decompose the matrix."""
        self.item_vectors = self.lifted(right_vectors(train.matrix, self.config.embedding_size).T).T
        self.item_biases = np.zeros(train.n_items, dtype=np.float32)
        self.put_last(np.flatnonzero(train.popularity == 0))

    def user_vectors(self, users: UserBatch) -> FloatArray:
        """The sum of the vectors in each history, (len(users), embedding_size)."""
        return self.history(users) @ self.own_vectors

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the score: the product of its vector and the candidate's."""
        history = self.history(users)[[0]]
        parts = self.item_vectors[items] @ self.own_vectors[history.indices].T
        return Explanation(history.indices, parts * history.data, additive=True)


def right_vectors(matrix: sparse.csr_array, size: int) -> FloatArray:
    """The strongest right singular vectors of a matrix (n, m), as columns, (m, size) float32; zero beyond the rank.

    They are eigenvectors of the Gram matrix of the smaller side, which is not written down unless it is tiny. Equal
    matrices give equal vectors.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    tall = matrix.shape[0] >= matrix.shape[1]
    one = (matrix if tall else matrix.T).astype(np.float64).tocsr()
    other = one.T.tocsr()
    small = one.shape[1]
    if 2 * size < small:
        gram = LinearOperator((small, small), matvec=lambda vector: other @ (one @ vector), dtype=np.float64)
        # A start and restarts of one seed: ARPACK's own would differ from call to call.
        random = np.random.default_rng(0)
        squares, vectors = eigsh(gram, k=size, v0=random.standard_normal(small), rng=random)
    else:
        squares, vectors = np.linalg.eigh((other @ one).toarray())
    order = np.argsort(-squares)[:size]
    order = order[squares[order] > LEAST**2 * squares.max()]
    best = vectors[:, order] if tall else one @ (vectors[:, order] / np.sqrt(squares[order]))
    found = np.zeros((matrix.shape[1], size), dtype=np.float32)
    found[:, : len(order)] = best
    return found


def svd_memory(n_users: int, n_items: int, n_interactions: int, size: int) -> int:
    """Peak bytes of `right_vectors` beside the matrix: two copies of it, Lanczos vectors, the result."""
    small = min(n_users, n_items)
    return 24 * n_interactions + 8 * small * max(4 * size, 20) + 12 * n_items * size


def svd_seconds(n_users: int, n_items: int, n_interactions: int, size: int) -> float:
    """CPU seconds of `right_vectors`."""
    steps = 6 * size + 40
    return steps * (4e-9 * n_interactions + 1e-9 * min(n_users, n_items) * size)

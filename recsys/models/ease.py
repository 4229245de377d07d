"""EASE: a linear item-item model in closed form."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import PositiveFloat
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import RunError
from recsys.models.base import MATRIX_BYTES, Needs
from recsys.models.explanation import Explanation
from recsys.models.recency import TimedConfig, TimedRecommender
from recsys.models.space import Between
from recsys.training.run import FitRun

BLOCK = 1024


class Ease(TimedRecommender):
    """Embarrassingly shallow autoencoder.

    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, eq. 8.
    Fitting inverts one float32 matrix in place: items x items, or users x users where there are fewer users; the scores
    are the same, and time grows with the cube of the smaller number. A new user is served by the history alone,
    exactly; a user without one gets popularity.
    """

    class Config(TimedConfig):
        name: Literal["ease"] = "ease"
        regularization: Annotated[PositiveFloat, Between(10.0, 10_000.0, log=True)] = 500.0

    needs = Needs(history=True)
    state = ("weights", "positives", "inverse", "own")
    strangers_alike = True
    weights: FloatArray
    """(n_items, n_items) float32; column j predicts item j; zero diagonal. Empty from the users' side."""
    positives: sparse.csr_array
    """X, the positives of training, (n_users, n_items). This and what follows are empty from the items' side."""
    inverse: FloatArray
    """(X Xᵀ + regularization)⁻¹, (n_users, n_users) float32."""
    own: FloatArray
    """What `inverse` lets each item say about itself, xⱼᵀ inverse xⱼ, (n_items,) float32, below 1."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """The matrix to invert, a block of its making as sparse and dense, the positives and their transpose."""
        small = min(n_users, n_items)
        own = 8 * BLOCK * n_users if n_users < n_items else 0
        return 4 * small**2 + max(16 * min(BLOCK, small) * small, own) + (MATRIX_BYTES + 8) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Pairs of entries in the same row, the inverse, and a row of weights for each seen item."""
        small, large = sorted((n_users, n_items))
        fit = 5e-9 * n_interactions**2 / max(large, 1) + 1.5e-11 * small**3
        return super().seconds(n_users, n_items, n_interactions) + fit + 3e-10 * n_interactions * small

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Solve for the weights. Raises RunError where the regularization is too small for float32."""
        by_users = train.n_users < train.n_items
        try:
            rows = train.matrix.T.tocsr() if by_users else train.matrix
            inverse = invert_in_place(dense_gram(rows, self.config.regularization))
        except np.linalg.LinAlgError as error:
            remedy = f"raise regularization (now {self.config.regularization:g})"
            raise RunError("model 'ease'", str(error), remedy) from error
        nothing = np.zeros((0, 0), dtype=np.float32)
        self.weights, self.inverse, self.own = nothing, nothing, nothing[0:0].ravel()
        self.positives = sparse.csr_array((0, train.n_items), dtype=np.float32)
        if by_users:
            self.positives, self.inverse, self.own = train.matrix, inverse, own_share(rows, inverse)
            return
        inverse /= -np.diag(inverse)
        np.fill_diagonal(inverse, 0)
        self.weights = inverse

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        return self.fall_back(self.lifted(self._predicted(self.history(users))), users)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the score: its weight."""
        history = self.history(users)[[0]]
        parts = self.lifted(self._predicted(one_by_one(history))[:, items], items).T
        return Explanation(history.indices, parts, additive=True)

    def _predicted(self, history: sparse.csr_array) -> FloatArray:
        """history @ weights, (n, n_items).

        From the users' side, by the identity of Woodbury, the weights are (Xᵀ inverse X) / (1 - own) without its
        diagonal; they are never written down.
        """
        if len(self.weights):
            return history @ self.weights
        scores = ((history @ self._by_item).toarray() @ self.inverse) @ self.positives
        row = np.repeat(np.arange(len(scores)), np.diff(history.indptr))
        scores[row, history.indices] -= history.data * self.own[history.indices]
        return scores / (1 - self.own)

    @cached_property
    def _by_item(self) -> sparse.csr_array:
        """Xᵀ, (n_items, n_users)."""
        return self.positives.T.tocsr()


def one_by_one(history: sparse.csr_array) -> sparse.csr_array:
    """The entries of a single row (1, n), each in a row of its own, (entries, n)."""
    n = len(history.data)
    return sparse.csr_array((history.data, history.indices, np.arange(n + 1)), shape=(n, history.shape[1]))


def own_share(by_item: sparse.csr_array, inverse: FloatArray) -> FloatArray:
    """x inverse xᵀ of each row of a matrix, (n,) float32, a block of rows at a time."""
    found = []
    for start in range(0, by_item.shape[0], BLOCK):
        rows = by_item[start : start + BLOCK]
        found.append(rows.multiply(rows @ inverse).sum(axis=1))
    return np.concatenate(found).astype(np.float32)


def dense_gram(matrix: sparse.csr_array, ridge: float) -> FloatArray:
    """matrix.T @ matrix + ridge * I, (n_items, n_items) float32, by blocks: the whole sparse product is far larger."""
    n_items = matrix.shape[1]
    by_item = matrix.T.tocsr()
    gram = np.empty((n_items, n_items), dtype=np.float32)
    for start in range(0, n_items, BLOCK):
        rows = slice(start, min(start + BLOCK, n_items))
        gram[rows] = (by_item[rows] @ matrix).toarray()
    gram[np.diag_indices_from(gram)] += ridge
    return gram


def invert_in_place(matrix: FloatArray) -> FloatArray:
    """Inverse of a symmetric positive definite float32 matrix, by Cholesky, in the memory of the argument.

    Raises np.linalg.LinAlgError where the matrix is not positive definite.
    """
    from scipy.linalg import lapack

    # A symmetric matrix in C order is its own transpose in Fortran order: LAPACK then copies nothing.
    factor, failed = lapack.spotrf(matrix.T, lower=True, overwrite_a=True, clean=False)
    if failed:
        raise np.linalg.LinAlgError("the Gram matrix is not positive definite")
    inverse, failed = lapack.spotri(factor, lower=True, overwrite_c=True)
    if failed:
        raise np.linalg.LinAlgError("the Gram matrix is singular")
    # Only the lower triangle is computed; its transpose view is C-ordered, so mirror by blocks there.
    full = inverse.T
    for start in range(0, len(full), BLOCK):
        stop = min(start + BLOCK, len(full))
        full[stop:, start:stop] = full[start:stop, stop:].T
        block = full[start:stop, start:stop]
        block[:] = np.triu(block) + np.triu(block, 1).T
    return full

"""EASE: a linear item-item model in closed form."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import PositiveFloat
from scipy import sparse

from recsys.config import FloatArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import RunError
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs, Recommender
from recsys.models.space import Between
from recsys.training.run import FitRun

BLOCK = 1024


class Ease(Recommender):
    """Embarrassingly shallow autoencoder.

    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, eq. 8.
    Fitting holds one n_items x n_items float32 matrix, inverted in place; time grows with n_items cubed. A new user is
    served by the history alone, exactly; a user without one gets popularity.
    """

    class Config(ModelConfig):
        name: Literal["ease"] = "ease"
        regularization: Annotated[PositiveFloat, Between(10.0, 10_000.0, log=True)] = 500.0

    needs = Needs(history=True)
    state = ("weights",)
    weights: FloatArray
    """(n_items, n_items) float32; column j predicts item j; zero diagonal."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """The weights, a block of the Gram matrix as sparse and dense, the matrix and its transpose."""
        return 4 * n_items**2 + 16 * min(BLOCK, n_items) * n_items + (MATRIX_BYTES + 8) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Pairs of items in the same history, the inverse, and a row of weights for each seen item."""
        fit = 5e-9 * n_interactions**2 / max(n_users, 1) + 1.5e-11 * n_items**3
        return super().seconds(n_users, n_items, n_interactions) + fit + 4e-10 * n_interactions * n_items

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Solve for the weights. Raises RunError where the regularization is too small for float32."""
        try:
            weights = invert_in_place(dense_gram(train.matrix, self.config.regularization))
        except np.linalg.LinAlgError as error:
            remedy = f"raise regularization (now {self.config.regularization:g})"
            raise RunError("model 'ease'", str(error), remedy) from error
        weights /= -np.diag(weights)
        np.fill_diagonal(weights, 0)
        self.weights = weights

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        return self.fall_back(users.history @ self.weights, users)


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

"""The fit of iALS: the vectors of all users, then of all items, nearer to the solutions of their systems."""

from __future__ import annotations

import warnings

import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from recsys.config import FloatArray

# So many steps from where the last epoch ended rank as well as the solution itself: the next epoch moves it anyway.
STEPS = 3
TINY = 1e-30


class Systems:
    """One system a row of a matrix, (alpha · V.T V + V.T C V + ridge) w = V.T c, with c the entries of the row.

    Takács, Pilászy and Tikk, "Applications of the Conjugate Gradient Method for Implicit Feedback Collaborative
    Filtering", RecSys 2011: only the rows of V that a row of the matrix names are read, and no system is written down.
    """

    def __init__(self, rows: sparse.csr_array, ridge: FloatArray, alpha: float) -> None:
        """rows: (n, n_columns) float32 weights of positives. ridge: (n,)."""
        self.starts, self.columns = torch.from_numpy(rows.indptr), torch.from_numpy(rows.indices)
        self.weights, self.ridge, self.alpha = torch.from_numpy(rows.data), torch.from_numpy(ridge)[:, None], alpha
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse")  # that the format is new
            self.pattern = torch.sparse_csr_tensor(
                self.starts, self.columns, self.weights, rows.shape, check_invariants=False
            )

    def improved(self, found: Tensor, vectors: Tensor) -> Tensor:
        """Solutions after some steps of conjugate gradients, (n, size). found: where to begin. vectors: V."""
        gram = self.alpha * (vectors.T @ vectors)
        left = self._sums(self.weights, vectors) - self._product(found, vectors, gram)
        direction, length = left, _squares(left)
        for _ in range(STEPS):
            product = self._product(direction, vectors, gram)
            step = length / (direction * product).sum(dim=1, keepdim=True).clamp_min(TINY)
            found, left = found + step * direction, left - step * product
            before, length = length, _squares(left)
            direction = left + length / before.clamp_min(TINY) * direction
        return found

    def _product(self, found: Tensor, vectors: Tensor, gram: Tensor) -> Tensor:
        """The left side of the systems, (n, size)."""
        scores = torch.sparse.sampled_addmm(self.pattern, found, vectors.T, beta=0.0).values()
        return self._sums(scores * self.weights, vectors) + found @ gram + self.ridge * found

    def _sums(self, weights: Tensor, vectors: Tensor) -> Tensor:
        """The vectors of each row's columns, weighted and summed, (n, size)."""
        return functional.embedding_bag(self.columns, vectors, self.starts[:-1], mode="sum", per_sample_weights=weights)


def _squares(vectors: Tensor) -> Tensor:
    return (vectors * vectors).sum(dim=1, keepdim=True)

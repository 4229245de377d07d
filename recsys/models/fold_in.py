"""Users outside training as sums of the items they have."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.config import FloatArray
from recsys.data.interactions import UserBatch

RIDGE = 1e-3


def profiles(history: sparse.csr_array, item_vectors: FloatArray) -> FloatArray:
    """Sum of the item vectors in a history over the root of its weight, and a one, (n_users, size + 1) float32.

    history: (n_users, n_items) weights. What `ridge_map` takes to the vectors of training users.
    """
    total = history.sum(axis=1)
    sums = (history @ item_vectors) / np.sqrt(np.maximum(total, 1e-12))[:, None]
    return np.column_stack([sums, np.ones(len(sums))]).astype(np.float32)


def ridge_map(inputs: FloatArray, outputs: FloatArray) -> FloatArray:
    """The linear map from inputs (n, p) to outputs (n, q) by ridge regression, (p, q) float32."""
    return ridge_solution(moments(inputs, outputs))


def moments(inputs: FloatArray, outputs: FloatArray) -> FloatArray:
    """What `ridge_solution` reads of inputs (n, p) and outputs (n, q): (p, p + q); that of more rows is the sum."""
    exact = inputs.astype(np.float64)
    return np.column_stack([exact.T @ exact, exact.T @ outputs])


def ridge_solution(moments: FloatArray) -> FloatArray:
    """The linear map of `ridge_map`, (p, q) float32."""
    gram, products = np.hsplit(moments, [len(moments)])
    gram = gram.copy()
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram) + 1e-12
    return np.linalg.solve(gram, products).astype(np.float32)


def fold_in(vectors: FloatArray, users: UserBatch, item_vectors: FloatArray, fold_map: FloatArray) -> FloatArray:
    """The vectors with those of users outside training in their rows, as their histories have them.

    vectors: (len(users), size), changed. fold_map: from `profiles` to vectors, as `ridge_map` learned it.
    """
    new = np.flatnonzero(users.index < 0)
    if len(new):
        vectors[new] = profiles(users.history[new], item_vectors) @ fold_map
    return vectors

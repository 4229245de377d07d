"""Users outside training as sums of the items they have."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.config import FloatArray

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
    exact = inputs.astype(np.float64)
    gram = exact.T @ exact
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram) + 1e-12
    return np.linalg.solve(gram, exact.T @ outputs).astype(np.float32)

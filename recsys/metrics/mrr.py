"""Mean reciprocal rank."""

from __future__ import annotations

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray


def mrr(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """1 over the rank of the first hit among the first k, 0 without one; one value a user. The mean over users is MRR.

    hits: (n_users, >= k), True where the item at that rank is relevant. n_relevant does not matter.

    >>> mrr(np.array([[False, True, True], [False, False, False]]), np.array([2, 2]), k=3)
    array([0.5, 0. ])
    """
    found = hits[:, :k]
    return np.where(found.any(axis=1), 1 / (1 + found.argmax(axis=1)), 0.0)

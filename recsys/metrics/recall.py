"""Recall: how much of what was wanted is in the list."""

from __future__ import annotations

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray


def recall(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Hits in the first k over the user's relevant items; one value a user.

    The divisor is all of them, not min(k, n_relevant): a user with more than k relevant items cannot reach 1.
    hits: (n_users, >= k), True where the item at that rank is relevant. n_relevant: (n_users,), all > 0.

    >>> recall(np.array([[True, False, True]]), np.array([4]), k=3)
    array([0.5])
    """
    return np.count_nonzero(hits[:, :k], axis=1) / n_relevant

"""Precision: how much of the list was wanted."""

from __future__ import annotations

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray


def precision(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Hits in the first k over k, also where the list is shorter; one value a user.

    hits: (n_users, >= k), True where the item at that rank is relevant. n_relevant does not matter.

    >>> precision(np.array([[True, False, True, False]]), np.array([9]), k=4)
    array([0.5])
    """
    return np.count_nonzero(hits[:, :k], axis=1) / k

"""Hit rate: is anything of what was wanted in the list."""

from __future__ import annotations

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray


def hit_rate(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """1 where the first k hold a relevant item, else 0; one value a user. Also called success or HR.

    hits: (n_users, >= k), True where the item at that rank is relevant. n_relevant does not matter.

    >>> hit_rate(np.array([[False, True], [False, False]]), np.array([1, 1]), k=2)
    array([1., 0.])
    """
    return np.where(hits[:, :k].any(axis=1), 1.0, 0.0)

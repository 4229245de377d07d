"""Mean average precision."""

from __future__ import annotations

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray


def average_precision(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Precision at each hit of the first k, summed, over the hits that were possible; one value a user.

        sum over hits at rank r <= k of (hits up to r) / r, over min(k, n_relevant)

    The mean over users is MAP. Other libraries divide by n_relevant (trec_eval, RecTools) or by k.
    hits: (n_users, >= k), True where the item at that rank is relevant. n_relevant: (n_users,), all > 0.

    >>> average_precision(np.array([[True, False, True]]), np.array([2]), k=3).round(4)
    array([0.8333])
    """
    found = hits[:, :k]
    at_hits = np.cumsum(found, axis=1) * found
    return at_hits @ (1 / np.arange(1, k + 1)) / np.minimum(k, n_relevant)

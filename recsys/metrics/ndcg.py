"""Normalised discounted cumulative gain."""

from __future__ import annotations

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray


def ndcg(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Discounted cumulative gain with binary relevance, over the best possible; one value a user.

        sum over hits at rank r <= k of 1/log2(r+1), over the same sum for min(k, n_relevant) hits at the top

    hits: (n_users, >= k), True where the item at that rank is relevant. n_relevant: (n_users,), all > 0.
    Järvelin and Kekäläinen 2002, with the normaliser of trec_eval.

    >>> ndcg(np.array([[True, False, True]]), np.array([2]), k=3).round(4)
    array([0.9197])
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    gained = hits[:, :k] @ discount
    ideal = np.cumsum(discount)[np.minimum(k, n_relevant) - 1]
    return gained / ideal

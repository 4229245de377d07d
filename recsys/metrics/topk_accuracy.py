"""Top-k accuracy as TensorFlow Recommenders measures it."""

from __future__ import annotations

import numpy as np

from recsys.config import FloatArray
from recsys.metrics.ranks import Ranks


def topk_accuracy(ranks: Ranks, k: int) -> FloatArray:
    """Share of a user's test rows whose item is among the first k of all candidates, seen ones left in.

    Every test row counts, whatever its value and however often its item stands in the test part; the value of many
    users is the mean over their rows, not over users. An item that no list can hold is missed. `FactorizedTopK` of
    TensorFlow Recommenders. ranks: of all test rows; NaN for a user without any.

    >>> topk_accuracy(Ranks(np.array([1, 3, 7, 0]), user=np.array([0, 0, 0, 1]), n_candidates=np.array([9, 9])), k=3)
    array([0.66666667, 0.        ])
    """
    rows = np.bincount(ranks.user, minlength=ranks.n_users)
    hits = np.bincount(ranks.user[(ranks.rank > 0) & (ranks.rank <= k)], minlength=ranks.n_users)
    return np.divide(hits, rows, out=np.full(ranks.n_users, np.nan), where=rows > 0)

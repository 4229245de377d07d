"""Reciprocal rank without a cut."""

from __future__ import annotations

import numpy as np

from recsys.config import FloatArray
from recsys.metrics.ranks import Ranks


def reciprocal_rank(ranks: Ranks) -> FloatArray:
    """1 over the rank of the first relevant item among all candidates; one value a user.

    0 where no list can hold any of them. `mrr` is the same with everything behind rank k counted 0.
    ranks: of the relevant items.

    >>> reciprocal_rank(Ranks(np.array([8, 4, 0]), user=np.array([0, 0, 1]), n_candidates=np.array([9, 9])))
    array([0.25, 0.  ])
    """
    best = np.zeros(ranks.n_users)
    found = ranks.rank > 0
    np.maximum.at(best, ranks.user[found], 1 / ranks.rank[found])
    return best

"""Coverage: how much of the catalogue anybody gets to see."""

from __future__ import annotations

import numpy as np

from recsys.config import IntArray
from recsys.metrics.context import Context


def coverage(lists: IntArray, context: Context, k: int) -> float:
    """Share of the candidate items that stand among anybody's first k; one value for all users together.

    lists: (n_users, any) item numbers, -1 where a list ends early.

    >>> coverage(np.array([[0, 2], [0, -1]]), Context(np.array([5, 1, 1, 0]), 6, n_candidates=4), k=2)
    0.5
    """
    shown = np.zeros(len(context.popularity) + 1, dtype=bool)
    shown[lists[:, :k]] = True
    return float(np.count_nonzero(shown[:-1]) / context.n_candidates)

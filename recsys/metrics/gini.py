"""Gini index: how unevenly recommendations fall on the items."""

from __future__ import annotations

import numpy as np

from recsys.config import IntArray
from recsys.metrics.context import Context


def gini(lists: IntArray, context: Context, k: int) -> float:
    """Gini index of how often each candidate item stands among anybody's first k; one value for all users together.

        sum over candidates, least listed first, of (2 i - n - 1) times listed, over n times all that is listed

    i: 1 to n, the number of candidates. 0: all candidates are listed equally often; 1 - 1/n: one item fills all lists.
    Without any list 1. Fleder and Hosanagar 2009, "Blockbuster culture's next rise or fall"; some libraries leave out
    the items that nobody is shown. lists: (n_users, any) item numbers, -1 where a list ends early.

    Four candidates that are listed 0, 0, 1 and 3 times: (0 * -3 + 0 * -1 + 1 * 1 + 3 * 3) / (4 * 4).

    >>> context = Context(np.array([5, 1, 1, 1]), 6, n_candidates=4)
    >>> gini(np.array([[0, 2], [0, -1], [0, -1]]), context, k=2)
    0.625
    """
    first = lists[:, :k]
    listed = np.sort(np.bincount(first[first >= 0], minlength=len(context.popularity)))
    listed = listed[listed > 0]
    n = max(context.n_candidates, len(listed))
    if not len(listed):
        return 1.0
    place = np.arange(n - len(listed) + 1, n + 1)
    return float(((2 * place - n - 1) @ listed) / (n * listed.sum()))

"""Popularity bias: how popular the recommended items are, by themselves and against what the user takes anyway."""

from __future__ import annotations

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.metrics.context import Context


def popularity_bias(lists: IntArray, context: Context, k: int) -> FloatArray:
    """Mean popularity of the items among the first k; one value a user.

        mean over the items there of training users who have the item as a positive / training users

    A list without items counts 1, as if it held items that everybody has: no list is no way to lower the bias.
    The average recommendation popularity of Yin et al. 2012, "Challenging the long tail recommendation", as a share.
    lists: (n_users, any) item numbers, -1 where a list ends early.

    >>> context = Context(np.array([8, 2, 0]), n_users=8, n_candidates=3)
    >>> popularity_bias(np.array([[0, 1], [2, 1], [1, -1]]), context, k=2)
    array([0.625, 0.125, 0.25 ])
    """
    share = context.popularity / context.n_users
    first = lists[:, :k]
    there = first >= 0
    n = there.sum(axis=1)
    total = np.where(there, share[first], 0).sum(axis=1)
    return np.divide(total, n, out=np.ones(len(lists)), where=n > 0)


def popularity_lift(lists: IntArray, context: Context, k: int) -> FloatArray:
    """How much more popular the items among the first k are than the user's own; one value a user.

        (popularity bias of the list - mean popularity of the user's training positives) / the latter

    0: as popular as what the user takes; 1: twice as popular; below 0: less popular. NaN for a user of whom no
    positive is known that anybody in training has. Abdollahpouri et al. 2020, "The connection between popularity bias,
    calibration, and fairness in recommendation". lists: (n_users, any) item numbers, -1 where a list ends early.

    The user has taken items 0 and 1, of popularity 1 and 1/4, mean 5/8; the list holds item 1 alone.

    >>> from scipy import sparse
    >>> context = Context(np.array([8, 2, 0]), 8, 3, history=sparse.csr_array([[1, 1, 0]]))
    >>> popularity_lift(np.array([[1, -1]]), context, k=2)
    array([-0.6])
    """
    history = context.history
    assert history is not None
    total = history @ (context.popularity / context.n_users)
    own = np.divide(total, np.diff(history.indptr), out=np.full(len(lists), np.nan), where=total > 0)
    return popularity_bias(lists, context, k) / own - 1

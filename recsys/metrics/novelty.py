"""Novelty: how little known the recommended items are."""

from __future__ import annotations

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.metrics.context import Context


def novelty(lists: IntArray, context: Context, k: int) -> FloatArray:
    """Mean self-information of the items among the first k, in bits; one value a user.

        mean over the items there of -log2(training users who have the item as a positive / training users)

    An item that nobody has counts as if one user had it, so that the value is at most log2(training users). A list
    without items has novelty 0. Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma of recommender
    systems". lists: (n_users, any) item numbers, -1 where a list ends early.

    >>> context = Context(np.array([8, 2, 0]), n_users=8, n_candidates=3)
    >>> novelty(np.array([[0, 1], [2, 1], [1, -1]]), context, k=2)
    array([1. , 2.5, 2. ])
    """
    information = -np.log2(np.maximum(context.popularity, 1) / context.n_users)
    first = lists[:, :k]
    there = first >= 0
    total = np.where(there, information[first], 0).sum(axis=1)
    return total / np.maximum(there.sum(axis=1), 1)

"""Intra-list diversity: how little alike the items of one list are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.metrics.context import Context
from recsys.metrics.sums import sums

if TYPE_CHECKING:
    from scipy import sparse


def diversity(lists: IntArray, context: Context, k: int) -> FloatArray:
    """1 - the mean cosine of the features of every two items among the first k; one value a user.

    Features are ones: a category or label has one of its own, a number falls into one of eight quantiles, text is left
    out. Items of unknown features are left out of the pairs; a list without any pair counts 0. Ziegler et al. 2005,
    "Improving recommendation lists through topic diversification", as a mean, with cosine as the likeness.
    lists: (n_users, any) item numbers, -1 where a list ends early.

    Items 0 and 1 share one of their two genres: a cosine of 1/2; item 2 shares none: 0, twice.

    >>> from scipy import sparse
    >>> features = sparse.csr_array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]])
    >>> context = Context(np.array([1, 1, 1]), 1, 3, features=features)
    >>> diversity(np.array([[0, 1, 2]]), context, k=3).round(4)
    array([0.8333])
    """
    assert context.features is not None
    return unlikeness(lists[:, :k], context.features)


def unlikeness(lists: IntArray, vectors: sparse.csr_array) -> FloatArray:
    """1 - the mean cosine of every two items of a list, (n_lists,); 0 where fewer than two have a vector.

    lists: (n_lists, k), -1 where a list ends early. vectors: (n_items, any), zero where there is none.
    The square of a sum of n unit vectors is n and twice the cosines of all pairs, so that no pair has to be looked at.
    """
    vectors = vectors.astype(np.float64)
    length = np.sqrt(vectors.power(2).sum(axis=1))
    has = length > 0
    vectors.data /= np.repeat(length, np.diff(vectors.indptr)).clip(min=np.finfo(float).tiny)
    square = np.empty(len(lists))
    for block, total in sums(lists, vectors):
        square[block] = total.power(2).sum(axis=1)
    n = np.count_nonzero(np.append(has, False)[lists], axis=1)  # -1 takes the last
    pairs = n * (n - 1)
    likeness = np.divide(square - n, pairs, out=np.ones(len(lists)), where=pairs > 0)
    return 1 - likeness.clip(-1, 1)

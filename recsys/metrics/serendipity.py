"""Serendipity: what was wanted and would not have been found among the most popular items."""

from __future__ import annotations

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.metrics.context import Context


def serendipity(hits: BoolArray, lists: IntArray, context: Context, k: int) -> FloatArray:
    """Hits among the first k that are not among the user's k most popular items, over k; one value a user.

        |hits in the first k without the user's popularity list of length k| / k

    The popularity list holds the items that most training users have as a positive, what the user has seen left out,
    the smaller item number first among equals: popularity itself has serendipity 0. It is drawn from all items, also
    where a file names candidates. Ge et al. 2010, "Beyond accuracy: evaluating recommender systems by coverage and
    serendipity", equations 2 and 3, with popularity as the primitive model and relevance as usefulness.
    hits: (n_users, >= k). lists: (n_users, >= k) item numbers, -1 where a list ends early.

    Items 0 to 3 by popularity; the user has seen item 0, so that 1 and 2 are expected and 3 is not.

    >>> from scipy import sparse
    >>> context = Context(np.array([9, 5, 3, 1]), 9, 4, seen=sparse.csr_array([[1, 0, 0, 0]]))
    >>> serendipity(np.array([[True, True]]), np.array([[3, 1]]), context, k=2)
    array([0.5])
    """
    place = np.empty(len(context.popularity), dtype=np.int64)
    place[np.argsort(-context.popularity, kind="stable")] = np.arange(len(place))
    expected = place[lists[:, :k]] <= _last_places(place, context, k)[:, None]
    return np.count_nonzero(hits[:, :k] & ~expected, axis=1) / k


def _last_places(place: IntArray, context: Context, k: int) -> IntArray:
    """(n_lists,) the place of the last item of each user's popularity list, among all items by popularity.

    Of the user's seen items, ascending by place, the j-th (from 0) at place p has p - j unseen ones before it; it
    pushes the end of the list back by one exactly where those are fewer than k.
    """
    assert context.seen is not None
    counts = np.diff(context.seen.indptr)
    row = np.repeat(np.arange(len(counts)), counts)
    seen = place[context.seen.indices]
    near = seen < k + counts.max(initial=0)  # the rest lies behind every list's end
    row, seen = row[near], seen[near]
    order = np.sort(row * len(place) + seen)
    row, seen = np.divmod(order, max(1, len(place)))
    counts = np.bincount(row, minlength=len(counts))
    number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    pushing = row[seen - number < k]
    return k - 1 + np.bincount(pushing, minlength=len(counts))

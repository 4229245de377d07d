"""How far the lists of two models agree, a value a user."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from recsys.config import FloatArray, IntArray

# How likely a reader of a list is to look at its next item: the first 10 ranks then hold 86 % of the weight.
PERSISTENCE: Final = 0.9
# Users compared in one go: their tables of k × k stay in the cache.
BLOCK = 2048


class Agreement(NamedTuple):
    """Items that two lists share, their Jaccard index and rank-biased overlap, each (n_users,)."""

    overlap: FloatArray
    jaccard: FloatArray
    rbo: FloatArray


def agreement(one: IntArray, other: IntArray, persistence: float = PERSISTENCE) -> Agreement:
    """Compare two models' lists, user by user.

    one, other: (n_users, k) items without repeats, best first, -1 where a list ends early. Rank-biased overlap is the
    extrapolated one, RBO_EXT of Webber, Moffat and Zobel, "A similarity measure for indefinite rankings", TOIS 2010,
    eq. 32, which is eq. 30 for lists of one length: 1 for equal lists, 0 for lists that share nothing. Two empty lists
    are equal.

    >>> agreement(np.array([[1, 2, 3, 4, 5]]), np.array([[2, 3, 4, 1, 5]])).rbo.round(3)
    array([0.828])
    """
    n, k = one.shape
    shared = np.empty((n, k), dtype=np.float32)
    rank = np.maximum.outer(np.arange(k), np.arange(k)).ravel()
    within = (rank[:, None] <= np.arange(k)).astype(np.float32)  # whether both ranks of a match are within each depth
    other_ended = np.where(other < 0, -2, other)
    for start in range(0, n, BLOCK):
        block = slice(start, start + BLOCK)
        match = one[block, :, None] == other_ended[block, None, :]
        np.matmul(match.reshape(-1, k * k).astype(np.float32), within, out=shared[block])
    lengths = np.sort([np.count_nonzero(each >= 0, axis=1) for each in (one, other)], axis=0)
    both = shared[:, -1].astype(np.float64) if k else np.zeros(n)
    union = lengths.sum(axis=0) - both
    jaccard = np.divide(both, union, out=np.ones(n), where=union > 0)
    return Agreement(both, jaccard, _extrapolated(shared, lengths, persistence))


def _extrapolated(shared: FloatArray, lengths: IntArray, p: float) -> FloatArray:
    """RBO_EXT of each user.

    shared: (n, k) items that both lists hold down to each depth. lengths: (2, n) of the shorter and the longer list.
    """
    n, k = shared.shape
    shorter, longer = lengths
    depth = np.arange(1, k + 1)
    weight = p**depth
    at_shorter = np.take_along_axis(shared, np.maximum(shorter - 1, 0)[:, None], axis=1)[:, 0] if k else np.zeros(n)
    agreed = shared @ (weight / depth)
    if np.any(longer < k):
        agreed = np.where(depth <= longer[:, None], shared, 0) @ (weight / depth)
    if np.any(shorter < longer):
        # Below the end of the shorter list it is taken to go on as it was down to there.
        beyond = (depth > shorter[:, None]) & (depth <= longer[:, None])
        share = at_shorter / np.maximum(shorter, 1)
        agreed = agreed + share * (np.where(beyond, (depth - shorter[:, None]) / depth, 0) @ weight)
    last = shared[:, -1] if k else np.zeros(n)
    tail = (last - at_shorter) / np.maximum(longer, 1) + at_shorter / np.maximum(shorter, 1)
    found: FloatArray = (1 - p) / p * agreed + tail * p**longer
    return np.where(longer == 0, 1.0, found)

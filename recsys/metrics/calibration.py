"""Calibration: does a list hold the genres in the shares in which the user takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.metrics.context import Context
from recsys.metrics.sums import sums

if TYPE_CHECKING:
    from scipy import sparse

SMOOTHING: Final = 0.01


def calibration(lists: IntArray, context: Context, k: int) -> FloatArray:
    """Divergence of the genres among the first k from those of the user's history, in nats; one value a user.

        sum over genres g of p(g) ln(p(g) / q'(g)), with q'(g) = 0.99 q(g) + 0.01 p(g)

    p: mean over the user's training positives of each one's genres, in equal shares; q: the same over the list. Items
    of unknown genre are left out. 0 is perfect, ln 100 (a list without any of the user's genres, or without items) the
    worst. NaN for a user of whom no genre is known. Steck 2018, "Calibrated recommendations", equations 2, 3, 6 and 7,
    with equal weights. lists: (n_users, any) item numbers, -1 where a list ends early.

    The user takes both genres alike; the list holds the first alone: (ln(.5 / .995) + ln(.5 / .005)) / 2.

    >>> from scipy import sparse
    >>> genres, history = sparse.csr_array([[1, 0], [0, 1]]), sparse.csr_array([[1, 1]])
    >>> calibration(np.array([[0]]), Context(np.array([1, 1]), 1, 2, history=history, genres=genres), k=1).round(4)
    array([1.9585])
    """
    assert context.genres is not None
    assert context.history is not None
    genres = context.genres.astype(np.float64)
    each = np.diff(genres.indptr)
    genres.data /= np.repeat(each, each)
    found = np.empty(len(lists))
    for block, listed in sums(lists[:, :k], genres):
        p, q = _shares(context.history[block] @ genres), _shares(listed)
        smooth = (1 - SMOOTHING) * q + SMOOTHING * p
        terms = np.log(np.divide(p, smooth, out=np.ones_like(p), where=p > 0))
        found[block] = np.where(p.any(axis=1), (p * terms).sum(axis=1), np.nan)
    return np.maximum(found, 0)  # rounding may leave -1e-17


def _shares(sums_of_genres: sparse.csr_array) -> FloatArray:
    """Rows that sum to 1, or are zero where nothing is known."""
    dense: FloatArray = sums_of_genres.toarray()
    total = dense.sum(axis=1, keepdims=True)
    return np.divide(dense, total, out=np.zeros_like(dense), where=total > 0)

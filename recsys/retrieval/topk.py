"""The k best items of each user, exactly, with a fixed order among equals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.config import BoolArray, FloatArray
from recsys.errors import NotANumberError

Items = NDArray[np.int32]
Scores = NDArray[np.float32]

PAD = -1
# Scores looked at in one go, so that the copies stay small (measured: 2**16 to 2**22 are about equally fast).
BLOCK = 2**18
# Groups of items to a place of the list, and how many times as many items as places are sorted at most.
GROUPS, CROWD = 4, 4


def top_k(
    scores: FloatArray,
    k: int,
    exclude: sparse.csr_array | None = None,
    candidates: BoolArray | sparse.csr_array | None = None,
) -> tuple[Items, Scores]:
    """The k best items of each row: highest score first, the smaller item number first among equal scores.

    scores: (n, n_items); compared as float32, left as they are. exclude: (n, n_items), items that the stored entries
    name are left out. candidates: the only items allowed, (n_items,) for all rows or (n, n_items) for each. Items of
    score -inf are left out too. Returns (items, scores), both (n, k); a row with fewer items than k ends in item -1 at
    score -inf. Raises NotANumberError where a score that counts is NaN.

    >>> top_k(np.array([[0.5, 0.9, 0.5, 0.1]]), k=3)[0]
    array([[1, 0, 2]], dtype=int32)
    """
    n, n_items = scores.shape
    if k < 1:
        raise ValueError(f"k is {k}, a list needs at least one place")
    for mask in (exclude, candidates):
        if mask is not None and mask.shape not in (scores.shape, (n_items,)):
            raise ValueError(f"scores have shape {scores.shape}, and a mask for them {mask.shape}")
    items = np.full((n, k), PAD, dtype=np.int32)
    best = np.full((n, k), -np.inf, dtype=np.float32)
    for rows, block in _blocks(scores):
        if exclude is not None:
            block[_entries(exclude, rows)] = -np.inf
        if candidates is None:
            found = _best(block, min(k, n_items))
        elif isinstance(candidates, np.ndarray):
            np.copyto(block, -np.inf, where=~candidates)
            found = _best(block, min(k, n_items))
        else:
            candidates = _without_repeats(candidates)
            found = _best_of_few(block, k, _entries(candidates, rows))
        width = found[0].shape[1]
        items[rows, :width], best[rows, :width] = found
    items[np.isneginf(best)] = PAD
    return items, best


def _blocks(scores: FloatArray) -> Iterator[tuple[slice, Scores]]:
    """Rows in blocks, as float32 copies that may be written to."""
    n, n_items = scores.shape
    if not n_items:
        return
    size = max(1, BLOCK // n_items)
    for start in range(0, n, size):
        rows = slice(start, min(start + size, n))
        yield rows, scores[rows].astype(np.float32, order="C")


def _entries(matrix: sparse.csr_array, rows: slice) -> tuple[NDArray[np.int64], Items]:
    """Row (counted from the first of `rows`) and column of each stored entry."""
    pointers = matrix.indptr[rows.start : rows.stop + 1]
    return np.repeat(np.arange(len(pointers) - 1), np.diff(pointers)), matrix.indices[pointers[0] : pointers[-1]]


def _without_repeats(matrix: sparse.csr_array) -> sparse.csr_array:
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def _best(scores: Scores, k: int) -> tuple[Items, Scores]:
    """Take what reaches a value that k of the row reach, few more than k as a rule, and sort these."""
    reached = _reached(scores, k)
    chosen = scores >= reached
    counts = np.count_nonzero(chosen, axis=1)
    crowded = np.flatnonzero(counts > CROWD * k)
    if len(crowded):
        chosen[crowded] = _without_surplus(scores[crowded], reached[crowded], k)
        counts = np.count_nonzero(chosen, axis=1)
    rows = np.repeat(np.arange(len(scores)), counts)
    return _best_of_few(scores, k, (rows, np.flatnonzero(chosen) - rows * scores.shape[1]))


def _reached(scores: Scores, k: int) -> Scores:
    """A value that k items of each row reach at least, (n, 1): the k-th largest of the maxima of groups of items.

    Maxima are found many times faster than the k-th value of a whole row, and the groups are so many that few of the
    best share one. Negative, as NumPy is slow to find a value among the largest where many of the others are equal.
    """
    n, n_items = scores.shape
    groups = GROUPS * k
    if n_items < 2 * groups:
        largest = scores
    else:
        whole = n_items - n_items % groups
        largest = scores[:, :whole].reshape(n, -1, groups).max(axis=1)
        np.maximum(largest[:, : n_items - whole], scores[:, whole:], out=largest[:, : n_items - whole])
    _refuse_nan(largest)
    return -np.partition(-largest, k - 1, axis=1)[:, k - 1 : k]


def _without_surplus(scores: Scores, reached: Scores, k: int) -> BoolArray:
    """What is above the value, and of those that equal it the first ones that are missing to k."""
    chosen = scores > reached
    missing = k - np.count_nonzero(chosen, axis=1)
    for width in (CROWD * k, scores.shape[1]):  # most rows have enough of them at their beginning
        equal = scores[:, :width] == reached
        equal &= np.cumsum(equal, axis=1, dtype=np.int32) <= missing[:, None]
        if (np.count_nonzero(equal, axis=1) >= missing).all():
            break
    chosen[:, :width] |= equal
    return chosen


def _best_of_few(scores: Scores, k: int, candidates: tuple[NDArray[np.int64], NDArray[Any]]) -> tuple[Items, Scores]:
    """Sort each row's candidates; meant for tens or hundreds of them. candidates: row and column, both ascending."""
    rows, columns = candidates
    values = scores[rows, columns]
    _refuse_nan(values)
    counts = np.bincount(rows, minlength=len(scores))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(scores), max(k, counts.max(initial=0)))
    items = np.full(shape, PAD, dtype=np.int32)
    worst_first = np.full(shape, np.inf, dtype=np.float32)
    items[rows, place], worst_first[rows, place] = columns, -values
    order = np.argsort(worst_first, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(items, order, 1), -np.take_along_axis(worst_first, order, 1)


def _refuse_nan(scores: Scores) -> None:
    if np.isnan(scores).any():
        raise NotANumberError("scores hold NaN, which has no place in an order")

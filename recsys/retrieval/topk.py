"""The k best items of each user, exactly, with a fixed order among equals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.config import BoolArray, FloatArray

Items = NDArray[np.int32]
Scores = NDArray[np.float32]

PAD = -1
# Scores looked at in one go, so that the copies stay small (measured: 2**16 to 2**22 are about equally fast).
BLOCK = 2**18


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
    score -inf. Raises ValueError where a score that counts is NaN.

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
    """Select what lies above each row's k-th value, fill up with the first items that equal it, then sort these k."""
    n, n_items = scores.shape
    leaders = np.partition(scores, n_items - k, axis=1)[:, n_items - k :]
    _refuse_nan(leaders)
    last = leaders.min(axis=1, keepdims=True)
    chosen = scores >= last
    if np.count_nonzero(chosen) > n * k:
        _drop_surplus(chosen, scores, last, k)
    flat = np.flatnonzero(chosen).reshape(n, k)
    items = flat - n_items * np.arange(n)[:, None]
    best = scores.reshape(-1)[flat]
    order = np.argsort(-best, axis=1, kind="stable")
    return np.take_along_axis(items, order, 1).astype(np.int32), np.take_along_axis(best, order, 1)


def _drop_surplus(chosen: BoolArray, scores: Scores, last: Scores, k: int) -> None:
    """Where more than k are chosen, keep of those that equal the k-th value only the first ones."""
    tied = np.flatnonzero(chosen.sum(axis=1) > k)
    above = scores[tied] > last[tied]
    equal = chosen[tied] & ~above
    room = k - np.count_nonzero(above, axis=1)
    chosen[tied] = above | (equal & (np.cumsum(equal, axis=1, dtype=np.int32) <= room[:, None]))


def _best_of_few(scores: Scores, k: int, candidates: tuple[NDArray[np.int64], Items]) -> tuple[Items, Scores]:
    """Sort each row's candidates; meant for tens or hundreds of them."""
    rows, columns = candidates
    values = scores[rows, columns]
    _refuse_nan(values)
    order = np.lexsort((columns, -values, rows))
    counts = np.bincount(rows, minlength=len(scores))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    order, place = order[place < k], place[place < k]
    items = np.full((len(scores), k), PAD, dtype=np.int32)
    best = np.full((len(scores), k), -np.inf, dtype=np.float32)
    items[rows[order], place] = columns[order]
    best[rows[order], place] = values[order]
    return items, best


def _refuse_nan(scores: Scores) -> None:
    if np.isnan(scores).any():
        raise ValueError("scores hold NaN, which has no place in an order")

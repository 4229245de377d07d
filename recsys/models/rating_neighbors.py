"""Neighbours by their values: how alike two rows are where both have some, and means of what the nearest ones give."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.config import BoolArray, FloatArray, IntArray

# Cells of a dense block of float64; about ten such blocks are held at a time.
CELLS = 1_000_000
# Columns that two rows share at least; what rests on fewer counts as no likeness.
LEAST = 2
# A variance below this share of the sum of squares is rounding, and so is a likeness below it.
ROUNDING = 1e-10
# Decimals that a float32 holds.
DIGITS = 7


def pearson(block: sparse.csr_array, every: sparse.csr_array) -> FloatArray:
    """Correlation of rows over the columns that both have, (rows of block, rows of every) float32.

    Centred on the means over these columns; 0 where they are fewer than two or one side does not vary.
    """
    n = _shared(block, every, 0, 0)
    own, other = _shared(block, every, 1, 0), _shared(block, every, 0, 1)
    share = 1 / np.maximum(n, 1)
    spread = _spread(_shared(block, every, 2, 0), own, share)
    spread *= _spread(_shared(block, every, 0, 2), other, share)
    product = _shared(block, every, 1, 1)
    product -= own * other * share
    return _over(product, np.sqrt(spread), n >= LEAST)


def co_rated_cosine(block: sparse.csr_array, every: sparse.csr_array) -> FloatArray:
    """Cosine of rows over the columns that both have, (rows of block, rows of every) float32; 0 for fewer than two."""
    length = np.sqrt(_shared(block, every, 2, 0) * _shared(block, every, 0, 2))
    return _over(_shared(block, every, 1, 1), length, _shared(block, every, 0, 0) >= LEAST)


def nearest_means(similarity: FloatArray, groups: sparse.csr_array, k: int) -> FloatArray:
    """Weighted mean of each group's values, (n, n_groups) float64; NaN where no member is like the row at all.

        sum of s * value / sum of |s|   over the k members with the largest |s|, the smaller column among equals

    similarity: (n, width) float32, every row's s to the columns. groups: (n_groups, width), their members' values.
    """
    n, width = similarity.shape
    weights = similarity.astype(np.float64, order="C")
    total, size = np.zeros((groups.shape[0], n)), np.zeros((groups.shape[0], n))
    counts = np.diff(groups.indptr)
    small = groups[counts <= k]
    total[counts <= k] = small @ weights.T
    size[counts <= k] = _power(small, 0) @ np.abs(weights).T
    crowded = np.flatnonzero(counts > k)
    if len(crowded):
        order = largest_first(similarity)
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(width, dtype=np.int32)[None], axis=1)
        start, value = np.arange(n)[:, None] * width, np.zeros(width)
    for group in crowded:  # each step selects for all rows at once
        entries = slice(groups.indptr[group], groups.indptr[group + 1])
        members = groups.indices[entries]
        value[members] = groups.data[entries]
        first = start + np.partition(place.take(members, axis=1), k - 1, axis=1)[:, :k]
        column = order.take(first)
        near = weights.take(start + column)
        total[group] = np.einsum("nk,nk->n", near, value.take(column))
        size[group] = np.abs(near).sum(axis=1)
    return np.divide(total, size, out=np.full_like(total, np.nan), where=size > 0).T


def largest_first(similarity: FloatArray) -> IntArray:
    """Columns of each row, the largest absolute value first, the smaller column among equals, (n, width) int32.

    Sorts whole numbers that hold value and column: ten times as fast as a stable argsort. Floats that are not negative
    are in the order of their bits.
    """
    size = np.abs(similarity, order="C").view(np.int32).astype(np.int64)
    keys = (-size << 32) | np.arange(similarity.shape[1])
    keys.sort(axis=1)
    return (keys & 0xFFFFFFFF).astype(np.int32)


def as_written(values: sparse.csr_array) -> sparse.csr_array:
    """float32 values as the decimals they were read from, float64.

    4.2 as float32 is 4.1999998: enough to make two users a little alike who are not, and where nobody else has rated
    the item, a little decides as much as a lot.
    """
    data = values.data.astype(np.float64)
    size = np.abs(data)
    shift = 10.0 ** (DIGITS - 1 - np.floor(np.log10(size, out=np.zeros_like(data), where=size > 0)))
    return sparse.csr_array((np.round(data * shift) / shift, values.indices, values.indptr), shape=values.shape)


def row_means(values: sparse.csr_array) -> FloatArray:
    """Mean of the stored entries of each row, (n,) float64; 0 where there are none."""
    counts = np.diff(values.indptr)
    return values.sum(axis=1, dtype=np.float64) / np.maximum(counts, 1)


def centred(values: sparse.csr_array) -> sparse.csr_array:
    """Stored entries less the mean of their row, float64."""
    data = values.data - np.repeat(row_means(values), np.diff(values.indptr))
    return sparse.csr_array((data, values.indices, values.indptr), shape=values.shape)


def pearson_parts(row: sparse.csr_array, every: sparse.csr_array) -> FloatArray:
    """What each stored entry of one row adds to its correlation with every other, (rows of every, entries) float64."""
    shared = every[:, row.indices]
    has = _power(shared, 0).toarray()
    n = np.maximum(has.sum(axis=1, keepdims=True), 1)
    own, other = row.data * has, shared.toarray().astype(np.float64)
    for side in (own, other):
        side -= has * side.sum(axis=1, keepdims=True) / n
    parts = own * other
    total = parts.sum(axis=1)
    scale = np.divide(pearson(row, every)[0], total, out=np.zeros_like(total), where=total != 0)
    return parts * scale[:, None]


def _shared(block: sparse.csr_array, every: sparse.csr_array, p: int, q: int) -> FloatArray:
    """Sum of block ** p * every ** q over the columns that two rows share, (rows of block, rows of every) float64."""
    return (_power(every, q) @ _power(block, p).T.tocsr()).toarray().T


def _power(matrix: sparse.csr_array, p: int) -> sparse.csr_array:
    """Stored entries to a power, float64."""
    return sparse.csr_array((matrix.data.astype(np.float64) ** p, matrix.indices, matrix.indptr), shape=matrix.shape)


def _spread(squares: FloatArray, total: FloatArray, share: FloatArray) -> FloatArray:
    """Sum of squared deviations from the mean; exactly 0 where only rounding is left."""
    spread = squares - np.square(total) * share
    spread[spread <= ROUNDING * squares] = 0
    return spread


def _over(product: FloatArray, length: FloatArray, enough: BoolArray) -> FloatArray:
    enough &= (length > 0) & (np.abs(product) > ROUNDING * length)
    return np.divide(product, length, out=np.zeros_like(product), where=enough).astype(np.float32)

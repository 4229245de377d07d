"""What the neighbourhood models share: weights of entries, and the strongest entries of each row."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import sparse

from recsys.config import FloatArray
from recsys.models.requirements import share_beyond_cache
from recsys.retrieval.topk import top_k

# Cells of a dense block, 16 MB of float32.
CELLS = 4_000_000
# Keeps what has no length from dividing by zero.
TINY = np.float32(1e-30)


def seconds_of_lists(n_interactions: int, n_items: int, neighbors: int) -> float:
    """CPU seconds in which each item of each history adds its neighbours to the scores."""
    kept = min(neighbors, n_items)
    return (5e-9 + 2e-8 * share_beyond_cache(8 * n_items * kept)) * n_interactions * kept


def strongest(rows: sparse.csr_array, k: int) -> sparse.csr_array:
    """The k largest positive entries of each row, float32; the smaller column first among equals."""
    n, width = rows.shape
    counts = np.diff(rows.indptr)
    kept = (rows.data > 0) & np.repeat(counts <= k, counts)
    found = [(np.repeat(np.arange(n), counts)[kept], rows.indices[kept], rows.data[kept])]
    crowded = np.flatnonzero(counts > k)
    size = max(1, CELLS // width)
    for start in range(0, len(crowded), size):
        chosen = crowded[start : start + size]
        block = rows[chosen].toarray()
        block[block <= 0] = -np.inf
        columns, values = top_k(block, k)
        place, rank = np.nonzero(columns >= 0)
        found.append((chosen[place], columns[place, rank], values[place, rank]))
    row, column, value = (np.concatenate(parts) for parts in zip(*found, strict=True))
    result = sparse.csr_array((value.astype(np.float32), (row, column)), shape=rows.shape)
    result.sort_indices()
    return result


def blocks_of_products(rows: sparse.csr_array, others: sparse.csr_array) -> list[slice]:
    """Neighbouring rows whose product `rows[block] @ others` has about CELLS entries at most, or one row more."""
    entries = np.concatenate([[0], np.cumsum(np.diff(others.indptr)[rows.indices], dtype=np.int64)])
    cells = np.minimum(np.diff(entries[rows.indptr]), others.shape[1])
    block = (np.cumsum(cells) - cells) // CELLS
    starts = np.flatnonzero(np.diff(block, prepend=-1)).tolist()
    return [slice(start, stop) for start, stop in pairwise([*starts, rows.shape[0]])]


def scaled(matrix: sparse.csr_array, by_row: FloatArray | None, by_column: FloatArray | None) -> sparse.csr_array:
    """The matrix with its rows and columns multiplied, float32, in memory of its own."""
    data = matrix.data.astype(np.float32, copy=True)
    if by_row is not None:
        data *= np.repeat(by_row.astype(np.float32), np.diff(matrix.indptr))
    if by_column is not None:
        data *= by_column.astype(np.float32)[matrix.indices]
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def lengths(matrix: sparse.csr_array) -> FloatArray:
    """Euclidean length of each row, (n,) float32."""
    squares = np.add.reduceat(np.append(np.square(matrix.data), 0), matrix.indptr[:-1])
    return np.sqrt(np.where(np.diff(matrix.indptr) > 0, squares, 0)).astype(np.float32)

"""The truth as sets of items."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.config import IntArray


def truth_of(user: IntArray, item: IntArray, users: IntArray, n_items: int) -> sparse.csr_array:
    """The test positives of some users, (len(users), n_items) ones; each pair once.

    user, item: (n_rows,) the positive test rows. users: ascending; rows of others are left out.

    >>> truth_of(np.array([7, 9, 7, 7]), np.array([1, 0, 2, 1]), np.array([7]), 3).toarray()
    array([[0, 1, 1]], dtype=int8)
    """
    row = np.searchsorted(users, user)
    kept = np.append(users, -1)[row] == user
    return pairs_as_sets(row[kept], item[kept], len(users), n_items)


def pairs_as_sets(row: IntArray, item: IntArray, n_rows: int, n_items: int) -> sparse.csr_array:
    """Pairs as an (n_rows, n_items) matrix of ones, each pair once; several times faster than by way of scipy's COO."""
    dtype = np.dtype(np.int32 if n_rows * n_items < 2**31 else np.int64)  # half as wide, twice as fast
    keys: IntArray = row.astype(dtype) * n_items + item.astype(dtype)
    keys.sort()
    new = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    keys = keys[new]
    first_key = n_items * np.arange(n_rows + 1).astype(dtype)
    pointers = np.searchsorted(keys, first_key).astype(dtype)
    items = keys - np.repeat(first_key[:-1], np.diff(pointers))
    truth = sparse.csr_array((np.ones(len(keys), np.int8), items, pointers), shape=(n_rows, n_items))
    truth.has_canonical_format = True
    return truth

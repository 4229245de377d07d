"""Sums over the items of lists, for many lists at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from recsys.config import IntArray

if TYPE_CHECKING:
    from scipy import sparse

# Places of lists that are summed in one go, so that what lies between stays small.
BLOCK = 2**20


def sums(lists: IntArray, rows: sparse.csr_array) -> Iterator[tuple[slice, sparse.csr_array]]:
    """The sum of the rows of each list's items, (lists of the block, n_columns), block by block.

    lists: (n_lists, k) item numbers, -1 where a list ends early. rows: (n_items, n_columns).
    """
    from scipy import sparse

    size = max(1, BLOCK // max(1, lists.shape[1]))
    for start in range(0, len(lists), size):
        block = lists[start : start + size]
        there = block >= 0
        ends = np.concatenate([[0], np.cumsum(np.count_nonzero(there, axis=1))])
        items = block[there]
        ones = np.ones(len(items), dtype=np.float64)
        chosen = sparse.csr_array((ones, items, ends), shape=(len(block), rows.shape[0]))
        yield slice(start, start + len(block)), sparse.csr_array(chosen @ rows)

"""Which of the recommended items were wanted."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.config import BoolArray, IntArray

# Cells of users × items looked up in one go: 2 MB, about what a core's cache holds (measured: best).
BLOCK = 2**21
# Users in such a block below which it is faster to hold every wanted item against its user's list.
FEWEST = 16


def as_sets(truth: sparse.csr_array) -> sparse.csr_array:
    """The truth with each pair once: an item that stands twice in the test is wanted once."""
    if truth.has_canonical_format:
        return truth
    truth = truth.copy()
    truth.sum_duplicates()
    return truth


def hits_of(lists: IntArray, truth: sparse.csr_array) -> BoolArray:
    """Whether each recommended item is in its user's truth, same shape as lists.

    lists: (n_users, k) item numbers, -1 where a list ends early. truth: (n_users, n_items), its stored entries are the
    wanted items. Looked up in a table of users × items that is filled and cleared block by block: the time does not
    depend on the number of items, and no sorting is needed. Where there are so many items that a block holds next to
    nobody, each wanted item is looked for in the list.
    """
    n_users, n_items = truth.shape
    if BLOCK // (n_items + 1) < FEWEST:
        return _found(lists, truth)
    size = min(max(1, BLOCK // (n_items + 1)), max(1, n_users))
    width = n_items + 1  # the last column is that of item -1, and stays False
    table = np.zeros(size * width, dtype=bool)
    first_cell = np.arange(size) * width
    counts = np.diff(truth.indptr)
    found = np.zeros(lists.shape, dtype=bool)
    for start in range(0, n_users, size):
        block = lists[start : start + size]
        row_cells = first_cell[: len(block)]
        entries = slice(truth.indptr[start], truth.indptr[start + len(block)])
        cells = np.repeat(row_cells, counts[start : start + size]) + truth.indices[entries]
        table[cells] = True
        found[start : start + size] = table[row_cells[:, None] + np.where(block < 0, n_items, block)]
        table[cells] = False
    return found


def _found(lists: IntArray, truth: sparse.csr_array) -> BoolArray:
    row = np.repeat(np.arange(len(lists)), np.diff(truth.indptr))
    found = np.zeros(lists.shape, dtype=bool)
    size = max(1, BLOCK // max(1, lists.shape[1]))
    for start in range(0, len(row), size):
        whose, item = row[start : start + size], truth.indices[start : start + size]
        entry, place = np.nonzero(lists[whose] == item[:, None])
        found[whose[entry], place] = True
    return found


def refuse_bad_lists(lists: IntArray, n_items: int) -> None:
    """Raise ValueError where a list names an item twice, or one that does not exist."""
    if lists.size and (lists.min() < -1 or lists.max() >= n_items):
        raise ValueError(f"lists name items from {lists.min()} to {lists.max()}, and there are {n_items}")
    ordered = np.sort(lists, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        user, place = np.argwhere(twice)[0]
        users = np.count_nonzero(twice.any(axis=1))
        raise ValueError(f"{users} lists name an item twice; first: list {user}, item {ordered[user, place]}")

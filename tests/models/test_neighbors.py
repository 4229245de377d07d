from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys.models import neighbors
from recsys.models.neighbors import lengths, scaled, strongest


def test_strongest_keeps_the_largest_and_the_smaller_column_among_equals():
    rows = sparse.csr_array(np.array([[1, 3, 2, 3], [0, 0, 5, 0], [0, 0, 0, 0], [2, 2, 2, 2]], dtype=np.float32))
    expected = [[0, 3, 0, 3], [0, 0, 5, 0], [0, 0, 0, 0], [2, 2, 0, 0]]
    np.testing.assert_array_equal(strongest(rows, 2).toarray(), expected)


def test_strongest_drops_what_is_not_positive():
    rows = sparse.csr_array(np.array([[-1, 3, 0]], dtype=np.float32))
    rows.data[:] = [-1, 3]
    assert strongest(rows, 5).nnz == 1


@pytest.mark.parametrize("k", [1, 3, 50])
def test_strongest_in_blocks(monkeypatch, k):
    rows = sparse.csr_array(np.random.default_rng(0).random((30, 20), dtype=np.float32).round(1))
    whole = strongest(rows, k).toarray()
    monkeypatch.setattr(neighbors, "CELLS", 3 * 20)
    np.testing.assert_array_equal(strongest(rows, k).toarray(), whole)
    assert (whole > 0).sum(axis=1).max() <= k


def test_lengths_of_rows_empty_ones_too():
    rows = sparse.csr_array(np.array([[0, 0], [3, 4], [0, 0], [1, 0], [0, 0]], dtype=np.float32))
    np.testing.assert_allclose(lengths(rows), [0, 5, 0, 1, 0])


def test_scaled_rows_and_columns():
    rows = sparse.csr_array(np.array([[1, 2], [3, 0]], dtype=np.float32))
    found = scaled(rows, np.array([2.0, 10.0]), np.array([1.0, 5.0]))
    np.testing.assert_array_equal(found.toarray(), [[2, 20], [30, 0]])
    np.testing.assert_array_equal(rows.toarray(), [[1, 2], [3, 0]])

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys.models import rating_neighbors as neighbors


def rated(dense):
    """A row a user, 0 where there is no value."""
    matrix = sparse.csr_array(np.asarray(dense, dtype=np.float32))
    matrix.sort_indices()
    return matrix


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return rated(np.where(rng.random((30, 25)) < 0.4, rng.integers(1, 51, (30, 25)) / 10, 0))


def test_pearson_is_numpys(values):
    dense = values.toarray().astype(np.float64)
    found = neighbors.pearson(neighbors.as_written(values), neighbors.as_written(values))
    for one, other in zip(*np.triu_indices(30, 1), strict=True):
        both = (dense[one] > 0) & (dense[other] > 0)
        vary = both.sum() >= 2 and np.ptp(dense[one, both]) > 0 and np.ptp(dense[other, both]) > 0
        expected = np.corrcoef(dense[one, both], dense[other, both])[0, 1] if vary else 0
        assert found[one, other] == pytest.approx(expected, abs=1e-5)


def test_cosine_of_what_both_have(values):
    dense = values.toarray().astype(np.float64)
    found = neighbors.co_rated_cosine(values, values)
    for one, other in zip(*np.triu_indices(30, 1), strict=True):
        both = (dense[one] > 0) & (dense[other] > 0)
        lengths = np.linalg.norm(dense[one, both]) * np.linalg.norm(dense[other, both])
        expected = dense[one, both] @ dense[other, both] / lengths if both.sum() >= 2 else 0
        assert found[one, other] == pytest.approx(expected, abs=1e-5)


def test_no_variance_and_no_covariance_are_exactly_zero():
    # The first does not vary where the second does; the third and the fourth vary and do not correlate.
    rows = neighbors.as_written(rated([[4.2, 4.2, 4.2, 1], [1.1, 2.7, 3.3, 0], [4.1, 4.2, 4.3, 0], [0.7, 0.3, 0.7, 0]]))
    found = neighbors.pearson(neighbors.centred(rows), neighbors.centred(rows))
    assert found[0, 1] == found[0, 2] == found[2, 3] == 0
    assert found[1, 2] != 0


def test_the_same_far_from_zero(values):
    far = values.copy()
    far.data = far.data + np.float32(1000)
    near = neighbors.pearson(*[neighbors.centred(neighbors.as_written(values))] * 2)
    again = neighbors.pearson(*[neighbors.centred(neighbors.as_written(far))] * 2)
    np.testing.assert_allclose(again, near, atol=1e-4)


def test_decimals_come_back():
    written = np.array([4.2, 0.1, -3.7, 0, 1234.5, 1e-7, 5], dtype=np.float64)
    matrix = sparse.csr_array((written.astype(np.float32), np.arange(7), [0, 7]), shape=(1, 7))
    assert neighbors.as_written(matrix).data.tolist() == written.tolist()


def test_nearest_means_by_hand():
    similarity = np.array([[0.5, -1.0, 0.5, 0.25], [0, 0, 0, 0.5]], dtype=np.float32)
    groups = rated([[1, 2, 3, 4], [0, 0, 3, 1], [2, 5, 0, 0]])
    found = neighbors.nearest_means(similarity, groups, k=2)
    # Of the first group the second column and, of two equal ones, the first.
    expected = [[(0.5 - 2) / 1.5, (1.5 + 0.25) / 0.75, (1 - 5) / 1.5], [4, 1, np.nan]]
    np.testing.assert_allclose(found, expected)


def test_largest_first():
    similarity = np.array([[0.1, -0.7, 0, 0.7, 0.2], [0, 0, 0, 0, 0]], dtype=np.float32)
    assert neighbors.largest_first(similarity).tolist() == [[1, 3, 4, 0, 2], [0, 1, 2, 3, 4]]


def test_parts_of_a_correlation_sum_to_it(values):
    row = neighbors.as_written(values)[[3]]
    every = neighbors.as_written(values)
    parts = neighbors.pearson_parts(row, every)
    assert parts.shape == (30, row.nnz)
    np.testing.assert_allclose(parts.sum(axis=1), neighbors.pearson(row, every)[0], atol=1e-6)

"""Exact top-k: the order is score descending, then item ascending, whatever the ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from recsys.retrieval.topk import top_k

NINF = -np.inf


def naive(scores, k, allowed):
    """The definition, one user at a time."""
    lists = np.full((len(scores), k), -1)
    best = np.full((len(scores), k), NINF, dtype=np.float32)
    for user, row in enumerate(np.asarray(scores, dtype=np.float32)):
        ranked = sorted((-score, item) for item, score in enumerate(row) if allowed[user, item] and score > NINF)[:k]
        for rank, (negative, item) in enumerate(ranked):
            lists[user, rank], best[user, rank] = item, -negative
    return lists, best


shapes = st.tuples(st.integers(1, 6), st.integers(1, 12) | st.integers(30, 70))
few_values = st.sampled_from([-2.0, -0.0, 0.0, 1.0, 1.5, NINF, np.inf])
any_value = st.floats(width=32, allow_nan=False)


@settings(max_examples=300)
@given(st.data(), st.booleans())
def test_equals_a_sort(data, ties):
    shape = data.draw(shapes)
    scores = data.draw(hnp.arrays(np.float32, shape, elements=few_values if ties else any_value))
    excluded = data.draw(hnp.arrays(bool, shape))
    kind = data.draw(st.sampled_from(["none", "mask", "each"]))
    allowed = data.draw(hnp.arrays(bool, shape if kind == "each" else shape[1]))
    k = data.draw(st.integers(1, 4) | st.integers(1, shape[1] + 3))
    candidates = {"none": None, "mask": allowed, "each": sparse.csr_array(allowed)}[kind]
    before = scores.copy()
    items, best = top_k(scores, k, sparse.csr_array(excluded), candidates)
    expected = naive(scores, k, ~excluded & (True if kind == "none" else allowed))
    np.testing.assert_array_equal(items, expected[0])
    np.testing.assert_array_equal(best, expected[1])
    np.testing.assert_array_equal(scores, before)
    assert items.dtype == np.int32
    assert best.dtype == np.float32


def test_a_constant_scorer_gives_the_first_items():
    scores = np.zeros((700, 800), dtype=np.float32)
    seen = sparse.csr_array((np.ones(1), ([3], [1])), shape=scores.shape)
    items, _ = top_k(scores, 4, seen)
    expected = np.tile([0, 1, 2, 3], (700, 1))
    expected[3] = [0, 2, 3, 4]
    np.testing.assert_array_equal(items, expected)


def rows_of_all_sorts(n_items, k):
    """Where the best are, and what equals them: each a way to have many more than k to choose from."""
    random = np.random.default_rng(3)
    place = np.arange(n_items)
    yield np.where(place % (4 * k) == 5, place + 1.0, 0)  # all of the best in one group
    yield np.where(place > n_items - 3 * k, 1.0, NINF)  # equals at the end of the row
    yield np.where(place % 3 == 0, 1.0, random.random(n_items))
    yield np.where(place == n_items - 1, 1.0, 0.0)
    yield np.where(place < k - 1, 1.0, NINF)
    yield np.where(place == 7, np.inf, -np.inf)
    yield np.round(random.random(n_items), 2)
    yield np.full(n_items, -3.0)


@pytest.mark.parametrize(("n_items", "k"), [(1000, 10), (997, 10), (3000, 1), (2000, 300)])
def test_more_to_choose_from_than_places(n_items, k):
    scores = np.array(list(rows_of_all_sorts(n_items, k)), dtype=np.float32)
    for part, wanted in zip(top_k(scores, k), naive(scores, k, np.ones(scores.shape, dtype=bool)), strict=True):
        np.testing.assert_array_equal(part, wanted)


def test_blocks_do_not_change_the_lists(monkeypatch):
    random = np.random.default_rng(1)
    scores = random.integers(0, 9, size=(57, 40)).astype(np.float32)
    seen = sparse.random_array(scores.shape, density=0.2, format="csr", rng=random)
    whole = top_k(scores, 7, seen)
    for block in (1, 40, 170, 10**9):
        monkeypatch.setattr("recsys.retrieval.topk.BLOCK", block)
        for part, other in zip(whole, top_k(scores, 7, seen), strict=True):
            np.testing.assert_array_equal(part, other)


def test_short_lists_are_padded():
    items, best = top_k(np.array([[0.1, 0.2], [NINF, NINF]]), 4)
    np.testing.assert_array_equal(items, [[1, 0, -1, -1], [-1, -1, -1, -1]])
    np.testing.assert_array_equal(best, np.array([[0.2, 0.1, NINF, NINF], [NINF] * 4], dtype=np.float32))


def test_scores_are_compared_as_float32():
    items, _ = top_k(np.array([[1.0, 1.0 + 1e-12]]), 2)
    np.testing.assert_array_equal(items, [[0, 1]])


def test_a_transposed_or_read_only_block_is_fine():
    scores = np.arange(12, dtype=np.float32).reshape(4, 3).T
    scores.setflags(write=False)
    np.testing.assert_array_equal(top_k(scores, 1, sparse.csr_array(np.eye(3, 4)))[0], [[3], [3], [3]])


def test_repeated_candidates_appear_once():
    repeated = sparse.csr_array((np.ones(3), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 4))
    np.testing.assert_array_equal(top_k(np.array([[9.0, 0, 1, 2]]), 3, candidates=repeated)[0], [[0, 2, -1]])


@pytest.mark.parametrize("kind", ["all", "few"])
def test_nan_is_refused(kind):
    scores = np.array([[0.0, np.nan, 1.0]])
    few = sparse.csr_array(np.ones((1, 3))) if kind == "few" else None
    with pytest.raises(ValueError, match="NaN"):
        top_k(scores, 1, candidates=few)


def test_nan_of_an_item_left_out_does_not_count():
    seen = sparse.csr_array(np.array([[0, 1, 0]]))
    np.testing.assert_array_equal(top_k(np.array([[0.0, np.nan, 1.0]]), 1, seen)[0], [[2]])


def test_nothing_to_choose_from():
    items, best = top_k(np.zeros((2, 0)), 3)
    assert (items == -1).all()
    assert np.isneginf(best).all()
    assert top_k(np.zeros((0, 5)), 3)[0].shape == (0, 3)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="k is 0"):
        top_k(np.zeros((1, 2)), 0)
    with pytest.raises(ValueError, match="shape"):
        top_k(np.zeros((1, 2)), 1, sparse.csr_array(np.zeros((1, 3))))

"""Ranks of single items: those of whole lists, whatever ties and masks there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.retrieval.ranks import places, ranks_of
from recsys.retrieval.topk import top_k


@st.composite
def cases(draw):
    """Few different scores, so that many are equal; -inf among them."""
    n, n_items = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    scores = random.choice([-np.inf, -1.0, 0.0, 0.5, 2.0], (n, n_items))
    masks = [sparse.csr_array((random.random((n, n_items)) < 0.4).astype(np.int8)) for _ in range(2)]
    exclude = draw(st.sampled_from([None, masks[0]]))
    candidates = draw(st.sampled_from([None, masks[1], masks[1].toarray()[0].astype(bool)]))
    return scores, exclude, candidates


@settings(max_examples=200)
@given(cases())
def test_places_in_the_whole_list(case):
    scores, exclude, candidates = case
    n, n_items = scores.shape
    items, _ = top_k(scores, n_items, exclude, candidates)
    expected = np.zeros((n, n_items + 1), dtype=int)
    expected[np.arange(n)[:, None], items] = np.arange(1, n_items + 1)
    row, item = np.divmod(np.random.default_rng(0).permutation(n * n_items), n_items)
    np.testing.assert_array_equal(ranks_of(scores, row, item, exclude, candidates), expected[row, item])


def test_blocks_do_not_matter(monkeypatch):
    random = np.random.default_rng(0)
    scores = random.integers(0, 20, (30, 50)).astype(float)
    row, item = random.integers(0, 30, 400), random.integers(0, 50, 400)
    whole = ranks_of(scores, row, item)
    monkeypatch.setattr("recsys.retrieval.ranks.BLOCK", 120)
    np.testing.assert_array_equal(ranks_of(scores, row, item), whole)
    assert whole.min() == 1


def test_a_row_that_is_asked_about_often_is_sorted(monkeypatch):
    random = np.random.default_rng(0)
    scores = random.choice([-np.inf, -1.0, 0.0, 0.5, 2.0], (4, 9))
    seen = sparse.csr_array((random.random((4, 9)) < 0.4).astype(np.int8))
    row, item = random.permutation(np.repeat([0, 2, 3], [20, 3, 20])), random.integers(-1, 9, 43)
    compared = ranks_of(scores, row, item, seen)
    sorted_for = []
    monkeypatch.setattr("recsys.retrieval.ranks.BLOCK", 9)
    monkeypatch.setattr("recsys.retrieval.ranks.SORTED_FROM", 10)
    monkeypatch.setattr(
        "recsys.retrieval.ranks.places", lambda left: sorted_for.append(left) or places(left), raising=True
    )
    np.testing.assert_array_equal(ranks_of(scores, row, item, seen), compared)
    assert len(sorted_for) == 2
    assert compared.min() == 0


def test_scores_are_left_as_they_are_and_compared_as_float32():
    scores = np.array([[1.0, 1.0 + 1e-12, 0.0]])
    seen = sparse.csr_array(np.array([[0, 0, 1]]))
    assert ranks_of(scores, np.array([0, 0, 0]), np.array([0, 1, 2]), seen).tolist() == [1, 2, 0]
    assert scores[0, 2] == 0


@pytest.mark.parametrize("n_items", [0, 3])
def test_unknown_items_and_no_items(n_items):
    assert ranks_of(np.zeros((1, n_items)), np.array([0, 0]), np.array([-1, -1])).tolist() == [0, 0]
    assert ranks_of(np.zeros((1, n_items)), np.array([], int), np.array([], int)).tolist() == []

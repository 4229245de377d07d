"""Lists for many users: block by block the same as at once, seen items out, candidates row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made import world
from scipy import sparse

from recsys.data.interactions import training_view
from recsys.retrieval import lists
from recsys.retrieval.lists import recommend
from recsys.retrieval.topk import top_k


class Seeded:
    """Scores by user and item that anybody can compute; notes the batches it was asked for."""

    def __init__(self, n_items):
        self.n_items, self.batches = n_items, []

    def scores(self, users):
        self.batches.append((users.rows.tolist(), users.index.tolist()))
        return self.all(users.rows)

    def all(self, users):
        return np.random.default_rng(0).random((100, self.n_items), dtype=np.float32)[users]


@pytest.fixture
def train():
    data, part = world(n_users=20)
    return training_view(data, part.train, None, None)


@pytest.fixture
def model(train):
    return Seeded(train.n_items)


USERS = np.array([7, 0, 3, 7, 19])


def test_the_best_unseen_items(train, model):
    items, scores = recommend(model, train, USERS, 4)
    expected = top_k(model.all(USERS), 4, exclude=train.seen[USERS])
    assert np.array_equal(items, expected[0])
    assert np.array_equal(scores, expected[1])
    assert (items.dtype, scores.dtype) == (np.int32, np.float32)
    assert not (train.seen[USERS].toarray()[np.arange(5)[:, None], items]).any()


def test_seen_items_too(train, model):
    items, _ = recommend(model, train, USERS, 4, exclude_seen=False)
    assert np.array_equal(items, np.argsort(-model.all(USERS), axis=1)[:, :4])


def test_more_places_than_items(train, model):
    items, scores = recommend(model, train, USERS, 50)
    assert items.shape == scores.shape == (5, 50)
    n_seen = np.diff(train.seen[USERS].indptr)
    assert np.count_nonzero(items >= 0, axis=1).tolist() == (train.n_items - n_seen).tolist()
    assert np.isneginf(scores[items < 0]).all()


@pytest.mark.parametrize("cells", [1, 12, 24, 36])
def test_block_by_block_as_at_once(train, model, monkeypatch, cells):
    mask = sparse.random_array((5, train.n_items), density=0.5, rng=np.random.default_rng(1), format="csr")
    everything = recommend(model, train, USERS, 4, candidates=mask)
    model.batches.clear()
    monkeypatch.setattr(lists, "CELLS_A_BLOCK", cells)
    in_blocks = recommend(model, train, USERS, 4, candidates=mask)
    assert all(np.array_equal(one, other) for one, other in zip(everything, in_blocks, strict=True))
    assert max(len(rows) for rows, _ in model.batches) == max(1, cells // train.n_items)
    assert [row for rows, _ in model.batches for row in rows] == USERS.tolist()


class TestAlike:
    """Users without rows who all get the same scores: asked about once, unless somebody else is in their block."""

    class Same(Seeded):
        def all(self, users):
            return super().all(np.where(users == 3, 3, 0))

    @pytest.mark.parametrize(
        ("users", "batches"),
        [
            ([5, 6, 7, 8], [[5]]),
            ([5, 6, 7, 3, 8], [[5], [7, 3]]),
            ([3, 5, 6, 7, 8, 9], [[6], [3, 5]]),
            ([3, 5, 6, 3], [[3, 5], [6, 3]]),
            ([5], [[5]]),
            ([], []),
        ],
    )
    def test_to_the_bit_as_block_by_block(self, train, monkeypatch, users, batches):
        monkeypatch.setattr(lists, "CELLS_A_BLOCK", 2 * train.n_items)
        kept = train.user == 3
        source = replace(train, **{name: getattr(train, name)[kept] for name in ("user", "item", "positive", "weight")})
        users, model = np.array(users, dtype=np.int64), self.Same(train.n_items)
        whole = recommend(model, source, users, 4, known=False)
        model.batches.clear()
        looked = np.zeros(len(users), dtype=int)

        def look(rows, batch, scores, allowed):
            looked[rows] += 1

        once = recommend(model, source, users, 4, known=False, alike=users != 3, look=look)
        assert [array.tobytes() for array in once] == [array.tobytes() for array in whole]
        assert [rows for rows, _ in model.batches] == batches
        assert (looked == 1).all()


def test_candidates_for_all(train, model):
    allowed = np.arange(train.n_items) % 2 == 0
    items, _ = recommend(model, train, USERS, 3, candidates=allowed, exclude_seen=False)
    assert (items % 2 == 0).all()


def test_candidates_of_each(train, model):
    mask = sparse.csr_array((np.ones(3), ([0, 0, 4], [5, 2, 9])), shape=(5, train.n_items))
    items, _ = recommend(model, train, USERS, 3, candidates=mask, exclude_seen=False)
    assert [sorted(row[row >= 0].tolist()) for row in items] == [[2, 5], [], [], [], [9]]


def test_users_outside_training(train, model):
    recommend(model, train, USERS, 3, known=False)
    assert model.batches == [(USERS.tolist(), [-1] * 5)]


def test_nobody(train, model):
    items, scores = recommend(model, train, np.array([], dtype=np.int64), 3)
    assert items.shape == scores.shape == (0, 3)
    assert model.batches == []

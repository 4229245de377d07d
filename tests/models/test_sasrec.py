from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from behaviour import RecommenderBehaviour
from pydantic import ValidationError
from worlds import checkerboard, fitted, interactions, ml_100k, of_histories, with_strangers

from recsys.data.interactions import training_view
from recsys.models.networks.sasrec import hidden_states, positive_weight, windows
from recsys.models.registry import model_class
from recsys.models.sasrec import Sasrec, positive_sequences
from recsys.models.transformer import last_states
from recsys.retrieval.lists import recommend
from recsys.splits.config import LeaveOneOutSplit
from recsys.splits.leave_one_out import leave_one_out_split
from recsys.training.validation import validation_of


def circle(n_users=60, n_items=30, length=12):
    """Everybody walks on by one item, from somewhere: what comes next is known, what is taken in all is the same."""
    return of_histories([(np.arange(length) + user * 7) % n_items for user in range(n_users)], n_items=n_items)


def in_any_order():
    """The checkerboard with its rows in a random order: by ids, all would end where nothing has ever followed."""
    train, held_out = checkerboard()
    return replace(train, timestamp=np.random.default_rng(0).permutation(len(train))), held_out


class TestSasrec(RecommenderBehaviour):
    model = Sasrec.Config(batch_size=16, learning_rate=0.005, embedding_size=32)
    fold_in_overlap = 1.0
    big = (600, 3_000, 20_000)

    @pytest.fixture(scope="class")
    @classmethod
    def board(cls):
        train, held_out = in_any_order()
        return fitted(cls.model, train), train, held_out

    @pytest.mark.parametrize(
        "settings",
        [
            {"loss": "sampled-softmax", "negatives": 16},
            {"loss": "gbce", "negatives": 16, "epochs": 40},
            {"blocks": 1, "heads": 1},
        ],
        ids=str,
    )
    def test_checkerboard_another_way(self, settings):
        train, held_out = in_any_order()
        model = fitted(self.model.model_copy(update=settings), train)
        items, _ = recommend(model, train, np.arange(train.n_users), 2)
        assert np.array_equal(np.sort(items, axis=1), held_out)

    @pytest.mark.parametrize("loss", ["softmax", "sampled-softmax", "gbce"])
    def test_what_comes_next(self, loss):
        train = circle()
        model = fitted(
            self.model.model_copy(update={"loss": loss, "negatives": 15, "learning_rate": 0.01, "epochs": 30}), train
        )
        items, _ = recommend(model, train, np.arange(train.n_users), 1)
        last = np.array([train.batch(np.array([user])).sequence(0)[-1] for user in range(train.n_users)])
        assert np.mean(items[:, 0] == (last + 1) % train.n_items) > 0.95

    def test_the_order_of_a_history_matters(self):
        model = fitted(self.model, circle())
        there, back = model.scores(with_strangers(circle(), [[3, 4, 5], [5, 4, 3]]).batch(np.arange(2), known=False))
        assert there.argmax() == 6
        assert not np.allclose(there, back, rtol=0.01)

    def test_only_the_last_items_count(self):
        model = fitted(self.model.model_copy(update={"length": 4, "epochs": 3}), circle())
        scores = model.scores(
            with_strangers(circle(), [[9, 9, 1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4]]).batch(np.arange(3), known=False)
        )
        np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4, atol=1e-5)
        assert not np.allclose(scores[1], scores[2], rtol=1e-2)

    def test_explained_by_attention(self):
        train = circle()
        model = fitted(self.model.model_copy(update={"length": 10, "epochs": 3}), train)
        told = model.explain(train.batch(np.array([4])), np.array([1, 2, 3]))
        assert np.array_equal(np.sort(train.item[train.user == 4]), told.history)
        assert told.parts.shape == (3, 12)
        np.testing.assert_allclose(told.parts.sum(axis=1), 1, rtol=1e-5)
        before_the_window = np.isin(told.history, train.batch(np.array([4])).sequence(0)[:2])
        assert np.array_equal(told.parts[0] == 0, before_the_window)
        assert not told.additive

    def test_heads_share_the_embedding(self):
        with pytest.raises(ValidationError, match="embedding_size 64 is no multiple of heads 3"):
            Sasrec.Config(heads=3)


def by_hand(parts, items, heads):
    """The states after each item of one history, (steps, size), one step, head and item at a time."""

    def norm(x, scale):
        return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * scale[0] + scale[1]

    def layer(x, weights):
        return x @ weights[:-1] + weights[-1]

    size = parts["item_vectors"].shape[1]
    width = size // heads
    states = [parts["item_vectors"][item] * math.sqrt(size) + parts["positions"][at] for at, item in enumerate(items)]
    for block in range(len(parts["mix"])):
        inputs = [layer(norm(x, parts["norms"][2 * block]), parts["attend"][block]) for x in states]
        after = []
        for at, state in enumerate(states):
            seen = []
            for head in range(heads):
                query, key, value = (
                    slice(size * part + head * width, size * part + (head + 1) * width) for part in range(3)
                )
                looks = np.exp([inputs[at][query] @ inputs[one][key] / math.sqrt(width) for one in range(at + 1)])
                seen.append(sum(look * inputs[one][value] for one, look in enumerate(looks / looks.sum())))
            state = state + layer(np.concatenate(seen), parts["mix"][block])
            inner = np.maximum(layer(norm(state, parts["norms"][2 * block + 1]), parts["inner"][block]), 0)
            after.append(state + layer(inner, parts["outer"][block]))
        states = after
    return np.array([norm(x, parts["norms"][-1]) for x in states])


def test_layers_as_the_paper_writes_them():
    random = np.random.default_rng(0)
    shapes = {
        "item_vectors": (9, 6),
        "positions": (5, 6),
        "attend": (2, 7, 18),
        "mix": (2, 7, 6),
        "inner": (2, 7, 6),
        "outer": (2, 7, 6),
        "norms": (5, 2, 6),
    }
    parts = {name: random.normal(0, 0.7, shape) for name, shape in shapes.items()}
    tensors = {name: torch.from_numpy(part) for name, part in parts.items()}
    histories = [[3, 1, 4, 1, 5], [2, 6, 8, 0, 0]]  # the last two of the second stand behind its end
    found = hidden_states(tensors, torch.tensor(histories), heads=3).numpy()
    np.testing.assert_allclose(found[0], by_hand(parts, histories[0], 3), rtol=1e-9)
    np.testing.assert_allclose(found[1, :3], by_hand(parts, histories[1][:3], 3), rtol=1e-9)
    last, looks = last_states(parts, np.array(histories), np.array([5, 3]), heads=3)
    np.testing.assert_allclose(last, found[[0, 1], [4, 2]], rtol=1e-9)
    np.testing.assert_allclose(looks.sum(axis=1), 1)
    assert np.array_equal(looks == 0, [[False] * 5, [False] * 3 + [True] * 2])


def test_windows():
    # Histories of 6, 1, 0 and 3 items: five targets in windows of at most two, none, none, and two.
    items, starts, lengths = windows(np.array([0, 6, 7, 7, 10]), np.arange(10), 2)
    targets = [items[start + 1 : start + 1 + n].tolist() for start, n in zip(starts, lengths, strict=True)]
    assert targets == [[4, 5], [2, 3], [1], [8, 9]]


def test_weight_of_the_positive():
    # t = 0.75 with 10 of 100 other items: 0.1 * (0.75 * (1 - 10) + 10).
    assert positive_weight(0.75, 10, 101) == pytest.approx(0.325)


def test_sequences_hold_positives_alone():
    train = interactions([0, 0, 0, 1, 2], [3, 1, 2, 0, 2], timestamp=[30, 10, 20, 5, 5], positive=[1, 1, 0, 0, 1])
    indptr, items = positive_sequences(train.batch(np.array([2, 1, 0])))
    assert indptr.tolist() == [0, 1, 1, 3]
    assert items.tolist() == [2, 1, 3]
    everything = replace(train, positive=np.ones(5, bool))
    assert positive_sequences(everything.batch(np.array([0])))[1].tolist() == [1, 2, 3]


@pytest.mark.data
class TestNextItem:
    """ML-100K, the last item of each user held out."""

    @staticmethod
    def values(**settings):
        """NDCG@10 on the test rows, by model; settings: for each model, what differs from its defaults."""
        data = ml_100k()
        fold = next(iter(leave_one_out_split(data, LeaveOneOutSplit(kind="leave-one-out", validation=0.0))))
        train = training_view(data, fold.train, None, None)
        check = validation_of(data, train, fold.test, None, "ndcg@10", False)
        return {name: check(fitted(model_class(name).Config(**more), train)) for name, more in settings.items()}

    def test_half_trained_it_is_ahead_of_ease(self):
        found = self.values(sasrec={"epochs": 7, "length": 50}, ease={})
        assert found["sasrec"] > 1.05 * found["ease"]

    @pytest.mark.soak
    def test_it_is_ahead_of_all_that_know_no_order(self):
        found = self.values(**{"sasrec": {}, "ease": {}, "item-knn": {}, "user-knn": {}, "two-tower": {}})
        assert found.pop("sasrec") > 1.2 * max(found.values())

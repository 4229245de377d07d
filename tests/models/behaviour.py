"""What every model must do; a model's own test class inherits it and adds what is its own."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import numpy as np
import psutil
import pytest
from worlds import checkerboard, fitted, interactions, of_histories, taste_world, with_strangers

from recsys.models.registry import model_class, open_model
from recsys.retrieval.lists import recommend
from recsys.retrieval.ranks import ranks_of
from recsys.training.run import FitRun

TOLERANCE = 1e-5
SLACK = 12e6


class RecommenderBehaviour:
    """Inherit as `class TestEase(RecommenderBehaviour)`, set `model`, and what differs from the rest."""

    model = None
    """The configuration under test: the default one."""
    personal = True
    """False for a model that gives everybody the same list, or a random one."""
    gain = 2.5
    """NDCG@10 over that of popularity in the taste world."""
    fold_in_overlap = 0.95
    """Share of the first 10 items that a known history gets when it comes as a new user's."""
    falls_back = True
    """Whether a user without history gets popularity."""
    big = (2_000, 3_000, 200_000)
    """Users, items and rows for the memory law."""

    @pytest.fixture(scope="class")
    @classmethod
    def board(cls):
        train, held_out = checkerboard()
        return fitted(cls.model, train), train, held_out

    @pytest.fixture(scope="class")
    @classmethod
    def world(cls):
        train, validation = taste_world()
        return fitted(cls.model, train), train, validation

    def test_checkerboard(self, board):
        if not self.personal:
            pytest.skip("has no personal lists")
        model, train, held_out = board
        items, _ = recommend(model, train, np.arange(train.n_users), 2)
        assert np.array_equal(np.sort(items, axis=1), held_out)

    def test_seen_items_stay_out(self, board):
        model, train, _ = board
        items, scores = recommend(model, train, np.arange(train.n_users), train.n_items)
        for user, unseen in enumerate(train.seen.toarray() == 0):
            n = np.count_nonzero(unseen)
            assert np.array_equal(np.sort(items[user, :n]), np.flatnonzero(unseen))
            assert np.all(items[user, n:] == -1)
            assert np.isfinite(scores[user, :n]).all()

    def test_scores_are_finite(self, world):
        model, train, _ = world
        scores = model.scores(train.batch(np.arange(train.n_users)))
        assert scores.shape == (train.n_users, train.n_items)
        assert np.isfinite(scores).all()

    def test_batch_equals_one_by_one(self, world):
        model, train, _ = world
        users = np.array([3, 0, 77, 3])
        together = model.scores(train.batch(users))
        alone = np.concatenate([model.scores(train.batch(np.array([user]))) for user in users])
        np.testing.assert_allclose(together, alone, rtol=TOLERANCE, atol=TOLERANCE * np.abs(alone).max())
        assert np.array_equal(together[0], together[3])

    def test_ties_go_to_smaller_id(self):
        # Items 2 and 3 have the same users and the same values; user 0 has neither.
        histories = [[0, 1], [0, 1, 2, 3], [0, 1, 3, 2], [1, 4]]
        train = of_histories(histories, value=[5, 4, 5, 4, 3, 3, 5, 4, 3, 3, 4, 2])
        items, scores = recommend(fitted(self.model, train), train, np.array([0]), 3)
        place = {item: rank for rank, item in enumerate(items[0])}
        if scores[0, place[2]] == scores[0, place[3]]:
            assert place[2] < place[3]

    def test_same_seed_same_scores(self, board):
        model, train, _ = board
        batch = train.batch(np.arange(train.n_users))
        again = fitted(self.model, train)
        assert np.array_equal(model.scores(batch), again.scores(batch))

    def test_another_seed_matters_to_the_stochastic_alone(self, board):
        model, train, _ = board
        batch = train.batch(np.arange(train.n_users))
        other = fitted(self.model, train, seed=7)
        assert np.array_equal(model.scores(batch), other.scores(batch)) != model.stochastic

    def test_saved_and_loaded_scores_equal(self, world, tmp_path):
        model, train, _ = world
        model.save(tmp_path)
        opened = open_model(tmp_path)
        known, strangers = train.batch(np.arange(50)), train.batch(np.arange(50), known=False)
        assert type(opened) is type(model)
        assert opened.config == self.model
        assert np.array_equal(opened.scores(known), model.scores(known))
        assert np.array_equal(opened.scores(strangers), model.scores(strangers))
        assert np.array_equal(opened.users.ids, train.users.ids)
        assert np.array_equal(opened.items.ids, train.items.ids)

    def test_folding_in_a_known_history(self, world):
        model, train, _ = world
        users = np.arange(train.n_users)
        own, _ = recommend(model, train, users, 10)
        as_new, _ = recommend(model, train, users, 10, known=False)
        shared = np.mean([len(set(one) & set(other)) for one, other in zip(own, as_new, strict=True)]) / 10
        assert shared >= self.fold_in_overlap

    def test_unknown_user(self, world):
        model, train, _ = world
        strangers = with_strangers(train, [[], [0, 6, 12], [5]], values=[5, 4, 3, 4])
        scores = model.scores(strangers.batch(np.arange(3), known=False))
        assert scores.shape == (3, train.n_items)
        assert np.isfinite(scores).all()
        if self.falls_back:
            assert np.array_equal(np.argsort(-scores[0], kind="stable"), np.argsort(-train.popularity, kind="stable"))

    def test_strangers_without_rows(self, world, monkeypatch):
        """Scored once where the model says that they are alike: to the bit the lists and ranks of one by one."""
        model, train, _ = world
        monkeypatch.setattr("recsys.retrieval.lists.CELLS_A_BLOCK", 3 * train.n_items)
        source = with_strangers(train, [*([[]] * 6), [0, 6], *([[]] * 7)], values=[5, 4])
        users, empty = np.arange(14), np.bincount(source.user, minlength=14) == 0
        asked, found = np.tile([5, 0, 7], (14, 1)), {}

        def look(rows, batch, scores, allowed):
            assert len(batch) == len(scores)
            ranks[rows] = [ranks_of(each[None], np.zeros(3, int), asked[0]) for each in scores]

        for name, alike in (("each", None), ("alike", empty)):
            ranks = np.zeros((14, 3), int)
            lists = recommend(model, source, users, 20, known=False, alike=alike, look=look)
            found[name] = [*(array.tobytes() for array in lists), ranks.tobytes()]
        assert (found["alike"] == found["each"]) == model.strangers_alike

    def test_user_without_positives(self):
        histories = [[0, 1, 2], [1, 2, 3], [0, 2]]
        train = of_histories(histories, value=[5, 5, 4, 4, 5, 3, 1, 2], positive=[1, 1, 1, 1, 1, 1, 0, 0])
        scores = fitted(self.model, train).scores(train.batch(np.array([2, 0])))
        assert np.isfinite(scores).all()
        if self.falls_back:
            assert np.array_equal(scores[0], train.popularity)

    def test_unknown_item(self):
        # The whole catalogue is scored; nobody has item 7.
        histories = [[0, 1, 2], [0, 1, 3], [1, 2, 3], [4, 5, 6], [4, 5], [5, 6]] * 3
        values = np.tile([5, 4, 5, 4, 5, 5, 4, 5, 5, 4, 5, 4, 4, 5, 5, 5], 3)
        train = of_histories(histories, value=values, n_items=8)
        items, scores = recommend(fitted(self.model, train), train, np.arange(train.n_users), 8)
        assert np.isfinite(scores[items >= 0]).all()
        if self.personal:
            assert not np.any(items[:, 0] == 7)

    @pytest.mark.parametrize("histories", [[[0]], [[0, 1, 2]], [[0], [0], [0]]])
    def test_one_user_or_one_item(self, histories):
        train = of_histories(histories, value=[4.0] * sum(map(len, histories)))
        scores = fitted(self.model, train).scores(train.batch(np.arange(train.n_users)))
        assert scores.shape == (train.n_users, train.n_items)
        assert np.isfinite(scores).all()

    def test_weighted_positives(self):
        weight = np.array([2, 0, 1, 3, 1, 1, 2, 5], dtype=np.float32)
        train = of_histories([[0, 1, 2], [1, 2], [0, 3], [1]], weight=weight, value=[5, 4, 3, 4, 5, 3, 2, 2])
        scores = fitted(self.model, train).scores(train.batch(np.arange(4)))
        assert np.isfinite(scores).all()

    def test_beats_popularity_on_taste_world(self, world):
        if not self.personal:
            pytest.skip("has no personal lists")
        model, train, validation = world
        assert validation(model) >= self.gain * validation(fitted(model_class("popularity").Config(), train))

    def test_settings_are_typed_and_frozen(self):
        kind = type(self.model)
        assert model_class(self.model.name).Config is kind
        assert kind(**self.model.as_json()) == self.model
        assert hash(kind(label="another")) != hash(self.model)

    def test_memory_law(self):
        """What the model says beforehand covers the measured peak of a fit, and is at most three times as much."""
        n_users, n_items, n_rows = self.big
        user, item = random_rows(n_users, n_items, n_rows)
        value = np.arange(len(user)) % 5 + 1
        train = interactions(user, item, value=value, n_users=n_users, n_items=n_items)
        model = model_class(self.model.name)(self.short())
        promised = model.memory(n_users, n_items, len(train))
        measured = peak_of(lambda: model.learn(train, FitRun()))
        assert measured <= promised + SLACK
        assert promised <= 3 * measured + SLACK

    def short(self):
        """The configuration with as few epochs as take all the memory."""
        fields = type(self.model).model_fields
        return self.model.model_copy(update={"epochs": 2}) if "epochs" in fields else self.model


def random_rows(n_users, n_items, n_rows):
    """About n_rows pairs, none twice: (user, item)."""
    cells = np.random.default_rng(0).integers(0, n_users * n_items, n_rows)
    return np.divmod(np.unique(cells), n_items)


def peak_of(work) -> int:
    """Bytes by which the resident memory of this process grows at its peak while it works."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        pytest.skip(f"the peak of memory cannot be reset here: {error}")
    before = psutil.Process().memory_info().rss
    work()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 - before

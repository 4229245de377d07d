from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from behaviour import RecommenderBehaviour
from scipy import sparse
from worlds import finds_the_same, fitted, interactions, taste_world

from recsys.data.dataset import Entities
from recsys.errors import RunError
from recsys.models.fold_in import ridge_map
from recsys.models.lightfm_side import merged, with_features
from recsys.models.lightfm_warp import LightFmWarp
from recsys.models.registry import open_model
from recsys.models.vectors import LAST
from recsys.retrieval.lists import recommend
from recsys.training.run import FitRun


class TestLightFmWarp(RecommenderBehaviour):
    model = LightFmWarp.Config()
    fold_in_overlap = 0.85

    def test_equals_lightfm_itself(self):
        from lightfm import LightFM

        train, _ = taste_world()
        model = fitted(LightFmWarp.Config(epochs=5, embedding_size=8), train)
        theirs = LightFM(8, loss="warp", learning_rate=0.02, item_alpha=1e-5, user_alpha=1e-5, random_state=42)
        theirs.fit(sparse.coo_matrix(train.matrix), epochs=5, num_threads=1)
        user = np.repeat(np.arange(10), train.n_items)
        expected = theirs.predict(user, np.tile(np.arange(train.n_items), 10)).reshape(10, -1)
        # The bias of a user says nothing about items, and is left out here.
        expected = expected - theirs.user_biases[:10, None]
        np.testing.assert_allclose(model.scores(train.batch(np.arange(10))), expected, rtol=1e-4, atol=1e-5)

    def test_progress_is_told_each_epoch(self):
        told = []
        train, _ = taste_world()
        model = fitted(LightFmWarp.Config(epochs=3), train, tell=told.append)
        assert [(step.epoch, step.epochs) for step in told] == [(1, 3), (2, 3), (3, 3)]
        assert model.best_epoch == 3

    def test_weights_of_positives_count(self):
        train, _ = taste_world()
        weighted = replace(train, weight=np.where(train.item < 6, 5, 1).astype(np.float32))
        plain, heavy = (fitted(LightFmWarp.Config(epochs=10), one) for one in (train, weighted))
        assert heavy.item_biases[:6].mean() > plain.item_biases[:6].mean()

    def test_threads_only_where_asked_for(self, monkeypatch):
        from lightfm import LightFM

        used = []
        original = LightFM.fit_partial

        def spy(self, *arguments, **named):
            used.append(named["num_threads"])
            return original(self, *arguments, **named)

        monkeypatch.setattr(LightFM, "fit_partial", spy)
        train, _ = taste_world()
        for parallel in (False, True):
            fitted(LightFmWarp.Config(epochs=1, parallel=parallel), train, threads=2)
        # Two calls a fit: the first one draws the vectors.
        assert used == [1, 1, 2, 2]

    @pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
    def test_what_is_not_finite_is_said(self):
        train, _ = taste_world()
        with pytest.raises(RunError, match="lower learning_rate"):
            fitted(LightFmWarp.Config(learning_rate=1e30, epochs=3), train)

    @pytest.mark.parametrize("features", [{"item_features": True}, {"user_features": True, "item_features": True}])
    def test_features_keep_the_quality(self, features):
        train, validation = taste_world()
        model = fitted(LightFmWarp.Config(**features), described(train))
        assert validation(model) > 0.25

    def test_an_item_nobody_has_is_placed_by_its_features(self):
        train, _ = taste_world()
        whole = described(interactions(train.user, train.item, n_users=train.n_users, n_items=126))
        model = fitted(LightFmWarp.Config(item_features=True), whole)
        scores = model.scores(whole.batch(np.arange(whole.n_users)))
        liked = np.array([np.bincount(items % 6).argsort()[-2:] for items in np.split(train.item, train.n_users)])
        best = scores[:, 120:].argmax(axis=1)
        assert np.mean((best[:, None] == liked).any(axis=1)) > 0.9

    def test_without_features_it_comes_last(self):
        train, _ = taste_world()
        whole = interactions(train.user, train.item, n_users=train.n_users, n_items=122)
        items, _ = recommend(fitted(self.model, whole), whole, np.arange(200), 122, exclude_seen=False)
        assert np.array_equal(items[:, -2:], np.tile([120, 121], (200, 1)))

    def test_table_without_features(self):
        train, _ = taste_world()
        assert with_features(train.items, [])[0].shape == (120, 120)
        model = fitted(LightFmWarp.Config(item_features=True, epochs=2), train)
        plain = fitted(LightFmWarp.Config(epochs=2), train)
        np.testing.assert_allclose(model.item_vectors, plain.item_vectors, rtol=1e-5)

    def test_ridge_map_recovers_a_map(self):
        rng = np.random.default_rng(0)
        inputs, true = rng.normal(size=(500, 4)), rng.normal(size=(4, 3))
        np.testing.assert_allclose(ridge_map(inputs, inputs @ true), true, atol=0.01)

    def test_an_index_finds_the_same_lists(self, world):
        model, train, _ = world
        assert np.ptp(model.item_biases) > 0.1
        finds_the_same(model, train)

    def test_seed_beyond_32_bits(self):
        train, _ = taste_world()
        model = LightFmWarp(LightFmWarp.Config(epochs=1))
        model.learn(train, FitRun(seed=2**40 + 3))


class TestPartialFit:
    """Going on from what was learned."""

    def test_as_good_as_all_epochs_at_once(self):
        train, validation = taste_world()
        whole = validation(fitted(LightFmWarp.Config(epochs=10), train))
        model = fitted(LightFmWarp.Config(epochs=3), train)
        assert validation(model) < 0.6 * whole
        model.partial_fit(train, FitRun(seed=7), epochs=7)
        assert validation(model) > 0.95 * whole
        assert model.best_epoch == 7

    @pytest.mark.parametrize("features", [False, True])
    def test_a_loaded_model_goes_on_the_same(self, tmp_path, features):
        train = described(taste_world()[0])
        model = fitted(LightFmWarp.Config(epochs=2, item_features=features, user_features=features), train)
        model.save(tmp_path)
        opened = open_model(tmp_path)
        told = []
        for each in (model, opened):
            each.partial_fit(newest(train), FitRun(tell=told.append), epochs=2)
        assert [step.epoch for step in told] == [1, 2, 1, 2]
        for name in (*LightFmWarp.state, "popularity"):
            assert np.array_equal(getattr(model, name), getattr(opened, name)), name

    def test_the_unnamed_stay_and_the_named_stay_near(self):
        train, _ = taste_world()
        model = fitted(LightFmWarp.Config(epochs=20), train)
        before, item_vectors, popularity = model.vectors.copy(), model.item_vectors.copy(), model.popularity.copy()
        newer = newest(train)
        model.partial_fit(newer, FitRun(), epochs=3)
        users, items = model.users.positions(newer.users.ids), model.items.positions(newer.items.ids)
        assert 0 < len(users) < 200
        assert 0 < len(items) < 120
        others = np.setdiff1d(np.arange(200), users)
        assert np.array_equal(model.vectors[others], before[others])
        rest = np.setdiff1d(np.arange(120), items)
        assert np.array_equal(model.item_vectors[rest], item_vectors[rest])
        for now, then in ((model.vectors[users], before[users]), (model.item_vectors[items], item_vectors[items])):
            near = (now * then).sum(axis=1) / np.linalg.norm(now, axis=1) / np.linalg.norm(then, axis=1)
            assert not np.array_equal(now, then)
            assert near.min() > 0.9
        popularity[items] += newer.popularity
        assert np.array_equal(model.popularity, popularity)

    @pytest.mark.parametrize(("features", "least"), [(False, 0.8), (True, 0.9)])
    def test_new_users_and_items_find_their_place(self, features, least):
        """Half the users and every third item come later; ids in between others, so that all positions move."""
        whole, validation = taste_world()
        whole = described(whole)
        later = (whole.user % 2 == 1) | (whole.item % 3 == 2)
        model = fitted(
            LightFmWarp.Config(epochs=30, user_features=features, item_features=features), part(whole, ~later)
        )
        assert (len(model.users), len(model.items)) == (99, 80)
        model.partial_fit(part(whole, np.ones(len(later), bool)), FitRun(), epochs=20)
        assert np.array_equal(model.users.ids, whole.users.ids)
        assert np.array_equal(model.items.ids, whole.items.ids)
        assert validation(model) > least * validation(fitted(LightFmWarp.Config(epochs=50), whole))
        own, _ = recommend(model, whole, np.arange(200), 10)
        as_new, _ = recommend(model, whole, np.arange(200), 10, known=False)
        assert np.mean([len(set(one) & set(other)) for one, other in zip(own, as_new, strict=True)]) > 7

    def test_an_item_that_came_last_is_learned(self):
        train, _ = taste_world()
        short = interactions(train.user[train.item < 119], train.item[train.item < 119], n_users=200, n_items=120)
        model = fitted(LightFmWarp.Config(epochs=10), short)
        assert model.item_biases[119] == LAST
        model.partial_fit(train, FitRun(), epochs=5)
        assert np.abs(model.item_biases).max() < 10
        assert model.item_vectors[119].any()

    def test_what_has_no_positive_there_stays_as_it_was(self):
        train, _ = taste_world()
        model = fitted(LightFmWarp.Config(epochs=5), train)
        before = model.item_vectors[60:].copy(), model.item_biases[60:].copy(), model.vectors[0].copy()
        few = (train.item < 60) & (train.user > 0)
        newer = interactions(train.user[few], train.item[few], n_users=200, n_items=120)
        model.partial_fit(newer, FitRun(), epochs=2)
        assert np.array_equal(model.item_vectors[60:], before[0])
        assert np.array_equal(model.item_biases[60:], before[1])
        assert np.array_equal(model.vectors[0], before[2])

    def test_a_new_item_begins_with_what_its_features_have_learned(self):
        train, _ = taste_world()
        kept = train.item < 114
        model = fitted(LightFmWarp.Config(item_features=True), part(described(train), kept))
        newer = described(interactions(train.user[kept][:200], train.item[kept][:200], n_users=200, n_items=120))
        model.partial_fit(newer, FitRun(), epochs=1)
        liked = np.array([np.bincount(items % 6).argsort()[-2:] for items in np.split(train.item, 200)])
        best = model.scores(train.batch(np.arange(200)))[:, 114:].argmax(axis=1)
        assert np.mean((best[:, None] == liked).any(axis=1)) > 0.9

    def test_merged(self):
        known = Entities(np.array([1, 5, 9]), pd.DataFrame({"a": [1.0, 2.0, 3.0]}), {"a": "number"})
        newer = Entities(
            np.array([5, 7]), pd.DataFrame({"a": [4.0, 5.0], "b": ["x", "y"]}), {"a": "number", "b": "text"}
        )
        found = merged(known, newer)
        assert found.ids.tolist() == [1, 5, 7, 9]
        assert found.features["a"].tolist() == [1, 4, 5, 3]
        assert found.kinds == {"a": "number", "b": "text"}
        words = Entities(np.array(["10", "x"], dtype=object), pd.DataFrame(index=range(2)), {})
        assert merged(known, words).ids.tolist() == ["1", "10", "5", "9", "x"]


def newest(train):
    """The rows of the first thirty users that are about the first sixty items."""
    return part(train, (train.user < 30) & (train.item < 60))


def part(train, kept):
    """These rows alone, coded anew."""
    users, user = np.unique(train.user[kept], return_inverse=True)
    items, item = np.unique(train.item[kept], return_inverse=True)
    found = interactions(user, item)
    return replace(found, users=train.users.take(users), items=train.items.take(items))


def described(train):
    """The same with a group for each item and each user."""
    items = pd.DataFrame({"group": np.array(list("abcdef"))[np.arange(train.n_items) % 6]})
    users = pd.DataFrame({"group": np.array(list("ab"))[np.arange(train.n_users) % 2]})
    return replace(
        train,
        items=Entities(train.items.ids, items, {"group": "category"}),
        users=Entities(train.users.ids, users, {"group": "category"}),
    )

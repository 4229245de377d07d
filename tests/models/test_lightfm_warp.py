from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from behaviour import RecommenderBehaviour
from scipy import sparse
from worlds import fitted, interactions, taste_world

from recsys.data.dataset import Entities
from recsys.errors import RunError
from recsys.models.fold_in import ridge_map
from recsys.models.lightfm_warp import LightFmWarp, with_features
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
        assert used == [1, 2]

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
        assert with_features(train.items, True).shape == (120, 120)
        model = fitted(LightFmWarp.Config(item_features=True, epochs=2), train)
        plain = fitted(LightFmWarp.Config(epochs=2), train)
        np.testing.assert_allclose(model.item_vectors, plain.item_vectors, rtol=1e-5)

    def test_ridge_map_recovers_a_map(self):
        rng = np.random.default_rng(0)
        inputs, true = rng.normal(size=(500, 4)), rng.normal(size=(4, 3))
        np.testing.assert_allclose(ridge_map(inputs, inputs @ true), true, atol=0.01)

    def test_seed_beyond_32_bits(self):
        train, _ = taste_world()
        model = LightFmWarp(LightFmWarp.Config(epochs=1))
        model.learn(train, FitRun(seed=2**40 + 3))


def described(train):
    """The same with a group for each item and each user."""
    items = pd.DataFrame({"group": np.array(list("abcdef"))[np.arange(train.n_items) % 6]})
    users = pd.DataFrame({"group": np.array(list("ab"))[np.arange(train.n_users) % 2]})
    return replace(
        train,
        items=Entities(train.items.ids, items, {"group": "category"}),
        users=Entities(train.users.ids, users, {"group": "category"}),
    )

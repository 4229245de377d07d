from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from behaviour import RecommenderBehaviour
from pydantic import ValidationError
from scipy.stats import hypergeom
from worlds import checkerboard, fitted, interactions, taste_world, with_strangers

from recsys.data.dataset import Entities
from recsys.models.networks.two_tower import log_inclusion
from recsys.models.two_tower import TwoTower
from recsys.retrieval.lists import recommend


class TestTwoTower(RecommenderBehaviour):
    model = TwoTower.Config()
    fold_in_overlap = 1.0

    @pytest.mark.parametrize(
        "settings",
        [
            {"loss": "bce"},
            {"normalize": False, "temperature": 1.0, "learning_rate": 0.05},
            {"optimizer": "adam", "learning_rate": 0.01},
            {"user_id": True},
            {"batch_size": 7},
            {"history": False, "user_id": True},
        ],
        ids=str,
    )
    def test_checkerboard_another_way(self, settings):
        train, held_out = checkerboard()
        model = fitted(TwoTower.Config(**settings), train)
        items, _ = recommend(model, train, np.arange(train.n_users), 2)
        assert np.array_equal(np.sort(items, axis=1), held_out)

    def test_scores_are_products_of_vectors(self, world):
        model, train, _ = world
        batch = train.batch(np.array([5, 9]))
        vectors = model.user_vectors(batch)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(model.item_vectors, axis=1), 1 / model.config.temperature, rtol=1e-5)
        expected = vectors @ model.item_vectors.T + model.item_biases
        np.testing.assert_allclose(model.scores(batch), expected, rtol=1e-5)

    def test_a_user_is_the_pooled_history(self, world):
        model, train, _ = world
        strangers = with_strangers(train, [[3, 8]])
        pooled = model.history_vectors[3] + model.history_vectors[8]
        found = model.user_vectors(strangers.batch(np.array([0]), known=False))[0]
        np.testing.assert_allclose(found, pooled / np.linalg.norm(pooled), rtol=1e-4)

    def test_ids_help_known_users_alone(self, world):
        _, train, _ = world
        model = fitted(TwoTower.Config(user_id=True), train)
        own = model.user_vectors(train.batch(np.arange(20)))
        as_new = model.user_vectors(train.batch(np.arange(20), known=False))
        assert not np.allclose(own, as_new)
        assert np.all((own * as_new).sum(axis=1) > 0.7)

    def test_ids_alone(self, world):
        _, train, _ = world
        model = fitted(TwoTower.Config(history=False, user_id=True, epochs=5), train)
        assert model.history_vectors.shape == (0, 64)
        batch = train.batch(np.array([3, 8]))
        ids = model.vectors[[3, 8]] / np.linalg.norm(model.vectors[[3, 8]], axis=1, keepdims=True)
        np.testing.assert_allclose(model.user_vectors(batch), ids, rtol=1e-5)
        strangers = model.scores(train.batch(np.array([3, 8]), known=False))
        assert np.array_equal(strangers, np.tile(train.popularity, (2, 1)))

    def test_something_has_to_tell_users_apart(self):
        with pytest.raises(ValidationError, match="nothing is left that tells users apart; turn on user_id"):
            TwoTower.Config(history=False)

    def test_an_item_nobody_has_is_placed_by_its_features(self):
        model, train, group = self.with_catalogue(item_features=True)
        items, _ = recommend(model, train, np.arange(train.n_users), 1, candidates=train.popularity == 0)
        liked = np.array([np.bincount(group[train.matrix[[user]].indices]).argmax() for user in range(train.n_users)])
        assert np.mean(group[items[:, 0]] == liked) > 0.8

    def test_without_features_it_comes_last(self):
        model, train, _ = self.with_catalogue(item_features=False)
        items, _ = recommend(model, train, np.arange(train.n_users), train.n_items, exclude_seen=False)
        assert np.array_equal(items[:, -2:], np.tile([120, 121], (train.n_users, 1)))

    def test_user_features(self):
        train, validation = taste_world()
        groups = pd.DataFrame({"group": np.array(["a", "b"])[np.arange(train.n_users) % 2]})
        train = replace(train, users=Entities(train.users.ids, groups, {"group": "category"}))
        model = fitted(TwoTower.Config(user_features=True), train)
        assert model.vectors.shape == (train.n_users, 64)
        assert np.array_equal(model.vectors[0], model.vectors[2])
        assert validation(model) > 0.25

    def test_validation_chooses_the_epochs(self):
        train, validation = taste_world()
        config = TwoTower.Config(learning_rate=0.5, patience=3)
        model = fitted(config, train, validation=validation)
        assert model.best_epoch < config.epochs
        again = fitted(config.model_copy(update={"epochs": model.best_epoch}), train)
        assert np.array_equal(again.item_vectors, model.item_vectors)

    def test_chance_to_be_in_a_batch(self):
        having = np.array([1, 2, 10, 45, 50])
        found = log_inclusion(torch.from_numpy(having), 50, 8).exp().numpy()
        np.testing.assert_allclose(found, 1 - hypergeom.pmf(0, 50, having, 8), rtol=1e-6)
        assert np.all(log_inclusion(torch.from_numpy(having), 50, 50).numpy() == 0)
        large = log_inclusion(torch.tensor([1, 1000]), 5_000_000, 128).exp().numpy()
        np.testing.assert_allclose(large, [128 / 5e6, 1 - (1 - 1000 / 5e6) ** 128], rtol=1e-3)

    @staticmethod
    def with_catalogue(item_features):
        """The taste world and two items that nobody has, of groups 0 and 1, (model, train, group of each item)."""
        train, _ = taste_world()
        group = np.append(np.arange(120) % 6, [0, 1])
        table = pd.DataFrame({"group": np.array(list("abcdef"))[group]})
        whole = interactions(train.user, train.item, n_users=train.n_users, n_items=122)
        kept = np.isin(group[train.item], (0, 1))
        whole = interactions(train.user[kept], train.item[kept], n_users=train.n_users, n_items=122)
        whole = replace(whole, items=Entities(whole.items.ids, table, {"group": "category"}))
        several = np.flatnonzero(np.diff(whole.matrix.indptr) > 3)
        user = np.searchsorted(several, whole.user)
        kept = np.isin(whole.user, several)
        whole = interactions(user[kept], whole.item[kept], n_users=len(several), n_items=122)
        whole = replace(whole, items=Entities(whole.items.ids, table, {"group": "category"}))
        return fitted(TwoTower.Config(item_features=item_features), whole), whole, group

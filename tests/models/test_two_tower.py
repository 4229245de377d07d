from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from behaviour import RecommenderBehaviour
from pydantic import ValidationError
from scipy.stats import hypergeom
from worlds import checkerboard, finds_the_same, fitted, interactions, of_histories, taste_world, with_strangers

from recsys.data.dataset import Entities
from recsys.errors import InputError
from recsys.models.learning import shape_of
from recsys.models.networks.two_tower import POOL, Inputs, Towers, TwoTowerNetwork, log_inclusion
from recsys.models.two_tower import TwoTower
from recsys.retrieval.lists import recommend


class TestTwoTower(RecommenderBehaviour):
    model = TwoTower.Config()
    fold_in_overlap = 1.0

    @pytest.mark.parametrize(
        "settings",
        [
            {"loss": "bce"},
            {"loss": "bce", "sampling": "popularity"},
            {"loss": "bce", "sampling": "in-batch"},
            {"loss": "bce", "sampling": "hard"},
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

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"history": False}, "nothing is left that tells users apart; turn on user_id"),
            ({"item_id": False}, "nothing is left that tells items apart; turn on item_features"),
            ({"sampling": "hard"}, "softmax draws no negatives: .*; set loss: bce"),
        ],
    )
    def test_settings_that_leave_nothing(self, settings, message):
        with pytest.raises(ValidationError, match=message):
            TwoTower.Config(**settings)

    @pytest.mark.parametrize(
        ("side", "settings"),
        [("user", {"history": False, "user_features": True}), ("item", {"item_id": False, "item_features": True})],
    )
    def test_features_alone_have_to_be_there(self, world, side, settings):
        with pytest.raises(InputError, match=f"a tower of {side} features alone, and these data have none; turn on"):
            fitted(TwoTower.Config(**settings), world[1])

    @pytest.mark.parametrize("kind", ["number", "text", "category"])
    @pytest.mark.parametrize("settings", [{}, {"item_id": False}, {"loss": "bce"}], ids=str)
    def test_cold_items_are_told_by_one_feature(self, kind, settings):
        """Items 40 to 59 have no rows: what is known of their colour is the one column."""
        train, _ = checkerboard()
        kept = train.positive
        whole = interactions(train.user[kept], train.item[kept], n_users=40, n_items=60)
        whole = replace(whole, items=coloured(whole.items, kind))
        model = fitted(TwoTower.Config(item_features=True, epochs=20, **settings), whole)
        items, _ = recommend(model, whole, np.arange(40), 10, candidates=whole.popularity == 0)
        assert np.all(items >= 40)
        assert np.mean(items % 2 == np.arange(40)[:, None] % 2) > 0.95

    @pytest.mark.parametrize("kind", ["number", "text", "category"])
    @pytest.mark.parametrize("normalize", [True, False])
    def test_users_who_are_one_feature(self, kind, normalize):
        train, held_out = checkerboard()
        train = replace(train, users=coloured(train.users, kind), items=coloured(train.items, kind))
        model = fitted(
            TwoTower.Config(history=False, user_features=True, item_features=True, normalize=normalize), train
        )
        items, _ = recommend(model, train, np.arange(40), 2)
        assert np.array_equal(np.sort(items, axis=1), held_out)

    def test_features_on_both_sides_and_nothing_else(self):
        train, held_out = checkerboard()
        train = replace(train, users=coloured(train.users, "text"), items=coloured(train.items, "text"))
        settings = {"history": False, "user_features": True, "item_id": False, "item_features": True}
        model = fitted(TwoTower.Config(**settings), train)
        assert model.history_vectors.shape == (0, 64)
        assert np.all(model.item_biases == 0)
        items, _ = recommend(model, train, np.arange(40), 2)
        assert np.all(items % 2 == held_out % 2)

    def test_a_feature_that_only_cold_items_have_says_nothing(self):
        train, _ = taste_world()
        whole = interactions(train.user, train.item, n_users=train.n_users, n_items=121)
        table = pd.DataFrame({"group": [*np.array(list("abcdef"))[np.arange(120) % 6], "new"]})
        whole = replace(whole, items=Entities(whole.items.ids, table, {"group": "category"}))
        for item_id in (True, False):
            model = fitted(TwoTower.Config(item_features=True, item_id=item_id, epochs=2), whole)
            assert not model.item_vectors[120].any()
            assert model.scores(whole.batch(np.arange(5))).argmin(axis=1).tolist() == [120] * 5

    def test_an_index_finds_the_same_lists(self, world):
        finds_the_same(*world[:2])

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


class TestNegatives:
    """What a positive is set against."""

    histories = ([0, 1, 2], [0, 1], [0], [0, 4])  # nobody has item 3

    def drawn(self, item, **settings):
        train = of_histories(self.histories, n_items=5)
        towers = shape_of(Towers, TwoTower.Config(loss="bce", **settings))
        generator = torch.Generator().manual_seed(0)
        network = TwoTowerNetwork(Inputs(train.matrix, None, None), towers, generator)
        return network._negatives(torch.tensor(item), 2000, generator)

    @pytest.mark.parametrize(
        ("sampling", "shares"),
        [
            ("uniform", [1 / 4, 1 / 4, 1 / 4, 0, 1 / 4]),
            ("popularity", [4 / 8, 2 / 8, 1 / 8, 0, 1 / 8]),
            ("in-batch", [1 / 3, 0, 0, 0, 2 / 3]),
            ("hard", [1 / 4, 1 / 4, 1 / 4, 0, 1 / 4]),
        ],
    )
    def test_shares(self, sampling, shares):
        found = self.drawn([0, 4, 4], sampling=sampling, negatives=5)
        assert found.shape == (2000, 5 * (POOL if sampling == "hard" else 1))
        np.testing.assert_allclose(np.bincount(found.flatten(), minlength=5) / found.numel(), shares, atol=0.02)

    def test_hard_ones_score_higher(self):
        """The same steps but for the drawing: what is set against the positives ends lower where it is what is hard."""
        train, validation = taste_world()
        settings = {"loss": "bce", "negatives": 3, "epochs": 20}
        models = [fitted(TwoTower.Config(sampling=how, **settings), train) for how in ("uniform", "hard")]
        best = [np.sort(model.scores(train.batch(np.arange(200))), axis=1)[:, -40:].mean() for model in models]
        assert best[1] < best[0]
        assert all(validation(model) > 0.25 for model in models)


def coloured(entities, kind):
    """The same with the colour of the checkerboard as their one feature; numbers are all different."""
    odd = np.arange(len(entities)) % 2
    noise = np.random.default_rng(0).normal(0, 0.1, len(entities))
    values = {
        "number": odd + noise,
        "category": np.array(["black", "white"])[odd],
        "text": [f"the {('black', 'white')[one]} one, number {place}" for place, one in enumerate(odd)],
    }
    return Entities(entities.ids, pd.DataFrame({"colour": values[kind]}), {"colour": kind})

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from worlds import fitted, interactions, of_histories, taste_world, with_strangers

from recsys.errors import InputError
from recsys.models.mf import Mf
from recsys.training.validation import ValueValidation


def ratings(n_users=150, n_items=80, n_rows=6_000, seed=0):
    """Values from biases and two factors without noise, (train, the other rows)."""
    rng = np.random.default_rng(seed)
    user, item = random_rows(n_users, n_items, n_rows)
    p, q = rng.normal(0, 0.5, (n_users, 2)), rng.normal(0, 0.5, (n_items, 2))
    value = 3 + rng.normal(0, 0.4, n_users)[user] + rng.normal(0, 0.4, n_items)[item] + (p[user] * q[item]).sum(axis=1)
    kept = rng.random(len(user)) < 0.8
    train = interactions(user[kept], item[kept], value=value[kept], n_users=n_users, n_items=n_items)
    return train, (user[~kept], item[~kept], value[~kept])


class TestMf(RecommenderBehaviour):
    model = Mf.Config()
    falls_back = False
    fold_in_overlap = 0.85

    def test_beats_popularity_on_taste_world(self, world):
        # Its lists are those of the values it expects, which is another question: it has to beat the items' means.
        model, train, _ = world
        rng = np.random.default_rng(1)
        user, item = rng.integers(0, train.n_users, 500), rng.integers(0, train.n_items, 500)
        mean = np.bincount(train.item, train.value, train.n_items) / np.bincount(train.item, minlength=train.n_items)
        liked = model.predict(train.user, train.item)
        assert np.sqrt(np.mean((liked - train.value) ** 2)) < np.sqrt(np.mean((mean[train.item] - train.value) ** 2))
        assert np.isfinite(model.predict(user, item)).all()

    def test_recovers_biases_and_factors(self):
        train, rest = ratings()
        check = ValueValidation(*rest)
        model = fitted(Mf.Config(embedding_size=8, regularization=0.01, epochs=60), train)
        assert np.std(rest[2]) > 0.6
        assert check(model) < 0.15

    def test_any_scale_of_values(self):
        train, _ = ratings()
        user, item = np.arange(50), np.arange(50)
        plain = fitted(self.model, train).predict(user, item)
        large = fitted(self.model, replace(train, value=train.value * 100 + 1_000)).predict(user, item)
        np.testing.assert_allclose(large, plain * 100 + 1_000, rtol=1e-3)

    def test_values_as_they_are(self):
        train, rest = ratings()
        model = fitted(Mf.Config(optimizer="adam", learning_rate=0.01, regularization=0, standardize=False), train)
        mean, unit, *_ = model.scale
        assert (mean, unit) == (pytest.approx(train.value.mean()), 1)
        neither = model.predict(np.array([-1]), np.array([3]))
        assert neither == pytest.approx(mean + model.item_biases[3])
        assert ValueValidation(*rest)(model) < 0.6 * np.std(rest[2])

    def test_predictions_stay_in_the_range_of_training(self):
        train, _ = ratings()
        coarse = replace(train, value=np.clip(train.value, 2.5, 3.5))
        predicted = fitted(self.model, coarse).predict(train.user, train.item)
        assert predicted.min() == pytest.approx(2.5)
        assert predicted.max() == pytest.approx(3.5)

    def test_unknown_in_a_pair_counts_as_the_mean(self):
        train, _ = ratings()
        model = fitted(self.model, train)
        mean, deviation, *_ = model.scale
        neither, only_item, only_user = model.predict(np.array([-1, -1, 4]), np.array([-1, 3, -1]))
        assert neither == pytest.approx(mean)
        assert only_item == pytest.approx(mean + deviation * model.item_biases[3])
        assert only_user == pytest.approx(mean + deviation * model.user_biases[4])

    def test_scores_are_predictions(self):
        train, _ = ratings()
        model = fitted(self.model, train)
        scores = model.scores(train.batch(np.array([7])))[0]
        predicted = model.predict(np.full(train.n_items, 7), np.arange(train.n_items))
        np.testing.assert_allclose(np.clip(scores, *model.scale[2:]), predicted, rtol=1e-5)

    def test_a_stranger_without_values_gets_the_items_means(self):
        train, _ = ratings()
        model = fitted(self.model, train)
        mean, deviation, *_ = model.scale
        strangers = replace(with_strangers(train, [[3, 4], []]), value=None)
        scores = model.scores(strangers.batch(np.arange(2), known=False))
        np.testing.assert_allclose(scores, np.tile(mean + deviation * model.item_biases, (2, 1)), rtol=1e-5)

    def test_folding_in_is_ridge_regression(self):
        train, _ = ratings()
        model = fitted(self.model, train)
        values = np.array([5.0, 1.0, 2.0])
        strangers = with_strangers(train, [[3, 4, 9]], values=values)
        mean, deviation, *_ = model.scale
        inputs = np.column_stack([model.item_factors[[3, 4, 9]], np.ones(3)])
        targets = (values - mean) / deviation - model.item_biases[[3, 4, 9]]
        # The same with pseudo-rows: each coefficient observed as 0, with the weight of the penalty.
        penalty = np.sqrt(self.model.regularization * 3) * np.eye(65)
        solved = np.linalg.lstsq(np.vstack([inputs, penalty]), np.append(targets, np.zeros(65)), rcond=None)[0]
        expected = mean + deviation * (model.item_factors @ solved[:-1] + solved[-1] + model.item_biases)
        scores = model.scores(strangers.batch(np.arange(1), known=False))[0]
        np.testing.assert_allclose(scores, expected, rtol=1e-5)

    def test_data_without_values_are_refused(self):
        with pytest.raises(InputError, match="needs a value, such as a rating") as caught:
            fitted(self.model, of_histories([[0, 1], [1]]))
        assert "columns.value" in caught.value.remedy

    def test_validation_chooses_the_epochs(self):
        train, rest = ratings(n_rows=1_500)
        config = Mf.Config(regularization=0.0, learning_rate=0.3, epochs=40)
        check = ValueValidation(*rest)
        model = fitted(config, train, validation=check)
        assert model.best_epoch < 40
        again = fitted(config.model_copy(update={"epochs": model.best_epoch}), train)
        np.testing.assert_array_equal(again.item_factors, model.item_factors)
        assert check(again) < check(fitted(config, train))


def test_taste_world_has_values():
    assert set(np.unique(taste_world()[0].value)) == {1, 2, 3, 4, 5}

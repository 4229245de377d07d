from __future__ import annotations

import numpy as np
import pytest
from behaviour import SLACK, RecommenderBehaviour, peak_of, random_rows
from explained import assert_parts_sum_to_scores
from worlds import fitted, interactions, of_histories, with_strangers

from recsys.errors import RunError
from recsys.models import ease
from recsys.models.ease import Ease, dense_gram, invert_in_place
from recsys.models.registry import open_model
from recsys.training.run import FitRun


class TestEase(RecommenderBehaviour):
    model = Ease.Config()
    fold_in_overlap = 1.0

    @pytest.fixture(scope="class")
    @classmethod
    def wide(cls):
        """Fewer users than items: a model from the users' side, one from the items' side, the training part."""
        user, item = random_rows(80, 200, 3_000)
        weight = np.random.default_rng(0).integers(1, 4, len(user))
        train = interactions(user, item, weight=weight, n_users=80, n_items=201)
        model = fitted(cls.model, train)
        inverse = invert_in_place(dense_gram(train.matrix, 500.0))
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return model, weights, train

    def test_closed_form_on_three_items(self):
        # G + 1 = [[3,1,0],[1,3,1],[0,1,2]], det 13; the inverse is [[5,-2,1],[-2,6,-3],[1,-3,8]] / 13, and column j
        # of the weights is minus column j of it over its diagonal.
        train = of_histories([[0, 1], [0], [1, 2]])
        weights = fitted(Ease.Config(regularization=1.0), train).weights
        expected = [[0, 2 / 6, -1 / 8], [2 / 5, 0, 3 / 8], [-1 / 5, 3 / 6, 0]]
        np.testing.assert_allclose(weights, expected, atol=1e-6)

    def test_agrees_with_float64(self):
        train = interactions(*random_rows(300, 200, 6_000), n_users=300, n_items=200)
        dense = train.matrix.toarray().astype(np.float64)
        inverse = np.linalg.inv(dense.T @ dense + 20 * np.eye(200))
        expected = -inverse / np.diag(inverse)
        np.fill_diagonal(expected, 0)
        found = fitted(Ease.Config(regularization=20.0), train).weights
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_both_sides_give_the_same_scores(self, wide):
        model, weights, train = wide
        assert not len(model.weights)
        assert model.inverse.shape == (80, 80)
        expected = train.matrix @ weights
        found = model.scores(train.batch(np.arange(80)))
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())

    def test_the_side_of_fewer_users_is_saved_and_serves_strangers(self, wide, tmp_path):
        model, weights, train = wide
        model.save(tmp_path)
        strangers = with_strangers(train, [[3, 50], []]).batch(np.arange(2), known=False)
        found = open_model(tmp_path).scores(strangers)
        np.testing.assert_allclose(found[0], weights[3] + weights[50], atol=1e-4 * np.abs(weights).max())
        assert np.array_equal(found[1], train.popularity)

    def test_the_explanation_sums_to_the_score(self, world, wide):
        assert_parts_sum_to_scores(*world[:2])
        assert_parts_sum_to_scores(wide[0], wide[2])

    @pytest.mark.parametrize("big", [(1_000, 6_000, 200_000)])
    def test_memory_law_from_the_users_side(self, big):
        user, item = random_rows(*big)
        train = interactions(user, item, n_users=big[0], n_items=big[1])
        model = Ease(self.model)
        promised = model.memory(*big[:2], len(train))
        measured = peak_of(lambda: model.learn(train, FitRun()))
        assert measured <= promised + SLACK
        assert promised <= 3 * measured + SLACK

    def test_weights_of_positives_count(self):
        train = of_histories([[0, 1], [0, 1], [1, 2]], weight=[3, 1, 1, 1, 1, 1])
        np.testing.assert_allclose(dense_gram(train.matrix, 0)[0], [10, 4, 0])

    @pytest.mark.parametrize("block", [7, 64, 1000])
    def test_blocks_change_nothing(self, monkeypatch, block):
        monkeypatch.setattr(ease, "BLOCK", block)
        square = np.random.default_rng(0).random((50, 50))
        positive = square @ square.T + np.eye(50)
        inverse = invert_in_place(positive.astype(np.float32))
        np.testing.assert_allclose(inverse, np.linalg.inv(positive), atol=1e-3)
        assert np.array_equal(inverse, inverse.T)

    def test_inverts_in_the_memory_of_its_argument(self):
        matrix = np.eye(30, dtype=np.float32) * 2
        assert np.shares_memory(invert_in_place(matrix), matrix)

    def test_too_little_regularization_is_said(self):
        # Twenty equal columns, which float32 cannot tell apart.
        train = of_histories([list(range(20))] * 500)
        with pytest.raises(RunError, match="raise regularization"):
            fitted(Ease.Config(regularization=1e-9), train)

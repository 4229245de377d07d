from __future__ import annotations

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from worlds import fitted, interactions, of_histories

from recsys.errors import RunError
from recsys.models import ease
from recsys.models.ease import Ease, dense_gram, invert_in_place


class TestEase(RecommenderBehaviour):
    model = Ease.Config()
    fold_in_overlap = 1.0

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

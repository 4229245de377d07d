from __future__ import annotations

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from explained import assert_parts_sum_to_scores
from worlds import fitted, interactions, of_histories, with_strangers

from recsys.models.pure_svd import PureSvd, right_vectors


class TestPureSvd(RecommenderBehaviour):
    model = PureSvd.Config()
    fold_in_overlap = 1.0

    def test_checkerboard(self, board):
        # Its singular values are 18 twice, 2 eighteen times and 0: a cut among the equal ones is left to rounding.
        _, train, held_out = board
        super().test_checkerboard((fitted(PureSvd.Config(embedding_size=2), train), train, held_out))

    def test_one_direction_by_hand(self):
        # Two users have 0 and 1, one has 2: the strongest direction is (1, 1, 0) / √2.
        train = of_histories([[0, 1], [0, 1], [2]])
        model = fitted(PureSvd.Config(embedding_size=1), train)
        strangers = with_strangers(train, [[0]])
        found = model.scores(strangers.batch(np.array([0]), known=False))
        np.testing.assert_allclose(found, [[0.5, 0.5, 0]], atol=1e-6)

    @pytest.mark.parametrize(("n_users", "n_items"), [(60, 40), (40, 60)])
    @pytest.mark.parametrize("size", [3, 10, 25])
    def test_scores_are_the_best_approximation(self, n_users, n_items, size):
        """By Eckart and Young the projection of all histories is the dense decomposition cut at the same place."""
        train = interactions(*random_rows(n_users, n_items, 700), n_users=n_users, n_items=n_items)
        left, strength, right = np.linalg.svd(train.matrix.toarray().astype(np.float64), full_matrices=False)
        expected = (left[:, :size] * strength[:size]) @ right[:size]
        found = fitted(PureSvd.Config(embedding_size=size), train).scores(train.batch(np.arange(n_users)))
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_more_dimensions_than_the_data_have(self):
        train = of_histories([[0, 1], [0, 1], [2]])
        vectors = right_vectors(train.matrix, 8)
        assert vectors.shape == (3, 8)
        assert np.count_nonzero(vectors.any(axis=0)) == 2
        np.testing.assert_allclose(train.matrix @ vectors @ vectors.T, train.matrix.toarray(), atol=1e-6)

    def test_the_explanation_sums_to_the_score(self, world):
        model, train, _ = world
        assert_parts_sum_to_scores(model, train)
        assert_parts_sum_to_scores(model, with_strangers(train, [[3, 9, 60]]), users=[0], known=False)

from __future__ import annotations

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from explained import assert_parts_sum_to_scores
from worlds import fitted, interactions, of_histories

from recsys.models import rp3beta
from recsys.models.rp3beta import Rp3Beta


class TestRp3Beta(RecommenderBehaviour):
    model = Rp3Beta.Config()
    fold_in_overlap = 1.0

    def walks(self, train, **settings):
        return fitted(Rp3Beta.Config(**settings), train).walks.toarray()

    def test_walks_of_three_items(self):
        # From item 0 to each of its two users by 1/2, from there to item 1 by 1/2; from 1 to 2 by 1/3 and 1/2.
        train = of_histories([[0, 1], [0, 1], [1, 2]])
        found = self.walks(train, alpha=1.0, beta=0.0)
        np.testing.assert_allclose(found, [[0, 1 / 2, 0], [1 / 3, 0, 1 / 6], [0, 1 / 2, 0]], rtol=1e-6)

    def test_popular_ends_are_held_back(self):
        train = of_histories([[0, 1], [0, 1], [1, 2]])
        found = self.walks(train, alpha=1.0, beta=1.0)
        np.testing.assert_allclose(found[0, 1], 1 / 2 / 3, rtol=1e-6)
        np.testing.assert_allclose(found[1], [1 / 3 / 2, 0, 1 / 6], rtol=1e-6)

    def test_equals_a_dense_computation(self):
        weight = np.random.default_rng(0).integers(1, 5, 500)
        user, item = random_rows(60, 40, 500)
        train = interactions(user, item, weight=weight[: len(user)], n_users=60, n_items=40)
        dense = train.matrix.toarray().astype(float)
        from_user = (dense / dense.sum(axis=1, keepdims=True)) ** 0.7
        to_user = (dense / dense.sum(axis=0)).T ** 0.7
        expected = to_user @ from_user / dense.sum(axis=0) ** 0.3
        np.fill_diagonal(expected, 0)
        np.testing.assert_allclose(self.walks(train, alpha=0.7, beta=0.3), expected, rtol=1e-4)

    def test_a_candidate_keeps_its_own_neighbors(self):
        train = of_histories([[0, 1], [0, 1], [1, 2]])
        found = self.walks(train, neighbors=1)
        assert (found > 0).sum(axis=0).tolist() == [1, 1, 1]

    @pytest.mark.parametrize("neighbors", [3, 100])
    def test_blocks_change_nothing(self, monkeypatch, neighbors):
        train = interactions(*random_rows(60, 40, 500), n_users=60, n_items=40)
        whole = self.walks(train, neighbors=neighbors)
        monkeypatch.setattr(rp3beta, "CELLS", 7 * 40)
        np.testing.assert_array_equal(self.walks(train, neighbors=neighbors), whole)

    def test_the_explanation_sums_to_the_score(self, world):
        assert_parts_sum_to_scores(*world[:2])

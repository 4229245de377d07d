from __future__ import annotations

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from explained import assert_parts_sum_to_scores
from worlds import fitted, interactions, of_histories

from recsys.models import gf_cf
from recsys.models.gf_cf import GfCf


class TestGfCf(RecommenderBehaviour):
    model = GfCf.Config()
    fold_in_overlap = 1.0

    def test_the_linear_filter_of_three_items(self):
        # Users have 2, 2 and 2 items, items 2, 3 and 1 users; N has 1/√(2·2) = 1/2 for item 0, 1/√6 and 1/√2.
        train = of_histories([[0, 1], [0, 1], [1, 2]])
        found = fitted(GfCf.Config(alpha=0.0), train).scores(train.batch(np.array([0])))
        from_0 = np.array([1 / 2, 2 / np.sqrt(24), 0])
        from_1 = np.array([2 / np.sqrt(24), 1 / 2, 1 / np.sqrt(12)])
        np.testing.assert_allclose(found[0], from_0 + from_1, rtol=1e-6)

    def test_equals_a_dense_computation(self):
        weight = np.random.default_rng(0).integers(1, 5, 500)
        user, item = random_rows(60, 40, 500)
        train = interactions(user, item, weight=weight[: len(user)], n_users=60, n_items=40)
        dense = train.matrix.toarray().astype(float)
        root = np.sqrt(dense.sum(axis=0))
        normalized = dense / np.sqrt(dense.sum(axis=1, keepdims=True)) / root
        right = np.linalg.svd(normalized)[2][:5]
        smooth = (dense / root) @ right.T @ right * root
        expected = dense @ normalized.T @ normalized + 0.7 * smooth
        found = fitted(GfCf.Config(embedding_size=5, alpha=0.7), train).scores(train.batch(np.arange(60)))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("cells", [1, 500])
    def test_blocks_change_nothing(self, monkeypatch, cells):
        train = interactions(*random_rows(60, 40, 500), n_users=60, n_items=40)
        model, batch = fitted(self.model, train), train.batch(np.arange(60))
        whole = model.scores(batch)
        monkeypatch.setattr(gf_cf, "CELLS", cells)
        np.testing.assert_allclose(model.scores(batch), whole, rtol=1e-5)

    def test_the_explanation_sums_to_the_score(self, world):
        assert_parts_sum_to_scores(*world[:2])

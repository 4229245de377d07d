from __future__ import annotations

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from explained import assert_parts_sum_to_scores
from sklearn.linear_model import ElasticNet
from worlds import fitted, interactions, of_histories

from recsys.errors import InputError
from recsys.models import slim
from recsys.models.requirements import require_memory
from recsys.models.slim import Slim


class TestSlim(RecommenderBehaviour):
    model = Slim.Config(regularization=5.0, sparsity=0.5)
    fold_in_overlap = 1.0
    big = (2_000, 1_500, 100_000)

    def weights(self, train, **settings):
        return fitted(Slim.Config(**settings), train).weights.toarray()

    def test_two_items_by_hand(self):
        # Two users have both, item 0 has three users: w = (2 - sparsity) / (n + regularization).
        train = of_histories([[0, 1], [0, 1], [0]])
        found = self.weights(train, regularization=1.0, sparsity=0.5)
        np.testing.assert_allclose(found, [[0, 1.5 / 4], [1.5 / 3, 0]], rtol=1e-6)

    def test_what_is_shared_too_little_weighs_nothing(self):
        train = of_histories([[0, 1], [0, 1], [0]])
        assert not self.weights(train, sparsity=2.0).any()

    @pytest.mark.parametrize(("columns", "rows"), [(256, 64), (7, 5), (1, 1)])
    def test_equals_scikit_learn(self, monkeypatch, columns, rows):
        monkeypatch.setattr(slim, "COLUMNS", columns)
        monkeypatch.setattr(slim, "ROWS", rows)
        monkeypatch.setattr(slim, "TOLERANCE", 1e-7)
        weight = np.random.default_rng(0).integers(1, 3, 900)
        user, item = random_rows(80, 30, 900)
        train = interactions(user, item, weight=weight[: len(user)], n_users=80, n_items=30)
        dense, ridge, lasso = train.matrix.toarray().astype(float), 4.0, 3.0
        expected = np.zeros((30, 30))
        for item in range(30):
            others = np.arange(30) != item
            net = ElasticNet(
                alpha=(ridge + lasso) / 80,
                l1_ratio=lasso / (ridge + lasso),
                positive=True,
                fit_intercept=False,
                tol=1e-10,
                max_iter=10_000,
            )
            expected[others, item] = net.fit(dense[:, others], dense[:, item]).coef_
        found = self.weights(train, regularization=ridge, sparsity=lasso)
        assert 0.1 < np.mean(expected > 0) < 0.9
        np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_too_many_items_are_refused(self):
        train = interactions([0, 1], [0, 99_999], n_items=100_000)
        with pytest.raises(InputError, match="needs about"):
            require_memory(Slim(Slim.Config()), train, free=16 * 10**9)

    def test_the_explanation_sums_to_the_score(self, world):
        assert_parts_sum_to_scores(*world[:2])

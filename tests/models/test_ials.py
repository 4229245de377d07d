from __future__ import annotations

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from explained import assert_parts_sum_to_scores
from worlds import fitted, interactions, of_histories, with_strangers

from recsys.models import ials
from recsys.models.ials import IAls, turned


class TestIAls(RecommenderBehaviour):
    model = IAls.Config()
    fold_in_overlap = 1.0

    def test_a_user_is_the_solution_of_its_system(self):
        """Short and long histories, against the normal equations in float64."""
        model, train = self.weighted()
        items = model.item_vectors.astype(np.float64)
        settings, dense = model.config, train.matrix.toarray().astype(np.float64)
        counts = (dense > 0).sum(axis=1)
        assert (2 * counts <= 16).any()
        assert (2 * counts > 16).any()
        for row, found in zip(dense, model.user_vectors(train.batch(np.arange(train.n_users))), strict=True):
            ridge = settings.regularization * (row.sum() + settings.alpha * train.n_items) ** settings.frequency
            system = settings.alpha * items.T @ items + (items.T * row) @ items + ridge * np.eye(16)
            np.testing.assert_allclose(found, np.linalg.solve(system, items.T @ row), atol=1e-5)

    def test_every_epoch_lowers_the_loss(self):
        """The whole loss, from all cells, on a matrix with weights."""
        losses = [self.loss(*self.weighted(epochs=epochs)) for epochs in (1, 2, 4, 8)]
        assert losses == sorted(losses, reverse=True)

    def test_items_and_users_end_where_neither_moves(self):
        model, train = self.weighted(epochs=60)
        users = model.user_vectors(train.batch(np.arange(train.n_users)))
        again = model._solved(train.matrix.T.tocsr(), *turned(users))
        _, _, basis = np.linalg.svd(users, full_matrices=False)
        assert basis.shape == (16, 16)
        products = users @ model.item_vectors.T
        np.testing.assert_allclose(turned(users)[0] @ again.T, products, atol=2e-3)

    def test_turning_changes_no_product(self):
        vectors = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
        found, spectrum = turned(vectors)
        np.testing.assert_allclose(found @ found.T, vectors @ vectors.T, atol=1e-4)
        np.testing.assert_allclose(found.T @ found, np.diag(spectrum), atol=1e-4)

    def test_one_factor_by_hand(self):
        # One user with one item and one factor h = 2: w (alpha h² + h² + ridge) = h with ridge = 0.5 (1 + 0.25).
        model = IAls(IAls.Config(embedding_size=1, alpha=0.25, regularization=0.5, frequency=1.0))
        train = of_histories([[0]])
        found = model._solved(train.matrix, np.array([[2]], np.float32), np.array([4], np.float32))
        np.testing.assert_allclose(found, [[2 / (0.25 * 4 + 4 + 0.625)]], rtol=1e-6)

    def test_the_explanation_sums_to_the_score(self, world):
        model, train, _ = world
        assert_parts_sum_to_scores(model, train)
        assert_parts_sum_to_scores(model, with_strangers(train, [[3, 9, 60]]), users=[0], known=False)
        assert_parts_sum_to_scores(*self.weighted(), users=[1, 2])

    @pytest.mark.parametrize("cells", [1, 500])
    def test_blocks_change_nothing(self, monkeypatch, cells):
        model, train = self.weighted()
        users = train.batch(np.arange(train.n_users))
        whole = model.user_vectors(users)
        monkeypatch.setattr(ials, "CELLS", cells)
        np.testing.assert_allclose(model.user_vectors(users), whole, rtol=1e-4, atol=1e-5)

    @staticmethod
    def weighted(epochs=3):
        """A small model of data with weights, (model, train)."""
        user, item = random_rows(40, 30, 420)
        weight = np.random.default_rng(1).integers(1, 4, len(user))
        train = interactions(user, item, weight=weight, n_users=40, n_items=30)
        kept = item % 5 <= user % 6
        train = interactions(user[kept], item[kept], weight=weight[kept], n_users=40, n_items=30)
        return fitted(IAls.Config(embedding_size=16, epochs=epochs), train), train

    @staticmethod
    def loss(model, train):
        settings, dense = model.config, train.matrix.toarray()
        users, items = model.user_vectors(train.batch(np.arange(train.n_users))), model.item_vectors
        scores = users @ items.T
        total = (dense * (scores - 1) ** 2).sum() + settings.alpha * (scores**2).sum()
        for vectors, sums, others in ((users, dense.sum(1), train.n_items), (items, dense.sum(0), train.n_users)):
            ridge = settings.regularization * (sums + settings.alpha * others) ** settings.frequency
            total += ridge @ (vectors**2).sum(axis=1)
        return total

from __future__ import annotations

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from sklearn.metrics.pairwise import cosine_similarity
from worlds import fitted, interactions, of_histories

from recsys.models import item_knn
from recsys.models.item_knn import ItemKnn


class TestItemKnn(RecommenderBehaviour):
    model = ItemKnn.Config()
    fold_in_overlap = 1.0

    def similarity(self, train, **settings):
        return fitted(ItemKnn.Config(**settings), train).similarity.toarray()

    def test_cosine_of_three_items(self):
        # Items have 2, 3 and 1 users; 0 and 1 share two, 1 and 2 share one.
        train = of_histories([[0, 1], [0, 1], [1, 2]])
        near, far = 2 / np.sqrt(2 * 3), 1 / np.sqrt(3 * 1)
        expected = [[0, near, 0], [near, 0, far], [0, far, 0]]
        np.testing.assert_allclose(self.similarity(train, similarity="cosine", shrinkage=0), expected, rtol=1e-6)

    def test_shrinkage_stands_in_the_denominator(self):
        train = of_histories([[0, 1], [0, 1], [1, 2]])
        found = self.similarity(train, similarity="cosine", shrinkage=4)
        assert found[0, 1] == pytest.approx(2 / (np.sqrt(6) + 4))

    def test_a_candidate_keeps_its_own_nearest(self):
        # Item 1 is nearer to 0 than to 2, but 1 is all that 2 has: a row keeps more than one, a column one.
        train = of_histories([[0, 1], [0, 1], [1, 2]])
        found = self.similarity(train, similarity="cosine", shrinkage=0, neighbors=1)
        assert (found > 0).sum(axis=0).tolist() == [1, 1, 1]
        assert found[1, 2] > 0
        assert found[2, 1] == 0

    def test_scores_sum_over_the_history(self):
        train = of_histories([[0, 1], [0, 1], [1, 2], [0]])
        model = fitted(ItemKnn.Config(similarity="cosine", shrinkage=0), train)
        scores = model.scores(train.batch(np.array([2, 3])))
        similarity = model.similarity.toarray()
        np.testing.assert_allclose(scores, [similarity[1] + similarity[2], similarity[0]], rtol=1e-6)

    def test_equals_scikit_learn(self):
        train = interactions(*random_rows(60, 40, 500), n_users=60, n_items=40)
        expected = cosine_similarity(train.matrix.toarray().T)
        np.fill_diagonal(expected, 0)
        np.testing.assert_allclose(self.similarity(train, similarity="cosine", shrinkage=0), expected, atol=1e-6)

    def test_tfidf_by_its_definition(self):
        train = interactions(*random_rows(60, 40, 500), n_users=60, n_items=40)
        dense = train.matrix.toarray().astype(float)
        rarity = np.log1p(40 / dense.sum(axis=1))
        rarity /= np.sqrt(np.average(rarity**2, weights=dense.sum(axis=1)))
        weighted = dense * rarity[:, None]
        length = np.linalg.norm(weighted, axis=0)
        expected = weighted.T @ weighted / (np.outer(length, length) + 10)
        np.fill_diagonal(expected, 0)
        np.testing.assert_allclose(self.similarity(train), expected, atol=1e-6)

    def test_bm25_by_its_definition(self):
        weight = np.random.default_rng(0).integers(1, 5, 500)
        user, item = random_rows(60, 40, 500)
        train = interactions(user, item, weight=weight[: len(user)], n_users=60, n_items=40)
        dense = train.matrix.toarray().astype(float)
        counts = (dense > 0).sum(axis=1)
        rarity = np.log1p(40 / counts)
        rarity /= np.sqrt(np.average(rarity**2, weights=counts))
        length = dense.sum(axis=0)
        weighted = dense * 2.2 / (dense + 1.2 * (0.25 + 0.75 * length / length.mean())) * rarity[:, None]
        expected = weighted.T @ weighted
        np.fill_diagonal(expected, 0)
        np.testing.assert_allclose(self.similarity(train, similarity="bm25"), expected, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("neighbors", [3, 100])
    def test_blocks_change_nothing(self, monkeypatch, neighbors):
        train = interactions(*random_rows(60, 40, 500), n_users=60, n_items=40)
        whole = self.similarity(train, neighbors=neighbors)
        monkeypatch.setattr(item_knn, "CELLS", 7 * 40)
        np.testing.assert_array_equal(self.similarity(train, neighbors=neighbors), whole)

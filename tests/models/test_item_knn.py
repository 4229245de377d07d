from __future__ import annotations

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from explained import assert_parts_sum_to_scores
from sklearn.metrics.pairwise import cosine_similarity
from worlds import fitted, interactions, of_histories

from recsys.errors import InputError
from recsys.models import item_knn, rating_neighbors
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

    def test_the_explanation_sums_to_the_score(self, world):
        assert_parts_sum_to_scores(*world[:2])


class TestCoRated(RecommenderBehaviour):
    model = ItemKnn.Config(similarity="co-rated", neighbors=50)
    fold_in_overlap = 1.0

    def test_beats_popularity_on_taste_world(self, world):
        # Lists of expected values are another question: these are means of what a user gave.
        model, train, _ = world
        scores, values = model.scores(train.batch(np.arange(train.n_users))), train.values.toarray()
        assert np.all(scores.max(axis=1) <= values.max(axis=1) + 1e-5)
        assert np.all(scores.min(axis=1) >= np.where(values > 0, values, np.inf).min(axis=1) - 1e-5)

    def test_by_hand(self):
        # Items 0 and 1 have users 1 and 2 in common, 0 and 2 user 1 alone, which is too few.
        train = of_histories([[1, 2], [0, 1, 2], [0, 1]], value=[4, 1, 2, 4, 3, 1, 3])
        model = fitted(self.model, train)
        alike = (2 * 4 + 1 * 3) / np.sqrt((4 + 1) * (16 + 9))
        assert model.similarity[0].tolist() == pytest.approx([0, alike, 0])
        scores = model.scores(train.batch(np.array([0, 2])))
        assert scores[0, 0] == pytest.approx(4)
        assert scores[1, 2] == pytest.approx(3)

    def test_blocks_change_nothing(self, monkeypatch, world):
        model, train, _ = world
        monkeypatch.setattr(rating_neighbors, "CELLS", 7 * train.n_items)
        again = fitted(self.model, train)
        users = train.batch(np.arange(60))
        np.testing.assert_array_equal(again.scores(users), model.scores(users))

    def test_the_explanation_sums_to_the_score(self, world):
        assert_parts_sum_to_scores(*world[:2])
        _, train, _ = world
        assert_parts_sum_to_scores(fitted(ItemKnn.Config(similarity="co-rated", neighbors=3), train), train)

    def test_needs_values(self):
        with pytest.raises(InputError, match="needs a value, such as a rating, of every interaction"):
            fitted(self.model, of_histories([[0, 1], [1, 2]]))

from __future__ import annotations

import numpy as np
import pytest
from behaviour import RecommenderBehaviour, random_rows
from explained import assert_parts_sum_to_scores
from sklearn.metrics.pairwise import cosine_similarity
from worlds import fitted, interactions, of_histories, with_strangers

from recsys.errors import InputError
from recsys.models import rating_neighbors, user_knn
from recsys.models.user_knn import UserKnn

PLAIN = {"shrinkage": 0, "rarity": 0}


class TestUserKnn(RecommenderBehaviour):
    model = UserKnn.Config()

    def test_three_users(self):
        # Users have 2, 3 and 2 items; 0 shares two with 1 and one with 2.
        train = of_histories([[0, 1], [0, 1, 2], [1, 3]])
        near, far = 2 / np.sqrt(2 * 3), 1 / np.sqrt(2 * 2)
        both = fitted(UserKnn.Config(**PLAIN), train).scores(train.batch(np.array([0])))
        np.testing.assert_allclose(both[0], [near, near + far, near, far], rtol=1e-6)
        nearest = fitted(UserKnn.Config(neighbors=1, **PLAIN), train).scores(train.batch(np.array([0])))
        np.testing.assert_allclose(nearest[0], [near, near, near, 0], rtol=1e-6)

    def test_shrinkage_stands_in_the_denominator(self):
        train = of_histories([[0, 1], [0, 1, 2], [3]])
        scores = fitted(UserKnn.Config(shrinkage=4, rarity=0), train).scores(train.batch(np.array([0])))
        assert scores[0, 2] == pytest.approx(2 / (np.sqrt(6) + 4))

    def test_rare_items_say_more(self):
        # User 0 shares item 0, which all have, with user 1, and item 1 with user 2 alone.
        train = of_histories([[0, 1], [0, 2], [0, 1, 3], [0], [0]])
        for rarity, ahead in ((0.0, 1), (2.0, 3)):
            scores = fitted(UserKnn.Config(shrinkage=0, rarity=rarity), train).scores(train.batch(np.array([0])))[0]
            assert scores[3] / scores[2] > ahead

    def test_a_user_like_nobody_gets_popularity(self):
        train = of_histories([[0, 1], [0, 2], [3]])
        scores = fitted(self.model, train).scores(train.batch(np.array([2])))
        np.testing.assert_array_equal(scores[0], train.popularity)

    def test_equals_a_dense_computation(self):
        train = interactions(*random_rows(60, 40, 500), n_users=60, n_items=40)
        near = cosine_similarity(train.matrix.toarray())
        np.fill_diagonal(near, 0)
        kept = near >= np.sort(near, axis=1)[:, [-5]]
        expected = np.where(kept, near, 0) @ train.matrix.toarray()
        model = fitted(UserKnn.Config(neighbors=5, **PLAIN), train)
        scores = model.scores(train.batch(np.arange(60)))
        unique = kept.sum(axis=1) == 5
        assert unique.sum() >= 20
        np.testing.assert_allclose(scores[unique], expected[unique], atol=1e-5)

    def test_a_stranger_is_served_by_the_history(self):
        train = of_histories([[0, 1], [0, 1, 2], [3, 4]])
        strangers = with_strangers(train, [[3], [0, 1]])
        scores = fitted(self.model, train).scores(strangers.batch(np.arange(2), known=False))
        assert scores.argmax(axis=1).tolist() in ([4, 0], [3, 0])
        assert scores[0, 4] > 0
        assert scores[1, 2] > scores[1, 4]

    def test_blocks_change_nothing(self, monkeypatch):
        train = interactions(*random_rows(60, 40, 500), n_users=60, n_items=40)
        model = fitted(self.model, train)
        whole = model.scores(train.batch(np.arange(60)))
        monkeypatch.setattr(user_knn, "CELLS", 7 * 60)
        np.testing.assert_array_equal(model.scores(train.batch(np.arange(60))), whole)

    def test_the_explanation_sums_to_the_score(self, world):
        assert_parts_sum_to_scores(*world[:2])


class TestPearson(RecommenderBehaviour):
    model = UserKnn.Config(similarity="pearson", neighbors=30)

    def test_beats_popularity_on_taste_world(self, world):
        # Lists of expected values are another question: they have to be nearer the values than each user's mean.
        model, train, _ = world
        expected = model.scores(train.batch(np.arange(train.n_users)))[train.user, train.item]
        mean = np.bincount(train.user, train.value) / np.bincount(train.user)
        assert np.std(train.value - expected) < 0.8 * np.std(train.value - mean[train.user])

    def test_by_hand(self):
        # User 0 has mean 3. User 1, of mean 4, correlates by 1, user 2, of mean 2.5, by -1; both have item 3. Nobody
        # alike has item 4: user 3 shares one item with user 0.
        histories = [[0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3], [0, 4]]
        value = [2, 3, 4, 3, 4, 5, 4, 4, 3, 2, 1, 2, 5]
        train = of_histories(histories, value=value)
        scores = fitted(self.model, train).scores(train.batch(np.array([0])))[0]
        assert scores[3] == pytest.approx(3 + (1 * (4 - 4) - 1 * (1 - 2.5)) / 2)
        assert scores[4] == pytest.approx(3)

    def test_the_largest_absolute_similarity_counts(self):
        # User 1 correlates by -1, user 2 by 0.5; the nearest alone is asked.
        histories = [[0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3]]
        train = of_histories(histories, value=[1, 2, 3, 3, 2, 1, 4, 1, 3, 2, 5])
        config = UserKnn.Config(similarity="pearson", neighbors=1)
        scores = fitted(config, train).scores(train.batch(np.array([0])))[0]
        assert scores[3] == pytest.approx(2 - (4 - 2.5))

    def test_blocks_change_nothing(self, monkeypatch, world):
        model, train, _ = world
        whole = model.scores(train.batch(np.arange(60)))
        monkeypatch.setattr(rating_neighbors, "CELLS", 7 * train.n_users)
        np.testing.assert_array_equal(model.scores(train.batch(np.arange(60))), whole)

    def test_the_explanation_sums_to_the_score(self, world):
        assert_parts_sum_to_scores(*world[:2])

    def test_needs_values(self):
        with pytest.raises(InputError, match="needs a value, such as a rating, of every interaction"):
            fitted(self.model, of_histories([[0, 1], [1, 2]]))
        fitted(UserKnn.Config(), of_histories([[0, 1], [1, 2]]))

from __future__ import annotations

import numpy as np
from behaviour import RecommenderBehaviour
from worlds import fitted, of_histories

from recsys.models.popularity import Popularity
from recsys.retrieval.lists import recommend


class TestPopularity(RecommenderBehaviour):
    model = Popularity.Config()
    personal = False
    fold_in_overlap = 1.0

    def test_counts_of_positives(self):
        train = of_histories([[0, 1, 2], [1, 2], [2, 3]], positive=[1, 1, 1, 1, 1, 0, 1])
        model = fitted(self.model, train)
        np.testing.assert_array_equal(model.scores(train.batch(np.array([0, 1]))), [[1, 2, 2, 1]] * 2)

    def test_equal_counts_are_ordered_by_id(self):
        train = of_histories([[0, 1, 2, 3], [3], [4]])
        items, _ = recommend(fitted(self.model, train), train, np.array([2]), 4)
        np.testing.assert_array_equal(items[0], [3, 0, 1, 2])

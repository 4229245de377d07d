from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from behaviour import RecommenderBehaviour
from explained import assert_parts_sum_to_scores
from worlds import DAY, checkerboard, fitted, of_histories, with_strangers

from recsys.models.markov import Markov

FIRST_ORDER = {"window": 1, "decay": 0.0, "shrinkage": 0.0}


class TestMarkov(RecommenderBehaviour):
    model = Markov.Config()
    fold_in_overlap = 1.0
    # The order of the taste world says nothing, and this model listens to it.
    gain = 2.3

    @pytest.fixture(scope="class")
    @classmethod
    def board(cls):
        """The checkerboard in no order of items, so that each can follow each."""
        train, held_out = checkerboard()
        train = replace(train, timestamp=np.random.default_rng(0).permutation(len(train)) * DAY)
        return fitted(cls.model, train), train, held_out

    def test_first_order_by_hand(self):
        # 0 is followed by 1 twice and by 2 once, 1 by 2 twice, 2 by nothing.
        train = of_histories([[0, 1, 2], [0, 1, 2], [0, 2]])
        model = fitted(Markov.Config(**FIRST_ORDER), train)
        np.testing.assert_allclose(model.follows.toarray(), [[0, 2 / 3, 1 / 3], [0, 0, 1], [0, 0, 0]], rtol=1e-6)

    def test_time_is_the_order_and_not_the_row(self):
        train = of_histories([[2, 0, 1], [0, 1]], timestamp=[30, 10, 20, 1, 2])
        model = fitted(Markov.Config(**FIRST_ORDER), train)
        assert model.follows.toarray().tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]

    def test_later_steps_count_one_over_their_distance(self):
        train = of_histories([[0, 1, 2], [2, 0]])
        model = fitted(Markov.Config(window=2, decay=0.0, shrinkage=0.0), train)
        np.testing.assert_allclose(model.follows.toarray()[0], [0, 1 / 1.5, 0.5 / 1.5], rtol=1e-6)

    def test_what_rests_on_little_goes_towards_popularity(self):
        train = of_histories([[0, 1, 2], [0, 1, 2], [0, 2]])
        model = fitted(Markov.Config(window=1, decay=0.0, shrinkage=5.0), train)
        found = model.scores(with_strangers(train, [[0]]).batch(np.array([0]), known=False))
        share = np.array([3, 2, 3]) / 8
        np.testing.assert_allclose(found[0], (np.array([0, 2, 1]) + 5 * share) / (3 + 5), rtol=1e-6)

    def test_the_last_item_counts_most(self):
        train = of_histories([[0, 1], [2, 3]])
        model = fitted(Markov.Config(window=1, decay=0.5, shrinkage=0.0), train)
        found = model.scores(with_strangers(train, [[0, 2], [2, 0]]).batch(np.array([1, 0]), known=False))
        np.testing.assert_allclose(found, [[0, 2 / 3, 0, 1 / 3], [0, 1 / 3, 0, 2 / 3]], rtol=1e-6)

    def test_the_last_item_alone(self):
        train = of_histories([[0, 1], [2, 3]])
        model = fitted(Markov.Config(**FIRST_ORDER), train)
        found = model.scores(with_strangers(train, [[0, 2]]).batch(np.array([0]), known=False))
        assert found.tolist() == [[0, 0, 0, 1]]

    def test_what_is_no_positive_is_passed_over(self):
        train = of_histories([[0, 3, 1], [0, 3]], value=[5, 1, 5, 5, 1], positive=[1, 0, 1, 1, 0])
        model = fitted(Markov.Config(**FIRST_ORDER), train)
        assert model.follows.toarray()[0].tolist() == [0, 1, 0, 0]
        assert model.scores(train.batch(np.array([1])))[0].tolist() == [0, 1, 0, 0]

    def test_a_chain_is_learned(self):
        """Everybody walks a ring of 20 items from somewhere: the next one comes first."""
        start = np.arange(60) % 20
        train = of_histories([[(first + step) % 20 for step in range(6)] for first in start])
        scores = fitted(self.model, train).scores(train.batch(np.arange(60)))
        scores[train.seen.toarray() > 0] = -1
        assert np.array_equal(scores.argmax(axis=1), (start + 6) % 20)

    @pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
    def test_the_explanation_sums_to_the_score(self, world, decay):
        _, train, _ = world
        assert_parts_sum_to_scores(fitted(Markov.Config(decay=decay), train), train)

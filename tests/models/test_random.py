from __future__ import annotations

from dataclasses import replace

import numpy as np
from behaviour import RecommenderBehaviour
from worlds import fitted, of_histories

from recsys.data.dataset import Entities
from recsys.models.random import Random, hashes


class TestRandom(RecommenderBehaviour):
    model = Random.Config()
    personal = False
    falls_back = False
    fold_in_overlap = 1.0

    def test_scores_depend_on_seed_user_and_item_alone(self):
        # Worked once by hand from SplitMix64's definition; another machine or version gives the same.
        train = of_histories([[0, 1], [1, 2]])
        scores = fitted(self.model, train, seed=42).scores(train.batch(np.array([1])))
        np.testing.assert_array_equal(scores[0], by_hand(42, user=13, items=[1000, 1003, 1006]))

    def test_scores_are_uniform(self):
        train = of_histories([list(range(2_000))] * 50)
        scores = fitted(self.model, train).scores(train.batch(np.arange(50)))
        counts = np.histogram(scores, bins=10, range=(0, 1))[0]
        expected = scores.size / 10
        assert np.sum((counts - expected) ** 2 / expected) < 27.9  # chi-square, 9 degrees of freedom: 1 in 1,000
        assert np.abs(np.corrcoef(scores)[np.triu_indices(50, 1)]).max() < 0.1

    def test_ids_may_be_strings(self):
        train = of_histories([[0, 1], [1, 2]])
        names = [
            Entities(np.array(ids, dtype=object), one.features, {})
            for ids, one in ((["anna", "bob"], train.users), (["", "ä", "x"], train.items))
        ]
        train = replace(train, users=names[0], items=names[1])
        scores = fitted(self.model, train).scores(train.batch(np.array([0, 1])))
        assert len(np.unique(scores)) == 6

    def test_hashes_of_equal_ids_are_equal(self):
        assert hashes(np.array([-1, 5, 5]))[1] == hashes(np.array([5]))[0]


def by_hand(seed, user, items):
    """SplitMix64 with Python's own integers."""
    size = 2**64

    def mixed(value):
        value = (value + 0x9E3779B97F4A7C15) % size
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % size
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB % size
        return value ^ (value >> 31)

    of_user = mixed(mixed(user) ^ mixed(seed))
    return np.array([mixed(of_user ^ mixed(item)) >> 40 for item in items], dtype=np.float32) / np.float32(2**24)

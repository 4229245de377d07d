from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from worlds import entities, interactions, of_histories

from recsys.data.dataset import Dataset
from recsys.data.interactions import training_view
from recsys.training.validation import RankingValidation, ValueValidation, validation_of


class Fixed:
    """Scores every item by its number, the first best; predicts 3 for every pair."""

    def scores(self, users):
        return np.tile(-np.arange(users.source.n_items, dtype=np.float32), (len(users), 1))

    def predict(self, user, item):
        return np.where(item < 0, 1.0, 3.0)


TRAIN = of_histories([[0, 1], [2], [0, 3], [4]])


class TestRanking:
    def test_ndcg_by_hand(self):
        # User 0 is shown 2, 3 and wants 3; user 1 is shown 0, 1 and wants 0.
        check = RankingValidation(TRAIN, np.array([0, 1]), np.array([3, 0]), "ndcg@2")
        assert check(Fixed()) == pytest.approx((1 / np.log2(3) + 1) / 2)
        assert check.higher_is_better

    def test_an_unknown_item_counts_as_missed(self):
        check = RankingValidation(TRAIN, np.array([1, 1, 1]), np.array([0, -1, -1]), "recall@2")
        assert check(Fixed()) == pytest.approx(1 / 3)

    def test_a_cold_user_is_left_out(self):
        check = RankingValidation(TRAIN, np.array([-1, 1]), np.array([3, 0]), "recall@1")
        assert check(Fixed()) == 1
        assert len(check) == 1

    def test_seen_items_are_not_shown(self):
        check = RankingValidation(TRAIN, np.array([0]), np.array([2]), "hit_rate@1")
        assert check(Fixed()) == 1

    def test_only_so_many_users(self):
        rng = np.random.default_rng(0)
        user, item = rng.integers(0, 300, 2_000), rng.integers(0, 50, 2_000)
        train = interactions(user, item, n_users=300, n_items=60)
        wanted = np.arange(300), np.arange(300) % 10 + 50
        few, same = (RankingValidation(train, *wanted, "ndcg@5", most_users=40) for _ in range(2))
        assert len(few) == 40
        assert np.array_equal(few.users, same.users)
        assert np.array_equal(few.truth.toarray().argmax(axis=1), few.users % 10 + 50)

    def test_novelty_too_has_a_value_a_user(self):
        assert RankingValidation(TRAIN, np.array([0]), np.array([2]), "novelty@2")(Fixed()) > 0


class TestValues:
    def test_rmse_by_hand(self):
        check = ValueValidation(np.array([0, 1, 2]), np.array([0, 1, -1]), np.array([3.0, 5.0, 2.0]))
        assert check(Fixed()) == pytest.approx(np.sqrt((0 + 4 + 1) / 3))
        assert not check.higher_is_better


class TestOfData:
    # Users 0 and 1 and items 0..2 are in training; the rest is validation.
    rows = np.array([[0, 0, 5], [0, 1, 4], [1, 2, 5], [0, 2, 5], [0, 2, 5], [1, 3, 5], [1, 0, 1], [2, 0, 5]])

    @pytest.fixture
    def data(self):
        user, item, value = self.rows.T
        return Dataset(
            user=user.astype(np.int32),
            item=item.astype(np.int32),
            value=value.astype(np.float32),
            timestamp=None,
            part=None,
            users=entities(3),
            items=entities(4),
            sessions=None,
            clock="time",
            account={},
        )

    def test_positives_of_warm_users(self, data):
        train = training_view(data, np.arange(3), 4, None)
        check = validation_of(data, train, np.arange(3, 8), 4, "ndcg@10", predicts_values=False)
        assert check.users.tolist() == [0, 1]
        # User 0 wants item 2, named twice; user 1 wants item 3, unknown to training, and not item 0, no positive.
        assert check.truth.toarray().tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]

    def test_all_rows_for_predicted_values(self, data):
        train = training_view(data, np.arange(3), 4, None)
        check = validation_of(data, train, np.arange(3, 8), 4, "ndcg@10", predicts_values=True)
        assert check.name == "rmse"
        assert check.user.tolist() == [0, 0, 1, 1, -1]
        assert check.item.tolist() == [2, 2, -1, 0, 0]

    def test_nobody_to_check(self, data):
        train = training_view(data, np.arange(3), None, None)
        assert validation_of(data, train, np.array([7]), None, "ndcg@10", predicts_values=False) is None


def test_frames_are_not_needed():
    assert isinstance(TRAIN.users.features, pd.DataFrame)

"""What models train on and are asked about: codes, weights, positives, duplicates, sessions, histories in order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made import dataset

from recsys.data.interactions import history_view, serving_view, training_view

# Users 1, 2, 3, 4 and items 10, 20, 30, 40 are positions 0 to 3; times run backwards.
ROWS = [(4, 40, 1.0), (1, 20, 5.0), (3, 10, 3.0), (1, 10, 0.0), (3, 20, 4.0), (2, 30, 2.0)]
TIMES = [6, 5, 4, 3, 2, 1]


@pytest.fixture
def data():
    return dataset(ROWS, timestamps=TIMES, title=["Ten", "Twenty", "Thirty", "Forty"])


def ids(entities):
    return entities.ids.tolist()


class TestTrainingView:
    def test_only_what_occurs_coded_anew(self, data):
        view = training_view(data, np.array([1, 2, 3, 4]), None, None)
        assert (ids(view.users), ids(view.items)) == ([1, 3], [10, 20])
        assert view.user.tolist() == [0, 1, 0, 1]
        assert view.item.tolist() == [1, 0, 0, 1]
        assert (view.n_users, view.n_items, len(view)) == (2, 2, 4)
        assert view.user.dtype == view.item.dtype == np.int32
        assert view.items.features["title"].tolist() == ["Ten", "Twenty"]

    def test_rows_keep_the_order_of_the_data(self, data):
        one, other = (training_view(data, np.array(rows), None, None) for rows in ([4, 1, 3], [1, 3, 4]))
        assert one.value.tolist() == other.value.tolist() == [5, 0, 4]

    def test_the_whole_catalogue(self, data):
        view = training_view(data, np.array([1, 2]), None, None, whole_catalogue=True)
        assert (ids(view.users), ids(view.items)) == ([1, 3], [10, 20, 30, 40])
        assert view.item.tolist() == [1, 0]

    def test_values_and_times(self, data):
        view = training_view(data, np.array([1, 2]), None, None)
        assert view.value.tolist() == [5, 3]
        assert (np.diff(view.timestamp) < 0).all()
        assert view.clock == "time"
        assert training_view(replace(data, clock="order"), np.array([1]), None, None).clock == "order"

    def test_data_without_values_and_times(self):
        view = training_view(dataset([(1, 10), (2, 20)]), np.arange(2), 4.0, "log")
        assert (view.value, view.timestamp) == (None, None)
        assert view.positive.all()
        assert view.weight.tolist() == [1, 1]

    def test_no_rows(self, data):
        view = training_view(data, np.array([], dtype=np.int64), None, None)
        assert (len(view), view.n_users, view.n_items) == (0, 0, 0)


class TestPositives:
    @pytest.mark.parametrize(
        ("positive", "expected"), [(None, [True] * 4), (3.0, [True, True, False, True]), (9.0, [False] * 4)]
    )
    def test_at_or_above_the_threshold(self, data, positive, expected):
        assert training_view(data, np.arange(1, 5), positive, None).positive.tolist() == expected

    def test_the_matrix_holds_them_and_seen_holds_all(self, data):
        view = training_view(data, np.arange(1, 5), 4.0, None)
        assert view.matrix.toarray().tolist() == [[0, 1], [0, 1]]
        assert view.seen.toarray().tolist() == [[1, 1], [1, 1]]
        assert view.popularity.tolist() == [0, 2]

    def test_without_a_threshold_both_are_the_same(self, data):
        view = training_view(data, np.arange(1, 5), None, None)
        assert view.seen is view.matrix


class TestWeights:
    @pytest.mark.parametrize(
        ("weight", "expected"), [(None, [1, 1, 1, 1]), ("value", [5, 3, 0, 4]), ("log", np.log1p([5, 3, 0, 4]))]
    )
    def test_of_a_row(self, data, weight, expected):
        view = training_view(data, np.arange(1, 5), None, weight)
        assert view.weight == pytest.approx(np.array(expected), rel=1e-6)
        assert view.weight.dtype == np.float32
        assert view.binary == (weight is None)

    def test_in_the_matrix(self, data):
        view = training_view(data, np.arange(1, 5), None, "value")
        assert view.matrix.toarray().tolist() == [[0, 5], [3, 4]]
        assert view.matrix.nnz == 4  # a weight of 0 is still a positive
        assert view.seen.toarray().tolist() == [[1, 1], [1, 1]]


class TestDuplicates:
    """Data read with `duplicates: keep`."""

    @pytest.fixture
    def twice(self):
        return dataset([(1, 10, 2.0), (1, 10, 5.0), (1, 20, 0.0), (2, 20, 4.0)])

    def test_rows_are_kept(self, twice):
        view = training_view(twice, np.arange(4), None, None)
        assert len(view) == 4
        assert view.popularity.tolist() == [2, 2]

    def test_a_pair_stands_once_in_what_is_one_or_nothing(self, twice):
        view = training_view(twice, np.arange(4), None, None)
        assert view.matrix.toarray().tolist() == view.seen.toarray().tolist() == [[1, 1], [0, 1]]

    def test_its_weights_add_up(self, twice):
        assert training_view(twice, np.arange(4), None, "value").matrix.toarray().tolist() == [[7, 0], [0, 4]]

    def test_its_values_are_averaged_and_zeros_stay(self, twice):
        values = training_view(twice, np.arange(4), None, None).values
        assert values.toarray().tolist() == [[3.5, 0], [0, 4]]
        assert values.nnz == 3

    def test_values_of_data_without_any(self):
        with pytest.raises(ValueError, match="have no values"):
            _ = training_view(dataset([(1, 10)]), np.arange(1), None, None).values


class TestSequences:
    def test_oldest_first(self, data):
        view = training_view(data, np.arange(1, 5), None, None)
        pointers, items = view.sequences
        assert pointers.tolist() == [0, 2, 4]
        assert items.tolist() == [0, 1, 1, 0]  # user 1: item 10 before 20; user 3: item 20 before 10

    def test_equal_times_and_none_keep_the_order_of_rows(self):
        rows = [(1, 30), (2, 10), (1, 10), (1, 20), (2, 10)]
        for timestamps in (None, [7] * 5):
            view = training_view(dataset(rows, timestamps=timestamps), np.arange(5), None, None)
            assert view.sequences[1].tolist() == [2, 0, 1, 0, 0]

    def test_of_a_user_of_a_batch(self, data):
        view = training_view(data, np.arange(1, 5), None, None)
        batch = view.batch(np.array([1, 0]))
        assert batch.sequence(0).tolist() == [1, 0]
        assert batch.sequence(1).tolist() == [0, 1]


class TestSessions:
    def test_items_and_users_in_codes_of_training(self, data):
        sessions = pd.DataFrame({"session": [1, 1, 2, 2], "item": [1, 3, 0, 1], "user": [2, 3, -1, 0]})
        view = training_view(replace(data, sessions=sessions), np.array([1, 2, 3, 4]), None, None)
        # item 40 and user 4 are unknown in training
        assert view.sessions.to_dict("list") == {"session": [1, 2, 2], "item": [1, 0, 1], "user": [1, -1, 0]}
        assert view.sessions.index.tolist() == [0, 1, 2]

    def test_without_users(self, data):
        sessions = pd.DataFrame({"session": [1, 1], "item": [0, 1]})
        view = training_view(replace(data, sessions=sessions), np.array([1, 2]), None, None)
        assert list(view.sessions) == ["session", "item"]

    def test_none(self, data):
        assert training_view(data, np.array([1]), None, None).sessions is None


class TestBatch:
    def test_known_users(self, data):
        view = training_view(data, np.arange(1, 5), 4.0, None)
        batch = view.batch(np.array([1, 0]))
        assert len(batch) == 2
        assert batch.index.tolist() == [1, 0]
        assert batch.history.toarray().tolist() == [[0, 1], [0, 1]]
        assert batch.seen.toarray().tolist() == [[1, 1], [1, 1]]
        assert batch.values.toarray().tolist() == [[3, 4], [0, 5]]

    def test_unknown_ones_have_a_history_and_no_place(self, data):
        batch = training_view(data, np.arange(1, 5), None, None).batch([1, 1], known=False)
        assert batch.index.tolist() == [-1, -1]
        assert batch.rows.tolist() == [1, 1]
        assert batch.history.toarray().tolist() == [[1, 1], [1, 1]]


class TestServingView:
    def test_those_users_in_that_order_with_what_training_knows(self, data):
        train = training_view(data, np.array([2, 4, 5]), None, None)  # items 10, 20, 30
        view = serving_view(data, train, np.array([3, 0]), np.array([0, 1, 3]), 4.0, "value")
        assert ids(view.users) == [4, 1]
        assert view.items is train.items
        assert view.user.tolist() == [1, 1]
        assert view.item.tolist() == [1, 0]  # item 40, which user 4 took, is unknown
        assert view.value.tolist() == view.weight.tolist() == [5, 0]
        assert view.positive.tolist() == [True, False]
        assert view.seen.toarray().tolist() == [[0, 0, 0], [1, 1, 0]]
        assert view.sequences[1].tolist() == [0, 1]

    def test_rows_of_other_users_are_nobodys(self, data):
        train = training_view(data, np.array([2, 4]), None, None)
        assert len(serving_view(data, train, np.array([3]), np.array([1, 3]), None, None)) == 0

    def test_nobody(self, data):
        train = training_view(data, np.array([2, 4]), None, None)
        view = serving_view(data, train, np.array([], dtype=np.int64), np.array([], dtype=np.int64), None, None)
        assert (view.n_users, len(view)) == (0, 0)

    def test_the_whole_catalogue(self, data):
        train = training_view(data, np.array([2, 4]), None, None, whole_catalogue=True)
        view = serving_view(data, train, np.array([3]), np.array([0]), None, None)
        assert view.item.tolist() == [3]


class TestHistoryView:
    def test_one_user_with_these_items_in_this_order(self, data):
        train = training_view(data, np.arange(6), 4.0, None)
        view = history_view(train, np.array([3, 0]))
        assert (view.n_users, ids(view.users)) == (1, ["new"])
        assert view.items is train.items
        assert view.positive.all()
        assert view.seen.toarray().tolist() == view.matrix.toarray().tolist() == [[1, 0, 0, 1]]
        assert view.sequences[1].tolist() == [3, 0]
        assert view.value.tolist() == [5, 5]  # what somebody says they like, they like very much

    def test_no_items(self, data):
        view = history_view(training_view(data, np.arange(6), None, None), np.array([], dtype=np.int64))
        assert (view.n_users, len(view)) == (1, 0)
        assert view.batch(np.array([0]), known=False).history.nnz == 0

    def test_data_without_values(self):
        train = training_view(dataset([(1, 10), (2, 20)]), np.arange(2), None, None)
        assert history_view(train, np.array([0])).value is None

    def test_features_of_the_user_are_missing(self):
        data = dataset([(1, 10), (2, 20)])
        users = replace(data.users, features=pd.DataFrame({"age": [20.0, 30.0]}), kinds={"age": "number"})
        view = history_view(training_view(replace(data, users=users), np.arange(2), None, None), np.array([1]))
        assert view.users.kinds == {"age": "number"}
        assert view.users.features["age"].isna().tolist() == [True]

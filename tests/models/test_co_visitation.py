from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from behaviour import RecommenderBehaviour, random_rows
from worlds import fitted, interactions, of_histories, with_strangers

from recsys.models.co_visitation import CoVisitation
from recsys.retrieval.lists import recommend

ENDS = {"last": 1, "fill": False}


def viewed(train, sessions):
    """The same rows with these sessions, a list of items each."""
    number = np.repeat(np.arange(len(sessions)), [len(session) for session in sessions])
    frame = pd.DataFrame({"session": number, "item": np.concatenate(sessions)})
    return replace(train, sessions=frame)


def lists_of(config, train, k=10):
    model = fitted(config, train)
    items, _ = recommend(model, train, np.arange(train.n_users), k)
    return [[int(item) for item in row if item >= 0] for row in items]


class TestCoVisitation(RecommenderBehaviour):
    model = CoVisitation.Config()
    fold_in_overlap = 1.0

    def test_counts_of_histories(self):
        train = of_histories([[0, 1], [0, 1, 2], [2, 3]])
        found = fitted(self.model, train).shared.toarray()
        np.testing.assert_allclose(found, [[0, 2, 1, 0], [2, 0, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0]], rtol=1e-6)

    def test_an_item_counts_once_a_session(self):
        train = viewed(of_histories([[0], [1]], n_items=4), [[0, 1, 0, 1, 1], [0, 2]])
        np.testing.assert_allclose(fitted(self.model, train).shared.toarray()[0], [0, 1, 1, 0], rtol=1e-6)

    def test_histories_play_no_part_where_there_are_sessions(self):
        train = viewed(of_histories([[0, 3], [0, 3]]), [[0, 1], [2, 3]])
        assert fitted(self.model, train).shared.toarray()[0, 3] == 0

    def test_equal_counts_are_listed_as_they_were_first_seen(self):
        # Item 0 is seen with 5 twice, then with 4, 2, 3 once each.
        train = viewed(of_histories([[0], [1]], n_items=6), [[4, 0, 5], [5, 2, 0], [0, 3]])
        assert lists_of(CoVisitation.Config(**ENDS), train)[0] == [5, 4, 2, 3]
        assert lists_of(CoVisitation.Config(neighbors=2, **ENDS), train)[0] == [5, 4]

    def test_steps_do_not_pass_a_lower_count(self):
        train = viewed(of_histories([[0], [1]], n_items=600), [list(range(600)), list(range(300))])
        scores = fitted(CoVisitation.Config(neighbors=599), train).shared.toarray()[0]
        assert lists_of(CoVisitation.Config(neighbors=599, **ENDS), train, k=599)[0] == list(range(1, 600))
        np.testing.assert_allclose(scores[1:300], 2, rtol=1e-4)
        np.testing.assert_allclose(scores[300:], 1, rtol=1e-4)

    def test_lists_end_with_the_neighbours_of_the_last_item(self):
        sessions = [[0, 1], [2, 3], [4, 5]]
        train = viewed(of_histories([[2, 0], [0, 2], [4, 5]]), sessions)
        assert lists_of(CoVisitation.Config(**ENDS), train) == [[1], [3], [0, 2, 1, 3]]

    def test_popularity_stands_in_where_all_neighbours_are_seen(self):
        train = viewed(of_histories([[1, 0], [3, 0], [3, 2]], n_items=5), [[0, 1], [0, 4]])
        first, _, third = lists_of(CoVisitation.Config(**ENDS), train)
        assert first == [4]
        assert third == [0, 1, 4]  # item 2 is in no session

    def test_filled_lists_go_on_by_popularity(self):
        train = viewed(of_histories([[0], [3, 2], [2, 1]], n_items=5), [[0, 4]])
        assert lists_of(self.model, train)[0] == [4, 2, 1, 3]

    def test_the_newest_items(self):
        histories = [[0, 1, 2], [3, 4]]
        train = viewed(of_histories(histories, n_items=8), [[0, 5], [1, 6], [2, 7], [3, 4]])
        for last, expected in ((1, [7]), (2, [6, 7]), (3, [5, 6, 7]), (None, [5, 6, 7])):
            assert sorted(lists_of(CoVisitation.Config(last=last, fill=False), train)[0]) == expected

    def test_newest_by_time_and_positives_alone(self):
        train = of_histories([[0, 1, 2], [3]], n_items=8, timestamp=[30, 20, 40, 1], positive=[1, 1, 0, 1])
        train = viewed(train, [[0, 5], [1, 6], [2, 7]])
        assert lists_of(CoVisitation.Config(**ENDS), train)[0] == [5]

    def test_a_stranger_is_served_by_the_history(self):
        train = viewed(of_histories([[0], [1]], n_items=4), [[0, 2], [1, 3]])
        strangers = with_strangers(train, [[1], []])
        scores = fitted(self.model, train).scores(strangers.batch(np.arange(2), known=False))
        assert scores[0].argmax() == 3
        assert np.array_equal(scores[1], train.popularity)

    def test_equals_a_dense_count(self):
        train = interactions(*random_rows(60, 40, 500), n_users=60, n_items=40)
        counts = (train.matrix.T @ train.matrix).toarray()
        np.fill_diagonal(counts, 0)
        found = fitted(self.model, train).shared.toarray()
        np.testing.assert_allclose(found, counts, rtol=1e-4)

    def test_explanations_add_up(self, world):
        model, train, _ = world
        batch = train.batch(np.array([7]))
        items = np.argsort(-model.scores(batch)[0])[:5]
        found = model.explain(batch, items)
        assert np.array_equal(found.history, train.matrix[[7]].indices)
        np.testing.assert_allclose(found.parts.sum(axis=1), model.scores(batch)[0, items], rtol=1e-5)

    @pytest.mark.parametrize("last", [1, 4])
    def test_batches_of_the_newest(self, world, last):
        _, train, _ = world
        model = fitted(CoVisitation.Config(last=last), train)
        users = np.array([5, 3, 5])
        alone = np.concatenate([model.scores(train.batch(np.array([user]))) for user in users])
        assert np.array_equal(model.scores(train.batch(users)), alone)

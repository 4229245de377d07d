from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from behaviour import RecommenderBehaviour
from worlds import DAY, fitted, interactions, taste_world

from recsys.data.config import MovieLensData
from recsys.data.dataset import Entities
from recsys.data.interactions import training_view
from recsys.data.load import load
from recsys.errors import InputError
from recsys.models.described import features_of
from recsys.models.multitask import Multitask
from recsys.settings import Settings


class TestMultitask(RecommenderBehaviour):
    model = Multitask.Config()
    fold_in_overlap = 0.7
    big = (1_000, 1_500, 50_000)

    def test_the_score_is_the_product_of_query_and_candidate(self, world):
        model, train, _ = world
        queries = model.query_vectors(np.array([4, 9]))
        expected = queries @ model.item_vectors.T + model.item_biases
        np.testing.assert_allclose(model.scores(train.batch(np.array([4, 9]))), expected, rtol=1e-5)

    def test_ratings_are_predicted(self, world):
        model, train, _ = world
        predicted = model.predict(train.user, train.item)
        assert predicted.min() >= train.value.min()
        assert predicted.max() <= train.value.max()
        error = np.sqrt(np.mean((predicted - train.value) ** 2))
        assert error < 0.9 * train.value.std()

    def test_unknown_users_and_items_are_the_mean_of_all(self, world):
        model, _, _ = world
        unknown = model.predict(np.array([-1, -1, 0]), np.array([-1, 3, -1]))
        assert np.isfinite(unknown).all()
        assert unknown[0] == pytest.approx(model.scale[0], abs=0.7)

    def test_each_task_can_be_left_out(self, world):
        _, train, validation = world
        ratings = fitted(Multitask.Config(retrieval_weight=0.0), train)
        lists = fitted(Multitask.Config(rating_weight=0.0), train)
        assert validation(lists) > 2 * validation(ratings)
        errors = [np.mean((model.predict(train.user, train.item) - train.value) ** 2) for model in (ratings, lists)]
        assert errors[0] < 0.8 * errors[1]

    def test_without_values_it_is_refused(self):
        train = interactions([0, 0, 1], [0, 1, 1])
        with pytest.raises(InputError, match="needs a value"):
            fitted(Multitask.Config(), train)

    def test_time_tells_what_is_taken(self):
        # Items 0..9 are taken in the first half, 10..19 in the second.
        rng = np.random.default_rng(0)
        user = np.repeat(np.arange(60), 10)
        timestamp = rng.permutation(len(user)) * DAY
        late = timestamp > np.median(timestamp)
        item = rng.integers(0, 10, len(user)) + 10 * late
        kept = np.unique(user * 20 + item, return_index=True)[1]
        train = interactions(
            user[kept], item[kept], timestamp=timestamp[kept], value=np.ones(len(kept)) * 3, n_items=20
        )
        model = fitted(Multitask.Config(time=True, epochs=60), train)
        for moment, first in ((0, 0), (timestamp.max(), 10)):
            queries = model.query_vectors(np.arange(60), np.full(60, moment))
            best = np.argmax(queries @ model.item_vectors.T + model.item_biases, axis=1)
            assert np.mean((best >= first) & (best < first + 10)) > 0.95

    def test_an_item_nobody_has_is_placed_by_its_features(self):
        train, _ = taste_world()
        group = np.append(np.arange(120) % 6, [0, 1])
        table = pd.DataFrame({"group": np.array(list("abcdef"))[group]})
        whole = interactions(train.user, train.item, value=train.value, n_users=train.n_users, n_items=122)
        whole = replace(whole, items=Entities(whole.items.ids, table, {"group": "category"}))
        scores = fitted(Multitask.Config(), whole).scores(whole.batch(np.arange(whole.n_users)))
        liked = np.array([np.sum(group[whole.matrix[[user]].indices] == 0) for user in range(whole.n_users)])
        other = np.array([np.sum(group[whole.matrix[[user]].indices] == 1) for user in range(whole.n_users)])
        clear = np.abs(liked - other) > 4
        assert np.mean((scores[clear, 120] > scores[clear, 121]) == (liked > other)[clear]) > 0.85


def test_features_by_hand():
    table = pd.DataFrame(
        {"age": [20.0, 40.0, np.nan], "job": ["red", "blue", None], "title": ["red sun", "sun", None]},
    )
    kinds = {"age": "number", "job": "category", "title": "text"}
    found = features_of(Entities(np.arange(3), table, kinds)).toarray()
    # age=20, age=40, job=blue, job=red, age itself, then the words blue, red, sun
    expected = [
        [1, 0, 0, 1, -1, 0, 2 / 3, 1 / 3],
        [0, 1, 1, 0, 1, 1 / 2, 0, 1 / 2],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.data
@pytest.mark.parametrize(("timed", "least"), [(False, 0.39), pytest.param(True, 0.42, marks=pytest.mark.soak)])
def test_both_tasks_on_movielens(data_dir, timed, least):
    """One model, settings left out: the share of test rows whose item is among the first 100, seen items left in, and
    the error of their ratings. iALS reaches .372 and .399 in another library, popularity .297."""
    data = load(MovieLensData(source="movielens-100k", path=str(data_dir / "ml-100k")), None, Settings())
    order = np.random.default_rng(42).permutation(len(data))
    train, test = training_view(data, order[:80_000], None, None), order[80_000:]
    model = fitted(Multitask.Config(time=timed), train)
    user, item = (
        known.positions(entities.ids[codes[test]])
        for known, entities, codes in ((train.users, data.users, data.user), (train.items, data.items, data.item))
    )
    timestamp = data.timestamp[test] if timed else None
    scores = model.query_vectors(user, timestamp) @ model.item_vectors.T + model.item_biases
    own = np.where(item >= 0, scores[np.arange(len(test)), item], -np.inf)
    found = (item >= 0) & ((scores > own[:, None]).sum(axis=1) < 100)
    assert found.mean() >= least
    error = model.predict(user, item, timestamp) - data.value[test]
    assert np.sqrt(np.mean(error**2)) <= 0.94

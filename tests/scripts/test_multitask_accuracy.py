"""The experiment behind docs/multitask.md, on a small world."""

from __future__ import annotations

import numpy as np
import pytest
from made.scripts import opened

from recsys.data.config import SyntheticData
from recsys.data.load import load
from recsys.settings import Settings


@pytest.fixture(scope="module")
def script():
    return opened("scripts/multitask_accuracy.py")


@pytest.fixture(scope="module")
def data():
    return load(SyntheticData(users=60, items=50, interactions=1_000), None, Settings())


@pytest.fixture(scope="module")
def parts(script, data):
    return script.parts_of(data)


def test_how_much_of_the_test_each_split_has_in_training(parts):
    shares = {name: np.isin(part.test, part.train).mean() for name, part in parts.items()}
    assert shares["reshuffled every epoch"] == 1
    assert shares["reshuffled once"] == pytest.approx(0.8, abs=0.1)
    assert shares["random"] == shares["temporal"] == 0
    assert {len(part.test) for part in parts.values()} == {200}


def test_the_temporal_split_trains_on_the_past(data, parts):
    assert data.timestamp[parts["temporal"].train].max() <= data.timestamp[parts["temporal"].test].min()


def test_the_leak_check_names_the_leaking_ones(script, data, parts):
    found = {name: script.leaks(data, part) for name, part in parts.items()}
    assert found["reshuffled every epoch"][0].startswith("error: 200 of 200 test rows are in the training part")
    assert found["reshuffled once"][0].startswith("error: ")
    assert not any(said.startswith("error") for said in found["random"] + found["temporal"])


def test_accuracy_by_hand(script):
    scores = np.arange(200, 0, -1, dtype=np.float32)[None, :].repeat(4, axis=0)
    # Ranks 1, 5 and 100; an item that training has not is missed.
    assert script.accuracies(scores, np.array([0, 4, 99, -1])) == [0.25, 0.5, 0.5, 0.5, 0.75]


def test_rows_of_known_users_stand_apart(script):
    scores = np.array([[3, 2, 1], [1, 2, 3]], dtype=np.float32)
    found = list(script.rows_of("temporal", "user", scores, np.array([0, -1]), np.array([0, 0])))
    assert [(row.model, row.rows, row.accuracy[0]) for row in found] == [("user", 2, 0.5), ("user, known users", 1, 1)]


def test_what_the_query_holds(script, data, parts):
    config = script.SETTINGS.model_copy(update={"epochs": 15, "learning_rate": 0.03})
    timed = list(script.multitask(data, parts["random"], config, "user, time"))
    assert [row.model for row in timed] == ["user, time", "user, time as of training"]
    assert timed[0].accuracy != timed[1].accuracy
    rated = list(script.multitask(data, parts["random"], config, "user, rating"))
    assert [row.model for row in rated] == ["user, rating"]
    assert rated[0].accuracy != timed[0].accuracy


def test_moments_order_by_rating_and_then_by_time(script, data):
    order = np.argsort(script.moments_of(data, "user, time, rating"), kind="stable")
    assert np.array_equal(order, np.lexsort((data.timestamp, data.value.astype(np.int64))))
    assert np.array_equal(script.moments_of(data, "user, time"), data.timestamp)
    assert np.array_equal(script.moments_of(data, "user, rating"), data.value.astype(np.int64))


def test_a_user_whom_training_does_not_know_gets_popularity(script, data):
    own = data.user == 0
    part = script.Part("one user", np.flatnonzero(~own), np.flatnonzero(own))
    found = [next(script.plain(data, part, name)).accuracy for name in ("popularity", "pure-svd")]
    assert found[0] == found[1]
    assert found[0][-2] == 1  # all fifty items are among the first fifty


def test_a_row_as_markdown(script):
    assert script.shown(script.Row("random", "user", [0.5, 0.25], 1000)) == "| random | user | 1,000 | .5000 | .2500 |"

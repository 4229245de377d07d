"""A bundle asks a model with the histories that the training part gave it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made import world

from recsys.data.interactions import training_view
from recsys.models.ease import Ease
from recsys.serving.histories import Histories
from recsys.training.run import FitRun


@pytest.fixture(scope="module")
def train():
    data, _ = world(60, 20)
    return training_view(data, np.arange(len(data)), None, None)


def stored(train, folder, **options):
    found = Histories.of(train, **options)
    found.save(folder)
    return Histories.load(folder, train.n_users, train.n_items, binary=found.binary, top=found.top)


def test_a_model_that_reads_times_scores_as_in_the_evaluation(train, tmp_path):
    assert train.timestamp is not None
    model = Ease(Ease.Config(half_life_days=3, recency=1.0))
    model.learn(train, FitRun())
    histories = stored(train, tmp_path, times=True)
    batch = histories.batch(train.users, train.items, 5, 25)
    expected = model.scores(train.batch(np.arange(5, 25)))
    assert not np.array_equal(model.history(batch).data, batch.history.data)
    np.testing.assert_allclose(model.scores(batch), expected, rtol=1e-5, atol=1e-7)


def test_times_are_kept_for_those_who_read_them_alone(train, tmp_path):
    stored(train, tmp_path)
    assert not (tmp_path / "timestamp.npy").exists()
    assert Histories.of(replace(train, clock="order"), times=True).timestamp is None

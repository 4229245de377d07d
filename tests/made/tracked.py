"""A tracker on a real MLflow database, a parent run in it, and how tests ask it."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException

from recsys.tracking.runs import Tracker

MODEL = {"name": "ease", "regularization": 5.0}


@pytest.fixture
def tracker(settings):
    return Tracker(settings)


@pytest.fixture
def parent(tracker):
    return tracker.open_parent("demo", "key", {"git.commit": "abc"}, {"name": "demo", "seeds": [1, 2]}, fresh=False)


def reopened(tracker, key="key", fresh=False, name="demo"):
    return tracker.open_parent(name, key, {}, {}, fresh=fresh)


def refuse(*args, **options):
    raise MlflowException("no")


def info(tracker, run_id):
    return tracker.client.get_run(run_id).info

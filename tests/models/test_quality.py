"""Every model with its settings left out, on ML-100K and the split that other libraries were measured on."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import ml_100k

from recsys.data.interactions import training_view
from recsys.models.registry import model_class
from recsys.training.run import FitRun
from recsys.training.validation import validation_of

pytestmark = pytest.mark.data

TRAIN, VALIDATION, TEST = slice(0, 72_000), slice(72_000, 80_000), slice(80_000, 100_000)

# NDCG@10 at least, RMSE of mf and multitask at most; with the default epochs and with those that validation chose.
FLOORS = {
    "co-visitation": 0.31,
    "item-knn": 0.39,
    "user-knn": 0.39,
    "ease": 0.43,
    "slim": 0.442,
    "rp3beta": 0.399,
    "gf-cf": 0.422,
    "pure-svd": 0.424,
    "ials": 0.422,
    "markov": 0.208,
    "mf": 0.93,
    "two-tower": 0.43,
    "lightfm-warp": 0.41,
    "mult-vae": 0.40,
    "lightgcn": 0.395,
    "neural-cf": 0.375,
    "wide-deep": 0.355,
    "multitask": 0.94,
}


@pytest.fixture(scope="module")
def data():
    return ml_100k(np.random.default_rng(42).permutation(100_000))


def view(data, *parts):
    return training_view(data, np.concatenate([np.arange(part.start, part.stop) for part in parts]), None, None)


def value_on_test(data, model, train):
    """The model's value on the test part."""
    rows = np.arange(TEST.start, TEST.stop)
    return validation_of(data, train, rows, None, "ndcg@10", model.predicts_values)(model)


def learned(name, train, **run):
    kind = model_class(name)
    epochs = {"epochs": run.pop("epochs")} if "epochs" in run else {}
    model = kind(kind.Config(name=name, **epochs))
    model.learn(train, FitRun(**run))
    return model


@pytest.mark.parametrize("name", FLOORS)
def test_settings_left_out(data, name):
    train = view(data, TRAIN, VALIDATION)
    model = learned(name, train)
    value = value_on_test(data, model, train)
    assert value <= FLOORS[name] if model.predicts_values else value >= FLOORS[name]


SLOW = ("wide-deep", "lightgcn", "neural-cf", "multitask", "mult-vae")
WATCHING = [
    pytest.param(name, marks=pytest.mark.soak) if name in SLOW else name
    for name in FLOORS
    if model_class(name).watches_validation
]


@pytest.mark.parametrize("name", WATCHING)
def test_epochs_chosen_on_validation(data, name):
    part, train = view(data, TRAIN), view(data, TRAIN, VALIDATION)
    rows = np.arange(VALIDATION.start, VALIDATION.stop)
    check = validation_of(data, part, rows, None, "ndcg@10", model_class(name).predicts_values)
    first = learned(name, part, validation=check)
    model = learned(name, train, epochs=first.best_epoch)
    value = value_on_test(data, model, train)
    assert value <= FLOORS[name] if model.predicts_values else value >= FLOORS[name]


def test_popularity_is_the_published_one(data):
    train = view(data, TRAIN, VALIDATION)
    assert value_on_test(data, learned("popularity", train), train) == pytest.approx(0.2171, abs=0.001)


def test_random_is_chance(data):
    # A list of ten out of about 1,560 unseen items: each of the 21 wanted ones has a chance of 10 / 1,560 to be in it.
    train = view(data, TRAIN, VALIDATION)
    assert 0.008 < value_on_test(data, learned("random", train), train) < 0.02


def test_folding_in_every_user_keeps_lightfm_as_good(data):
    """Users of ML-100K as if they were new: their own vectors are no better than those folded in."""
    train = view(data, TRAIN, VALIDATION)
    model = learned("lightfm-warp", train)
    own = value_on_test(data, model, train)
    model.vectors = model.user_vectors(train.batch(np.arange(train.n_users), known=False))
    assert value_on_test(data, model, train) > own - 0.01

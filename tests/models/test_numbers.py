"""Every model on tables whose numbers leave it nothing to go by, or too much: finite scores, ties by id, clear ends."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from worlds import DAY, entities, fitted, of_histories, with_strangers

from recsys.config import Config
from recsys.data.dataset import Entities
from recsys.data.interactions import Interactions
from recsys.errors import RunError
from recsys.models.registry import BUILT_IN, model_class
from recsys.retrieval.lists import recommend

# `external` runs a command and has no numbers of its own.
MODELS = sorted(set(BUILT_IN) - {"external"})
BY_GRADIENT = [name for name in MODELS if "learning_rate" in model_class(name).Config.model_fields]
DRAWN = np.random.default_rng(0)
HISTORIES = [sorted(DRAWN.choice(12, 5, replace=False).tolist()) for _ in range(15)]
N = sum(map(len, HISTORIES))
ODD = np.arange(N) % 2 == 1


def world(histories=HISTORIES, texts=("red fox", "blue cat", "red cat"), **more) -> Interactions:
    """Interactions with values, times and texts; all values 4 unless told."""
    n = sum(map(len, histories))
    train = of_histories(histories, **{"value": np.full(n, 4.0), "timestamp": np.arange(n) * DAY} | more)
    if not texts:
        return replace(train, items=entities(train.n_items, 1000))
    told = pd.DataFrame({"text": (list(texts) * train.n_items)[: train.n_items]}, dtype="str")
    return replace(train, items=Entities(train.items.ids, told, {"text": "text"}))


WORLDS = {
    "constant values": world(),
    "all values zero": world(value=np.zeros(N)),
    "all values negative": world(value=np.full(N, -3.0)),
    "each user one value": world(value=np.repeat(np.arange(15) % 5 + 1.0, 5)),
    "values at the ends of their type": world(value=np.where(ODD, 3e38, -3e38)),
    "values next to zero": world(value=np.where(ODD, 1e-40, 1e-44)),
    "everybody has everything": world([list(range(6))] * 10),
    "everybody has the same": world([list(range(6))] * 10, n_items=8),
    "two users, an item each": world([[0], [1]]),
    "no weight": world(weight=np.zeros(N)),
    "weights as large as they may be": world(weight=np.where(ODD, 1e12, 1)),
    "one time": world(timestamp=np.zeros(N)),
    "the years 1 and 9999": world(timestamp=np.where(ODD, -62_135_596_800, 253_402_300_799) * 1_000_000),
    "an item without words": world(texts=("red fox", None, "")),
    "items without features": world(texts=()),
}


def short(name: str, **settings: float) -> Config:
    kind = model_class(name).Config
    return kind(**({"epochs": 2} if "epochs" in kind.model_fields else {}) | settings)


@pytest.mark.parametrize("name", MODELS)
def test_numbers_stay_finite_and_ties_go_by_id(name: str) -> None:
    for title, train in WORLDS.items():
        if name == "content-tfidf" and title == "items without features":
            continue  # Refused: see its own tests.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = fitted(short(name), train)
            users = np.arange(train.n_users)
            value = float(train.value[0])
            strangers = with_strangers(train, [[], [0, 1]], values=[value, value])
            found = {
                "scores": model.scores(train.batch(users)),
                "scores of strangers": model.scores(strangers.batch(np.arange(2), known=False)),
            }
            if model.predicts_values:
                found["values"] = model.predict(np.array([0, -1, 0, -1]), np.array([0, 0, -1, -1]))
            for what, numbers in found.items():
                assert np.isfinite(numbers).all(), f"{what}: {title}"
            items, scores = recommend(model, train, users, train.n_items, exclude_seen=False)
        tied = scores[:, 1:] == scores[:, :-1]
        assert np.all(np.diff(scores, axis=1) <= 0), title
        assert np.all(items[:, 1:][tied] > items[:, :-1][tied]), title


@pytest.mark.parametrize("name", ["popularity", "item-knn", "ease", "user-knn", "co-visitation", "pure-svd"])
def test_where_everybody_has_the_same_lists_are_by_id(name: str) -> None:
    train = WORLDS["everybody has the same"]
    items, _ = recommend(fitted(short(name), train), train, np.arange(train.n_users), 8)
    assert np.array_equal(items, np.tile([6, 7, -1, -1, -1, -1, -1, -1], (train.n_users, 1)))


@pytest.mark.parametrize("name", BY_GRADIENT)
def test_steps_that_are_too_long_stop_the_model_and_name_the_setting(name: str) -> None:
    kind = model_class(name).Config
    with pytest.raises(RunError) as caught, np.errstate(all="ignore"):
        fitted(kind(learning_rate=1e6), WORLDS["constant values"])
    assert caught.value.place == f"model '{name}'"
    assert caught.value.remedy == "lower learning_rate (now 1e+06)"
    assert "epoch" in caught.value.message
    assert "\n" not in str(caught.value)

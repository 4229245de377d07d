"""Training beside test: what differs by hand, and what chance alone would do."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made.explorations import DAY, dataset

from recsys.data.drift import drift
from recsys.data.summary import summarise

DATA = dataset(
    [(1, "a", 1.0, 0), (1, "b", 1.0, DAY), (2, "a", 5.0, 2 * DAY), (2, "c", 5.0, 3 * DAY), (3, "d", 5.0, 4 * DAY)]
)
TRAIN, TEST = np.array([0, 1, 2]), np.array([3, 4])


def test_by_hand() -> None:
    found = drift(DATA, TRAIN, TEST, summarise(DATA)["values"]["histogram"])
    assert found["train"] == {"rows": 3, "first": "1970-01-01 00:00:00", "last": "1970-01-03 00:00:00"}
    assert found["test"] == {"rows": 2, "first": "1970-01-04 00:00:00", "last": "1970-01-05 00:00:00"}
    assert found["values"]["bars"] == [
        {"from": 1.0, "to": 1.0, "train": 2, "test": 0},
        {"from": 5.0, "to": 5.0, "train": 1, "test": 2},
    ]
    assert found["values"]["distance"] == pytest.approx(2 / 3)
    assert (found["values"]["train_mean"], found["values"]["test_mean"]) == (pytest.approx(7 / 3), 5)
    assert {name: found["items"][name] for name in ("new", "rows_on_new", "share_on_new")} == {
        "new": 2,
        "rows_on_new": 2,
        "share_on_new": 1.0,
    }
    assert (found["users"]["new"], found["users"]["share_on_new"]) == (1, 0.5)
    # Rows of a, b, c, d: 2, 1, 0, 0 and 0, 0, 1, 1; ranks 4, 3, 1.5, 1.5 and 1.5, 1.5, 3.5, 3.5.
    assert found["items"]["rank_correlation"] == pytest.approx(-4 / np.sqrt(4.5 * 4))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_ranks_that_are_all_equal_say_nothing() -> None:
    data = dataset([(1, "a"), (2, "b"), (3, "c"), (1, "b"), (2, "c"), (3, "a")])
    found = drift(data, np.arange(3), np.arange(3, 6))
    assert found["items"]["rank_correlation"] is None
    assert found["values"] is None
    assert found["train"] == {"rows": 3, "first": None, "last": None}


def test_a_random_draw_is_what_chance_would_do() -> None:
    """Of a random part all numbers are those by chance; of the newest part of a world that moves on they are not."""
    random = np.random.default_rng(0)
    day = np.sort(random.integers(0, 100, 20_000))
    item = random.zipf(1.5, 20_000) % 40 + day // 2
    value = np.where(day < 80, 3.0, random.integers(3, 6, 20_000))
    key, first = np.unique(np.stack([np.arange(20_000), item]), axis=1, return_index=True)
    rows = [
        (int(user), int(thing), float(value[at]), int(day[at]) * DAY)
        for (user, thing), at in zip(key.T, first, strict=True)
    ]
    data = dataset(rows)
    bars, order = summarise(data)["values"]["histogram"], random.permutation(len(data))
    cut = int(0.8 * len(data))
    calm = drift(data, order[:cut], order[cut:], bars)
    assert calm["items"]["share_on_new"] == pytest.approx(calm["items"]["by_chance"]["share_on_new"], abs=0.005)
    assert calm["items"]["rank_correlation"] == pytest.approx(calm["items"]["by_chance"]["rank_correlation"], abs=0.05)
    assert calm["values"]["distance"] < 0.02
    moved = drift(data, np.arange(cut), np.arange(cut, len(data)), bars)
    assert moved["items"]["share_on_new"] > 10 * moved["items"]["by_chance"]["share_on_new"]
    assert moved["items"]["rank_correlation"] < 0.5 < moved["items"]["by_chance"]["rank_correlation"]
    assert moved["values"]["distance"] == pytest.approx(2 / 3, abs=0.05)
    assert moved["values"]["by_chance"] < 0.02


def test_values_in_bins() -> None:
    """Bins share their edges with the histogram of the whole: none of the rows is lost."""
    values = np.arange(101.0)
    data = dataset([(number, number, float(value), number) for number, value in enumerate(values)])
    found = drift(data, np.arange(80), np.arange(80, 101), summarise(data)["values"]["histogram"])["values"]
    assert sum(bar["train"] for bar in found["bars"]) == 80
    assert [bar["test"] for bar in found["bars"]][-2:] == [10, 11]
    assert found["distance"] == 1.0

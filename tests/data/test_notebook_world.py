"""The world of the classical notebook: sizes, shares and ratings as its description has them."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.data.config import NotebookData
from recsys.data.load import load
from recsys.data.notebook import WORDS
from recsys.settings import Settings


def world(**sizes):
    return load(NotebookData(source="notebook", **sizes), None, Settings())


def categories(data):
    return data.items.features["category"].to_numpy()


@pytest.fixture(scope="module")
def large():
    return world(seed=3, users=600, items=120)


def test_its_own_size():
    data = world()
    assert (len(data.users), len(data.items)) == (30, 60)
    assert 330 <= len(data) <= 360
    assert data.timestamp is None
    assert list(data.items.features) == ["title", "category", "description"]
    assert data.items.kinds == {"title": "text", "category": "category", "description": "text"}


def test_a_seed_gives_one_world():
    same, again, other = world(seed=5), world(seed=5), world(seed=6)
    for name in ("user", "item", "value"):
        assert np.array_equal(getattr(same, name), getattr(again, name))
    assert same.sessions.equals(again.sessions)
    assert not np.array_equal(same.item, other.item)


def test_an_item_is_described_by_five_words_of_its_category(large):
    for category, text in zip(categories(large), large.items.features["description"], strict=True):
        words = text.split()
        assert len(set(words)) == 5
        assert set(words) <= {category, *WORDS[category].split()}


def test_the_words_of_categories_differ():
    words = [word for name, others in WORDS.items() for word in (name, *others.split())]
    assert len(words) == len(set(words)) == 6 * 12


def test_a_user_rates_one_category_more_and_higher(large):
    of_row = categories(large)[large.item]
    favourite = categories(large)[large.sessions.groupby("user")["item"].first().to_numpy()][large.user]
    liked = of_row == favourite
    assert liked.mean() == pytest.approx(8 / 12, abs=0.01)
    assert large.value[liked].mean() == pytest.approx(4.2, abs=0.06)
    assert large.value[~liked].mean() == pytest.approx(2.8, abs=0.03)
    assert large.value[~liked].std() == pytest.approx(0.6, abs=0.03)
    assert (large.value.min(), large.value.max()) == (1, 5)
    assert np.allclose(large.value * 10, np.round(large.value * 10), atol=1e-4)
    assert not np.unique(large.user * 1000 + large.item).size < len(large)


def test_the_order_of_rows_says_nothing_of_what_is_liked(large):
    favourite = categories(large)[large.sessions.groupby("user")["item"].first().to_numpy()][large.user]
    liked = categories(large)[large.item] == favourite
    last = np.append(np.diff(large.user) != 0, True)
    assert liked[last].mean() == pytest.approx(8 / 12, abs=0.06)


def test_a_session_of_each_user_in_the_preferred_category(large):
    assert (large.sessions.groupby("session").size() == 8).all()
    assert large.sessions["user"].nunique() == 600
    of_view = large.sessions.assign(category=categories(large)[large.sessions["item"]])
    assert (of_view.groupby("session")["category"].nunique() == 1).all()
    assert large.sessions.duplicated(["session", "item"]).any()  # drawn with replacement


def test_other_sizes():
    data = world(users=5, items=40, categories=20, ratings=30, views=3)
    assert len(data.users) == 5
    assert len(data.sessions) == 15
    assert {"action2", "horror3"} & set(categories(world(items=500, categories=20)))
    everything = world(users=4, items=10, categories=1, ratings=12)
    assert np.bincount(everything.user).tolist() == [8, 8, 8, 8]  # there is nothing but the preferred category

"""The parts of the made world: what each of them promises by itself."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.data import synthetic
from recsys.data.build import build
from recsys.data.config import SyntheticData
from recsys.data.synthetic import World, load
from recsys.data.synthetic.catalogue import Catalogue, draw_items, draw_themes
from recsys.data.synthetic.chance import Lottery, apportion, stream
from recsys.data.synthetic.exposure import choose
from recsys.data.synthetic.law import DAY, OPENING, Law
from recsys.data.synthetic.words import GENRES


@pytest.fixture(scope="module")
def raw():
    return load(SyntheticData())


def test_items_are_not_rated_before_they_appear():
    world = World(SyntheticData(), Law())
    rows, _ = world.history()
    release = world.items.release[rows["item"] - 1]
    day = (rows["timestamp"] / 1e6 - OPENING) / DAY
    assert (release > 0).sum() > 1000  # rows of items that appear within the window
    assert (day + 1 / DAY < release).mean() < 1e-4


def test_fresh_items_are_met_more():
    law = Law(hype=4.0, fashion=0.0)
    themes = draw_themes(np.random.default_rng(0), law, 400)
    items = draw_items(np.random.default_rng(1), law, themes, 400)
    catalogue = Catalogue(replace(items, release=np.full(400, 50.0)), themes, law)
    every = np.arange(400)
    before, first, later = (catalogue.moment(every, np.full(400, day)) for day in (49.9, 50.0, 150.0))
    assert (before == 0).all()
    np.testing.assert_allclose(first, 1)
    expected = (1 + items.hype * np.exp(-100 / law.hype_days)) / (1 + items.hype)
    np.testing.assert_allclose(later, expected)


@pytest.mark.parametrize("rounds", [64, 0])
def test_choices_follow_successive_sampling(monkeypatch, rounds):
    """Drawn with refusals or from what is left, the law is the same: that of one race without repetition."""
    monkeypatch.setattr(synthetic.exposure, "ROUNDS", rounds)
    law = Law(fashion=0.0, hype=0.0, popularity=1.0)
    themes = draw_themes(np.random.default_rng(0), law, 12)
    items = draw_items(np.random.default_rng(1), law, themes, 12)
    catalogue = Catalogue(replace(items, release=np.full(12, -1e4)), themes, law)
    taste = np.random.default_rng(2).standard_normal((1, law.dimensions))
    n, taken = 20_000, 4
    tastes, user = np.repeat(taste, n, axis=0), np.repeat(np.arange(n), taken)
    moods = Lottery.of_rows(catalogue.demand(tastes))
    chosen = choose(np.random.default_rng(3), catalogue, moods, tastes, user, np.full(n * taken, 10.0))
    assert len(np.unique(user * 12 + chosen)) == n * taken
    weight = np.bincount(catalogue.item, catalogue.weight * np.exp(taste @ themes.centres.T)[0, catalogue.theme])
    np.testing.assert_allclose(catalogue.appeal(taste, np.array([10.0]))[0], weight)
    race = np.random.default_rng(4).standard_exponential((n, 12)) / weight
    expected = np.bincount(np.argsort(race, axis=1)[:, :taken].ravel(), minlength=12) / n
    np.testing.assert_allclose(np.bincount(chosen, minlength=12) / n, expected, atol=0.02)


def test_tastes_depend_on_people():
    world = World(SyntheticData(users=5000, items=500, interactions=50_000), Law())
    taste = world.tastes(next(iter(world.blocks())))
    users = world.users.part(slice(0, len(taste)))
    assert taste.mean(axis=0) == pytest.approx(np.zeros(64), abs=0.35)
    assert np.sqrt((taste**2).mean()) == pytest.approx(1, abs=0.1)
    assert np.corrcoef(taste[:, 0], users.drive)[0, 1] == pytest.approx(Law().explorer, abs=0.05)
    differences = [np.ptp([taste[users.occupation == code].mean(axis=0) for code in (0, 1, 18)], axis=0)]
    assert np.mean(differences) > 0.2


def test_sessions_follow_taste_without_copying_the_ratings(raw):
    sessions, rows = raw.sessions, raw.interactions
    assert list(sessions) == ["session", "user", "item"]
    assert sessions["session"].is_monotonic_increasing
    assert sessions["session"].nunique() == sessions["session"].max()
    assert (sessions.groupby("session")["user"].nunique() == 1).all()
    assert 3 < len(sessions) / sessions["session"].nunique() < 6
    genre = raw.items.set_index("item")["genres"].str.split("|").str[0]
    same = sessions["session"].eq(sessions["session"].shift())
    stays = sessions["item"].map(genre).eq(sessions["item"].shift().map(genre))
    assert stays[same].mean() > stays[~same].mean() + 0.15
    rated = sessions.merge(rows, on=["user", "item"], how="left")["value"].notna().mean()
    stranger = sessions.assign(user=sessions["user"] % 943 + 1)
    by_stranger = stranger.merge(rows, on=["user", "item"], how="left")["value"].notna().mean()
    assert by_stranger + 0.15 < rated < 0.8  # a matter of taste, neither chance nor a copy


def test_sessions_know_nothing_of_the_ratings_but_the_taste():
    """Other choices from the same tastes leave the sessions as they are."""
    world, other = (World(SyntheticData(users=80, items=300, interactions=4000), Law()) for _ in range(2))
    rows, sessions = world.history()
    original, synthetic.choose = synthetic.choose, lambda rng, *rest: choose(stream(99, synthetic.Part.CHOICES), *rest)
    try:
        other_rows, other_sessions = other.history()
    finally:
        synthetic.choose = original
    assert not rows["item"].equals(other_rows["item"])
    pd.testing.assert_frame_equal(sessions, other_sessions)


def test_what_is_told_of_items(raw):
    items = raw.items
    assert list(items) == ["item", "title", "year", "genres", "description"]
    assert items["year"].between(1940, 2024).all()
    assert items["year"].gt(2018).mean() > 0.5
    labels = items["genres"].str.split("|")
    assert set(labels.explode()) <= set(GENRES)
    assert labels.map(lambda found: len(found) == len(set(found))).all()
    assert 0.35 < labels.map(len).eq(1).mean() < 0.6
    assert items["title"].nunique() > 1500
    words = items["description"].str.split().map(len)
    assert words.between(12, 24).all()
    assert items["description"].nunique() == len(items)


def test_descriptions_tell_the_genre(raw):
    words = raw.items["description"].str.lower().str.findall(r"[a-z-]+").explode()
    genre = raw.items["genres"].str.split("|").str[0]
    horror, comedy = (set(words[genre == name]) for name in ("Horror", "Comedy"))
    assert {"haunting", "seance", "nightmare"} & horror
    assert "seance" not in comedy


def test_what_is_told_of_users(raw):
    users = raw.users
    assert list(users) == ["user", "age", "gender", "occupation"]
    assert users["age"].between(8, 78).all()
    assert users["age"].median() == pytest.approx(31, abs=3)
    assert users["gender"].eq("F").mean() == pytest.approx(0.29, abs=0.06)
    assert users["occupation"].nunique() >= 18
    age = users.groupby("occupation")["age"].mean()
    assert age["student"] < 27 < age["teacher"] < age["retired"]


def test_becomes_a_data_set(raw):
    data = build(raw, SyntheticData())
    assert (len(data.users), len(data.items), len(data.user)) == (943, 1682, 100_000)
    assert data.items.kinds == {"title": "text", "year": "number", "genres": "labels", "description": "text"}
    assert data.users.kinds == {"age": "number", "gender": "category", "occupation": "category"}


def test_lottery_draws_in_proportion():
    lottery = Lottery(np.array([1.0, 3.0, 2.0, 0.0, 2.0]), np.array([0, 2, 5]))
    rows = np.repeat([0, 1], 40_000)
    shares = np.bincount(lottery.draw(np.random.default_rng(0), rows), minlength=5) / 40_000
    np.testing.assert_allclose(shares, [0.25, 0.75, 0.5, 0, 0.5], atol=0.01)
    dense = Lottery.of_rows(np.array([[1.0, 3.0], [1.0, 0.0]]))
    shares = np.bincount(dense.draw(np.random.default_rng(0), rows), minlength=4) / 40_000
    np.testing.assert_allclose(shares, [0.25, 0.75, 1, 0], atol=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_apportion_is_exact_and_within_bounds(seed):
    rng = np.random.default_rng(seed)
    n, most = int(rng.integers(1, 60)), int(rng.integers(1, 40))
    least = int(rng.integers(0, most + 1))
    total = int(rng.integers(least * n, most * n + 1))
    weight = rng.weibull(0.3, n) + 1e-9
    count = apportion(weight, total, least, most)
    assert count.sum() == total
    assert count.min() >= least
    assert count.max() <= most
    order = np.argsort(weight)
    assert (np.diff(count[order]) >= -1).all()

"""4,000 nights of the gate on values of real users: how often it lets what through.

A night draws its users with replacement from those of a data set, each with the NDCG@10 of two models that were really
fitted: item-knn and ease, which are as different as a change makes them, or ease and an ease that lacks one row in a
hundred, as a refresh does. Which of the two a user's champion is, a coin decides, so that neither side is better; then
the challenger's values are changed by a known share. The gate looks at the lower end of a 95 % interval, which a change
of no effect exceeds in 2.5 % of nights, one side of the interval; 5 % is what it must never exceed.

All nights of one size go through one bootstrap, a column each: the draws of the gate depend on the number of users
alone, so that the bound of each is the gate's own (held against `pair` below).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pytest
from likeness import dataset, movielens, ndcg_by_user
from scipy.stats import binom, norm

from recsys.champion.gate import least_gain, passes
from recsys.champion.sides import pair
from recsys.comparison.bootstrap import bootstrap
from recsys.data.config import SyntheticData
from recsys.experiment.retrain import Retrain
from recsys.models import registry
from recsys.models.ease import Ease

NIGHTS = 4_000
AT_ONCE = 500
WORLDS = ["made", pytest.param("movielens", marks=pytest.mark.data)]
CHANGED, REFRESHED = ("item-knn", "ease"), ("yesterday", "ease")


class Yesterday(Ease):
    """Ease on 99 rows of a hundred."""

    class Config(Ease.Config):
        name: Literal["yesterday"] = "yesterday"

    def fit(self, train, run):
        kept = np.random.default_rng(0).random(len(train)) < 0.99
        rows = {
            name: getattr(train, name)[kept] for name in ("user", "item", "value", "timestamp", "positive", "weight")
        }
        super().fit(replace(train, **rows), run)


@pytest.fixture(scope="module")
def by_user():
    """NDCG@10 by user and model, of the world of a name."""
    worlds = {"made": SyntheticData(seed=0), "movielens": movielens()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.BUILT_IN, "yesterday", f"{__name__}:Yesterday")
        registry.installed.cache_clear()
        yield cache(lambda name: ndcg_by_user(dataset(worlds[name]), ("popularity", "item-knn", "ease", "yesterday")))
    registry.installed.cache_clear()


class Nights:
    """So many nights on values of some users. Each is (n_users, nights)."""

    def __init__(self, values, n_users, models=CHANGED, nights=NIGHTS, seed=1, resamples=2_000):
        random = np.random.default_rng(seed)
        rows, turned = random.integers(0, len(values), (n_users, nights)), random.random((n_users, nights)) < 0.5
        self.pool = values[list(models)].to_numpy()
        one, other = self.pool[rows, 0], self.pool[rows, 1]
        self.champion, self.challenger = np.where(turned, other, one), np.where(turned, one, other)
        self.resamples = resamples
        self.n_users, self.nights = n_users, nights
        self.found = {}

    def lows(self, change):
        """Lower bound of the gain on each night, the challenger's values being changed by this share."""
        if change not in self.found:
            gains = (1 + change) * self.challenger - self.champion
            parts = np.array_split(gains, max(1, self.nights // AT_ONCE), axis=1)
            lows = [bootstrap(part, self.resamples).intervals()[:, 1] for part in parts]
            self.found[change] = np.concatenate(lows)
        return self.found[change]

    def promoted(self, kind, change):
        """On how many nights the gate promotes."""
        retrain, values = Retrain(), self.champion.mean(axis=0)
        lows = self.lows(change)
        return sum(passes(kind, low, least_gain(kind, value, retrain)) for low, value in zip(lows, values, strict=True))

    def expected(self, kind, change):
        """The share of nights that theory gives: a normal mean, its standard error, and the rule."""
        gains = (1 + change) * self.pool - self.pool[:, ::-1]
        error = gains.std() / np.sqrt(self.n_users)
        least = least_gain(kind, self.pool.mean(), Retrain())
        return norm.cdf((gains.mean() - least) / error - norm.ppf(0.975))


@pytest.fixture(scope="module")
def changes(by_user):
    """Nights of 300 users on the world of a name, and two models."""
    return cache(lambda name: Nights(by_user(name), 300))


@pytest.fixture(scope="module")
def few(by_user):
    """Nights of 30 users, and one model before and after."""
    return cache(lambda models: Nights(by_user("made"), 30, models))


def test_the_bounds_are_those_of_the_gate(by_user, side):
    nights = Nights(by_user("made"), 60, nights=8, resamples=10_000)
    lows = nights.lows(0.03)
    for night, low in enumerate(lows):
        found = pair(side(1.03 * nights.challenger[:, night]), side(nights.champion[:, night]))
        assert found.gain.low == pytest.approx(low, abs=1e-12)


@pytest.mark.parametrize("world", WORLDS)
class TestThreeHundredUsers:
    def test_changes_of_no_effect(self, changes, world):
        """Within the binomial bound of 5 %, and about the 2.5 % of one side: the gate is not shut either."""
        promoted = changes(world).promoted("change", 0.0)
        assert promoted <= binom.ppf(0.999, NIGHTS, 0.05)
        assert 0.015 * NIGHTS < promoted < 0.04 * NIGHTS

    @pytest.mark.parametrize("kind", ["change", "refresh"])
    @pytest.mark.parametrize("loss", [0.05, 0.10])
    def test_a_model_worse_by_a_twentieth_never(self, changes, world, kind, loss):
        assert changes(world).promoted(kind, -loss) == 0

    @pytest.mark.parametrize("gain", [0.02, 0.03, 0.05])
    def test_a_better_model_as_often_as_theory_says(self, changes, world, gain):
        nights = changes(world)
        expected = nights.expected("change", gain)
        low, high = binom.interval(0.999, NIGHTS, expected)
        assert 0.2 < expected < 0.95
        assert low <= nights.promoted("change", gain) <= high

    def test_a_refresh_that_lost_all_its_tolerance_seldom(self, changes, world):
        assert changes(world).promoted("refresh", -0.02) <= binom.ppf(0.999, NIGHTS, 0.05)


class TestThirtyUsers:
    """The least number that decides at all. Percentile intervals of so few are a little too narrow."""

    def test_changes_of_no_effect_keep_the_bound(self, few):
        assert few(CHANGED).promoted("change", 0.0) <= binom.ppf(0.999, NIGHTS, 0.05)

    @pytest.mark.parametrize(("kind", "most"), [("change", 0.005), ("refresh", 0.01)])
    def test_another_model_worse_by_a_twentieth_hardly_ever(self, few, kind, most):
        """Never takes more users than that: see the table in docs/retraining.md."""
        assert few(CHANGED).promoted(kind, -0.05) < most * NIGHTS

    def test_a_refresh_worse_by_a_twentieth(self, few):
        """A refresh recommends much the same, and the difference is as much surer."""
        assert few(REFRESHED).promoted("refresh", -0.05) <= 1

    @pytest.mark.parametrize("kind", ["change", "refresh"])
    def test_a_model_worse_by_a_fifth_never(self, few, kind):
        assert few(CHANGED).promoted(kind, -0.20) == 0


def test_a_first_champion_beats_popularity_and_popularity_does_not(by_user, side):
    values = by_user("made").sample(60, random_state=0)
    ease, popularity = (side(values[name]) for name in ("ease", "popularity"))
    assert passes("first", pair(ease, popularity).gain.low, least_gain("first", 0.2, Retrain()))
    assert not passes("first", pair(popularity, popularity).gain.low, least_gain("first", 0.2, Retrain()))


@pytest.mark.soak
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("n_users", [30, 100, 300, 943])
def test_table_of_rates(by_user, world, n_users):
    """The table of docs/retraining.md; `pytest -s` prints it."""
    for kind, models in (("change", CHANGED), ("refresh", CHANGED), ("refresh", REFRESHED)):
        nights = Nights(by_user(world), n_users, models, seed=2, resamples=5_000)
        rates = {}
        for change in (-0.10, -0.05, -0.02, 0.0, 0.02, 0.05):
            rates[change] = nights.promoted(kind, change) / NIGHTS
            assert rates[change] == pytest.approx(nights.expected(kind, change), abs=0.1 if n_users == 30 else 0.05)
        print(
            f"{world:<10} {n_users:>4} {kind:<8} {models[0]:<9}",
            *(f"{change:+.0%} {rate:.2%}" for change, rate in rates.items()),
        )
        if n_users >= 300:
            assert rates[-0.05] == rates[-0.10] == 0
        if kind == "change":
            assert rates[0.0] <= 0.05

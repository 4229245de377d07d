"""Behaviour checks: what is good passes, and each kind of broken model is caught by the check that is for it."""

from __future__ import annotations

import numpy as np
import pytest
from made.models import Constant

from recsys.champion.behaviour import check_behaviour
from recsys.data.interactions import training_view
from recsys.models.ease import Ease
from recsys.models.popularity import Popularity
from recsys.models.registry import model_class
from recsys.training.run import FitRun

NAMES = ["finite scores", "nothing seen", "whole lists", "no duplicates", "determinism", "cold user", "monotonicity"]
NINE = (
    "random",
    "popularity",
    "recent-popularity",
    "item-knn",
    "user-knn",
    "ease",
    "mf",
    "two-tower",
    "lightfm-warp",
)


@pytest.fixture(scope="module")
def train(made_world):
    """The first 120 users of the made world."""
    return training_view(made_world, np.flatnonzero(made_world.user <= 120), None, None)


def learnt(kind, train, **settings):
    model = kind(kind.Config(**settings))
    model.learn(train, FitRun())
    return model


def findings(model, train, **options):
    return {finding.name: finding for finding in check_behaviour(model, train, **options)}


def fallen(model, train, **options):
    return [name for name, finding in findings(model, train, **options).items() if finding.fell]


@pytest.mark.parametrize("name", NINE)
def test_good_models_pass(name, train):
    settings = {"epochs": 3} if name == "mf" else {}  # of which the default takes seconds
    found = findings(learnt(model_class(name), train, **settings), train)
    assert [each.text for each in found.values() if each.fell] == []
    assert list(found) == NAMES[: 7 if model_class(name).needs.history else 6]


class TestFinite:
    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_one_score_of_one_user(self, train, wrong):
        class Broken(Ease):
            def scores(self, users):
                scores = super().scores(users)
                scores[users.index == 7, 3] = wrong
                return scores

        found = check_behaviour(learnt(Broken, train), train)
        assert [(finding.name, finding.fell, finding.value) for finding in found] == [("finite scores", True, 1)]
        assert found[0].text == "1 of 120 users have scores that are NaN or infinite, known or as strangers"

    def test_of_strangers_alone(self, train):
        class Broken(Ease):
            def scores(self, users):
                scores = super().scores(users)
                scores[(users.index < 0) & (np.diff(users.history.indptr) > 100)] = np.nan
                return scores

        assert fallen(learnt(Broken, train), train) == ["finite scores"]

    def test_of_somebody_without_rows(self, train):
        class Broken(Ease):
            def scores(self, users):
                length = np.diff(users.history.indptr)
                with np.errstate(invalid="ignore"):
                    return super().scores(users) * (length / length)[:, None]

        assert fallen(learnt(Broken, train), train) == ["finite scores"]


class TestLists:
    """What `recommend` rules out is checked on its result, whoever makes it some day."""

    @pytest.fixture
    def popularity(self, train):
        return learnt(Popularity, train)

    def made(self, monkeypatch, change):
        """Lists are changed on their way."""
        from recsys.champion import behaviour

        def recommend(*arguments, real=behaviour.recommend, **options):
            items, scores = real(*arguments, **options)
            return change(items.copy(), scores)

        monkeypatch.setattr(behaviour, "recommend", recommend)

    def test_seen_items(self, train, popularity, monkeypatch):
        def first_seen(items, scores):
            if len(items) > 1:
                items[5, 2] = train.seen[[5]].indices[0]
            return items, scores

        self.made(monkeypatch, first_seen)
        found = findings(popularity, train)
        assert [name for name, finding in found.items() if finding.fell] == ["nothing seen"]
        assert found["nothing seen"].text == "1 of 120 users are recommended what they have seen"

    def test_seen_items_where_they_are_wanted(self, train, popularity):
        found = findings(popularity, train, exclude_seen=False)
        assert "nothing seen" not in found
        assert not any(finding.fell for finding in found.values())

    def test_duplicates(self, train, popularity, monkeypatch):
        def twice(items, scores):
            items[3:, 9] = items[3:, 0]
            return items, scores

        self.made(monkeypatch, twice)
        found = findings(popularity, train)
        assert [name for name, finding in found.items() if finding.fell] == ["no duplicates"]
        assert found["no duplicates"].value == 117

    def test_lists_that_end_early(self, train, popularity, monkeypatch):
        def short(items, scores):
            items[:, 4:] = -1
            return items, scores

        self.made(monkeypatch, short)
        assert fallen(popularity, train) == ["whole lists", "cold user"]

    def test_lists_may_end_where_nothing_is_left(self, train, popularity):
        assert fallen(popularity, train, k=train.n_items) == []

    def test_another_list_each_time(self, train):
        class Broken(Constant):
            random = np.random.default_rng(0)

            def scores(self, users):
                return self.random.random((len(users), len(self.items)))

        found = findings(learnt(Broken, train), train)
        assert [name for name, finding in found.items() if finding.fell] == ["determinism"]
        assert found["determinism"].value == 120

    def test_other_scores_each_time(self, train):
        class Broken(Popularity):
            calls = 0

            def scores(self, users):
                type(self).calls += 1
                return super().scores(users) * np.float32(1 + 1e-6 * self.calls)

        assert fallen(learnt(Broken, train), train) == ["determinism"]


class TestMonotone:
    def test_what_turns_away_from_what_one_likes(self, train):
        class Broken(Ease):
            def scores(self, users):
                return -super().scores(users)

        found = findings(learnt(Broken, train), train)
        assert [name for name, finding in found.items() if finding.fell] == ["monotonicity"]
        assert found["monotonicity"].value > 0.005
        assert "% of the ranking down, on average over 120 users" in found["monotonicity"].text

    def test_what_moves_nothing(self, train):
        class Indifferent(Ease):
            def scores(self, users):
                return np.zeros((len(users), len(self.items)), dtype=np.float32)

        finding = findings(learnt(Indifferent, train), train)["monotonicity"]
        assert (finding.fell, finding.value) == (False, 0)

    def test_what_moves_at_random(self, train):
        """Scores that depend on a history's length by chance: no direction, no finding."""

        class Chance(Ease):
            def scores(self, users):
                lengths = np.diff(users.history.indptr)
                return np.stack([np.random.default_rng(n).random(len(self.items)) for n in lengths])

        assert fallen(learnt(Chance, train), train) == []

    def test_too_few_users_to_say(self, made_world):
        few = training_view(made_world, np.flatnonzero(made_world.user <= 29), None, None)
        assert "monotonicity" not in findings(learnt(Ease, few), few)


def test_users_are_drawn_from_the_seed(train):
    asked = []

    class Asked(Popularity):
        def scores(self, users):
            asked.append(users.rows.tolist())
            return super().scores(users)

    model = learnt(Asked, train)
    for seed in (1, 1, 2):
        check_behaviour(model, train, users=30, seed=seed)
    first, again, other = asked[0], asked[len(asked) // 3], asked[2 * len(asked) // 3]
    assert len(first) == 30
    assert first == again != other

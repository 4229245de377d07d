"""Every guard: what it is held against, when it falls, when it may not, and what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from recsys.champion.behaviour import Finding
from recsys.champion.drift import Drift, Measure
from recsys.champion.guards import (
    Group,
    age_guard,
    behaviour_guards,
    churn,
    drift_guards,
    falls,
    older_guard,
    side_guards,
)
from recsys.experiment.retrain import Guards

DAY = 86_400 * 10**6
N = 400


@pytest.fixture
def values():
    """400 values, a hundred of each segment: new, casual, regular, power."""
    return np.random.default_rng(1).beta(2, 3, N)


@pytest.fixture
def before():
    return np.repeat([5, 15, 50, 200], N // 4)


def by_name(guards):
    return {guard.name: guard for guard in guards}


def compared(challenger, champion, **limits):
    return by_name(side_guards(challenger, champion, Guards(**limits)))


class TestSideGuards:
    def test_nothing_falls_where_nothing_changed(self, side, values, before):
        same = side(values, before=before)
        guards = compared(same, same)
        assert list(guards) == [
            *(f"segment {name}" for name in ("new", "casual", "regular", "power")),
            *("popularity bias", "coverage", "list churn", "latency", "size"),
        ]
        assert not any(guard.fell for guard in guards.values())
        assert guards["segment new"].value == guards["segment new"].reference == pytest.approx(values[:100].mean())

    def test_sides_on_other_users_are_refused(self, side, values):
        with pytest.raises(ValueError, match="different windows"):
            side_guards(side(values), side(values[1:]), Guards())


class TestMeans:
    """Segments, cold users, popularity bias."""

    def test_a_segment_that_loses_a_fifth_falls(self, side, values, before):
        worse = np.where(before == 15, 0.8, 1.3) * values
        guards = compared(side(worse, before=before), side(values, before=before))
        assert [name for name, guard in guards.items() if guard.fell] == ["segment casual"]
        fell = guards["segment casual"]
        assert (fell.limit, fell.value) == (0.1, pytest.approx(0.8 * values[100:200].mean()))
        assert fell.text == (
            f"segment casual: ndcg@10 {fell.value:.4f} after {fell.reference:.4f} over 100 users, "
            "a fall of 20%, beyond chance and the 10% that are allowed"
        )

    @pytest.mark.parametrize(("kept", "fell"), [(0.91, False), (0.89, True)])
    def test_a_tenth_may_be_lost(self, side, values, kept, fell):
        guards = compared(side(kept * values), side(values))
        assert guards["segment casual"].fell is fell

    def test_a_fall_that_chance_explains(self, side):
        """Half of thirty users lose everything, a little less than half gain as much."""
        old = np.full(30, 0.5)
        new = np.where(np.arange(30) < 17, 0.0, 1.0)
        guard = compared(side(new), side(old))["segment casual"]
        assert not guard.fell
        assert guard.text.endswith("a fall of 13% that chance may explain")

    @pytest.mark.parametrize(("users", "fell"), [(29, False), (30, True)])
    def test_thirty_users_are_needed(self, side, values, users, fell):
        before = np.where(np.arange(N) < users, 5, 15)
        guard = compared(side(np.where(before == 5, 0.5, 1) * values, before=before), side(values, before=before))
        assert guard["segment new"].fell is fell
        assert guard["segment new"].text.endswith("too few to judge") is not fell

    def test_cold_users_are_guarded_although_they_do_not_count(self, side, values):
        cold = np.arange(N) < 100
        about = {"before": np.where(cold, 0, 15), "counted": ~cold}
        guards = compared(side(np.where(cold, 0.5, 1.5) * values, **about), side(values, **about))
        assert [name for name, guard in guards.items() if guard.fell] == ["cold users"]
        assert "over 100 users" in guards["cold users"].text
        assert not compared(side(np.where(cold, 0.5, 1.5) * values, **about), side(values, **about), cold=None)[
            "cold users"
        ].fell

    def test_without_cold_users_there_is_nothing_to_say_of_them(self, side, values):
        assert "cold users" not in compared(side(values), side(values))

    def test_lists_of_what_everybody_knows(self, side, values):
        new, old = side(values, novelty=np.full(N, 1.7)), side(values, novelty=np.full(N, 2.0))
        assert compared(new, old)["popularity bias"].fell
        assert not compared(old, new)["popularity bias"].fell
        assert not compared(new, old, novelty=0.2)["popularity bias"].fell
        assert compared(new, old)["popularity bias"].text.startswith("popularity bias: novelty@10 1.7000 after 2.0000")

    def test_only_those_who_count_show_popularity_bias(self, side, values):
        counted = np.arange(N) >= 200
        novelty = np.where(counted, 2.0, 0.1)
        guards = compared(
            side(values, novelty=novelty, counted=counted), side(values, novelty=np.full(N, 2.0), counted=counted)
        )
        assert not guards["popularity bias"].fell

    def test_errors_fall_when_they_rise(self, side, values):
        rows = np.random.default_rng(2).integers(1, 9, N)
        low, high = side(values, "rmse", rows=rows), side(1.2 * values, "rmse", rows=rows)
        guard = compared(high, low)["segment casual"]
        assert guard.fell
        assert guard.value == pytest.approx(1.2 * math.sqrt((values**2 * rows).sum() / rows.sum()))
        assert "a fall of 20%" in guard.text
        assert not compared(low, high)["segment casual"].fell

    def test_an_error_where_there_was_none(self, side, values):
        assert compared(side(values, "mae"), side(0 * values, "mae"))["segment casual"].fell
        assert not compared(side(0 * values, "mae"), side(0 * values, "mae"))["segment casual"].fell

    def test_where_the_champion_found_nothing_nothing_can_be_lost(self, side, values):
        assert not compared(side(0 * values), side(0 * values))["segment casual"].fell

    def test_users_without_a_value_are_left_out(self, side, values):
        new = values.copy()
        new[:100] = np.nan
        guard = compared(side(new), side(values))["segment casual"]
        assert (guard.value, guard.reference) == (guard.reference, pytest.approx(values[100:].mean()))
        assert "over 300 users" in guard.text

    def test_nobody_has_a_value(self, side, values):
        guard = compared(side(np.nan * values), side(values))["segment casual"]
        assert (guard.value, guard.reference, guard.fell) == (None, None, False)
        assert guard.text == "segment casual: nobody has a value"


class TestCoverage:
    @pytest.mark.parametrize(("new", "fell"), [(0.5, False), (0.46, False), (0.44, True), (0.9, False)])
    def test_a_tenth_may_be_lost(self, side, values, new, fell):
        guard = compared(side(values, coverage=new), side(values, coverage=0.5))["coverage"]
        assert (guard.fell, guard.value, guard.reference, guard.limit) == (fell, new, 0.5, 0.1)

    def test_says_how_much(self, side, values):
        guard = compared(side(values, coverage=0.3), side(values, coverage=0.5))["coverage"]
        assert guard.text == "coverage@10 0.3000 after 0.5000, a fall of 40%, more than the 10% that are allowed"

    def test_null_only_reports(self, side, values):
        assert not compared(side(values, coverage=0.1), side(values, coverage=0.5), coverage=None)["coverage"].fell

    def test_nothing_was_covered(self, side, values):
        assert not compared(side(values, coverage=0.1), side(values, coverage=0.0))["coverage"].fell


class TestReported:
    """Churn, latency, size: told, and held against a limit only where the spec sets one."""

    def test_churn(self, side, values):
        moved = np.tile(np.arange(5, 15), (N, 1))
        guard = compared(side(values, items=moved), side(values))["list churn"]
        assert (guard.value, guard.fell, guard.text) == (0.5, False, "50.0% of the first 10 items are others")
        limited = compared(side(values, items=moved), side(values), churn=0.4)["list churn"]
        assert limited.fell
        assert limited.text.endswith("; at most 40% is allowed")
        assert not compared(side(values, items=moved), side(values), churn=0.6)["list churn"].fell

    @pytest.mark.parametrize(
        ("name", "field", "unit"), [("latency", "milliseconds", "ms a user"), ("size", "megabytes", "MB stored")]
    )
    def test_costs(self, side, values, name, field, unit):
        new, old = side(values, **{field: 8.0}), side(values, **{field: 2.0})
        told = compared(new, old)[name]
        assert (told.fell, told.value, told.reference) == (False, 8.0, 2.0)
        assert told.text == f"{name}: 8 {unit} after 2"
        assert compared(new, old, **{name: 7.9})[name].fell
        assert not compared(new, old, **{name: 8.0})[name].fell
        missing = compared(side(values), old, **{name: 1.0})[name]
        assert (missing.fell, missing.value, missing.text) == (
            False,
            None,
            f"{name}: not measured; at most 1 is allowed",
        )


class TestFalls:
    def group(self, loss, n=60, limit=0.1, seed=0):
        random = np.random.default_rng(seed)
        old = random.beta(2, 3, n)
        return Group("some", "ndcg@10", old - loss + 0.2 * random.normal(size=n), old, np.ones(n), limit)

    def test_no_groups(self):
        assert falls([]) == []

    def test_groups_without_a_limit_are_not_judged(self):
        assert falls([self.group(0.3, limit=None), self.group(0.3)]) == [False, True]

    def test_the_more_is_asked_the_surer_one_has_to_be(self):
        """A fall at 2.5 standard errors alone is beyond chance, and one of eleven is not."""
        group = self.group(0.0)
        error = group.gain.std() / math.sqrt(60)
        moved = Group(
            "one",
            "ndcg@10",
            group.challenger - group.gain.mean() - 2.5 * error,
            group.champion,
            *(
                np.ones(60),
                0.001,
            ),
        )
        quiet = Group("other", "ndcg@10", group.champion, group.champion, np.ones(60), 0.001)
        assert falls([moved]) == [True]
        assert falls([moved, *[quiet] * 10])[0] is False

    def test_groups_of_few_do_not_share_in_the_level(self):
        group = self.group(0.0)
        error = group.gain.std() / math.sqrt(60)
        moved = group.challenger - group.gain.mean() - 2.5 * error
        few = Group("few", "ndcg@10", 0 * group.champion, group.champion, (np.arange(60) < 29).astype(float), 0.001)
        found = falls([Group("one", "ndcg@10", moved, group.champion, np.ones(60), 0.001), *[few] * 10])
        assert found == [True, *[False] * 10]

    @pytest.mark.parametrize("nights", [20, pytest.param(2_000, marks=pytest.mark.soak)])
    def test_chance_rejects_one_night_in_twenty_at_most(self, nights):
        """Five groups of 40 to whom nothing happened, with a limit so low that any loss is looked at."""
        random = np.random.default_rng(7)
        masks = [np.where(np.arange(200) // 40 == place, 1.0, 0.0) for place in range(5)]
        rejected = 0
        for _ in range(nights):
            old, new = random.beta(2, 3, (2, 200))
            rejected += any(falls([Group("some", "ndcg@10", new, old, mask, 1e-9) for mask in masks]))
        assert rejected <= binom.ppf(0.99, nights, 0.05)


class TestDriftGuards:
    FAR = Measure(name="top item", value=0.3, usual=0.01, units=14.6)
    NEAR = Measure(name="rows", value=500, usual=480, units=0.2)

    def test_near(self):
        drift, made = drift_guards(Drift(rows=500, periods=1, earlier=60, measures=(self.NEAR,)), Guards())
        assert (drift.name, drift.fell, drift.value, drift.limit) == ("drift", False, 0.2, 5.0)
        assert drift.text == "drift: rows 500, usually 480 (0.2 times the usual spread)"
        assert (made.name, made.fell, made.value, made.limit) == ("anomalous rows", False, 0.0, 0.1)
        assert made.text == "0.0% of the new rows look made; at most 10% is allowed"

    def test_far(self):
        seen = Drift(
            rows=800, periods=1, earlier=60, measures=(self.FAR, self.NEAR), anomalous=0.29, made={"one item": 232}
        )
        drift, made = drift_guards(seen, Guards())
        assert drift.fell
        assert drift.text == "drift: top item 0.3, usually 0.01 (14.6 times the usual spread); at most 5 is allowed"
        assert made.fell
        assert made.text == "29.0% of the new rows look made (232 one item); at most 10% is allowed"

    @pytest.mark.parametrize(("limit", "fell"), [(14.7, False), (14.6, False), (14.5, True), (None, False)])
    def test_limits_are_the_specs(self, limit, fell):
        seen = Drift(rows=800, periods=1, earlier=60, measures=(self.FAR,), anomalous=0.29)
        drift, made = drift_guards(seen, Guards(drift=limit, anomalous=None))
        assert drift.fell is fell
        assert not made.fell

    def test_nothing_was_judged(self):
        drift, _ = drift_guards(Drift(rows=3, periods=1, earlier=2, note="2 earlier periods are too few"), Guards())
        assert (drift.fell, drift.text) == (False, "drift: 2 earlier periods are too few")


def test_behaviour_guards():
    finding = Finding(name="no duplicates", fell=True, value=3, text="3 of 200 users are recommended an item twice")
    (guard,) = behaviour_guards([finding])
    assert (guard.name, guard.fell, guard.value, guard.limit, guard.text) == (
        "no duplicates",
        True,
        3,
        None,
        finding.text,
    )


@pytest.mark.parametrize(("age", "fell"), [(None, False), ("3d", False), ("59h", True), ("2d", True)])
def test_age(age, fell):
    guard = age_guard(newest=0, now=5 * DAY // 2, limits=Guards(age=age))
    assert (guard.fell, guard.value) == (fell, 2.5)
    said = {None: "", "3d": "; at most 3 days is allowed", "59h": "; at most 2.45833 days is allowed"}
    assert guard.text == "the newest row is 2.5 days old" + said.get(age, "; at most 2 days is allowed")


@pytest.mark.parametrize(("champion", "days", "fell"), [(None, 0, False), (4 * DAY, 0, False), (6 * DAY, 1.5, True)])
def test_rows_that_end_before_those_of_the_champion(champion, days, fell):
    guard = older_guard(newest=9 * DAY // 2, champion=champion)
    assert (guard.value, guard.fell) == (days, fell)
    assert f"{days:.1f} days older than that of the champion" in guard.text


class TestChurn:
    def test_order_plays_no_part(self):
        assert churn(np.array([[3, 1, 2]]), np.array([[1, 2, 3]])) == 0

    def test_short_and_empty_lists(self):
        one = np.array([[1, 2], [1, -1], [-1, -1], [-1, -1]])
        other = np.array([[1, 2], [1, 2], [3, -1], [-1, -1]])
        assert churn(one, other) == churn(other, one) == pytest.approx((0 + 0.5 + 1 + 0) / 4)

    def test_lists_of_other_lengths(self):
        assert churn(np.array([[1, 2, 3, 4]]), np.array([[4, 5]])) == 0.75

    def test_nobody(self):
        assert churn(np.empty((0, 5), int), np.empty((0, 5), int)) == 0

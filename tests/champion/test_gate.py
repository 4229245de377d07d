"""The rule of the gate, to the edge: a change must gain, a refresh must not lose, nothing may fall."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from recsys.champion.gate import Guard, by_mode, decide, least_gain
from recsys.champion.sides import Pairing
from recsys.comparison.bootstrap import Interval
from recsys.experiment.retrain import Guards, Retrain

HELD = Guard(name="coverage", value=0.4, reference=0.4, limit=0.1, text="coverage@10 0.4000 after 0.4000")
FELL = Guard(name="cold users", value=0.1, reference=0.2, limit=0.1, fell=True, text="cold users: a fall of 50%")


def pairing(low: float, users: int = 100, champion: float = 0.5, column: str = "ndcg@10") -> Pairing:
    """A comparison whose gain has this lower bound."""
    gain = Interval(low + 0.01, low, low + 0.02)
    before = Interval(champion, champion - 0.02, champion + 0.02)
    return Pairing(column, users, Interval(champion + gain.value, 0, 1), before, gain)


class TestChange:
    @pytest.mark.parametrize(("low", "verdict"), [(1e-9, "promoted"), (0.0, "kept"), (-1e-9, "kept")])
    def test_must_gain_more_than_nothing(self, low, verdict):
        decision = decide("change", pairing(low), [HELD], Retrain())
        assert (decision.verdict, decision.passed, decision.kind) == (verdict, verdict == "promoted", "change")

    @pytest.mark.parametrize(("low", "verdict"), [(0.011, "promoted"), (0.01, "kept"), (0.009, "kept")])
    def test_must_gain_more_than_the_margin(self, low, verdict):
        assert decide("change", pairing(low), [], Retrain(margin=0.01)).verdict == verdict

    def test_tolerance_is_not_for_changes(self):
        assert decide("change", pairing(-0.001), [], Retrain(tolerance=0.5)).verdict == "kept"

    def test_says_the_rule_with_its_numbers(self):
        (said,) = decide("change", pairing(0.02), [], Retrain(margin=0.005)).reasons
        assert said == (
            "Change: ndcg@10 0.5300 after 0.5000, gain +0.0300, 95 % interval +0.0200 to +0.0400 over 100 users; "
            "more than +0.0050 is asked for"
        )


class TestRefresh:
    @pytest.mark.parametrize(
        ("low", "verdict"), [(0.3, "promoted"), (0.0, "promoted"), (-0.0099, "promoted"), (-0.0101, "kept")]
    )
    def test_may_lose_two_per_cent_of_the_champions_value(self, low, verdict):
        decision = decide("refresh", pairing(low, champion=0.5), [], Retrain())
        assert (decision.verdict, decision.kind) == (verdict, "refresh")

    def test_the_margin_is_not_for_refreshes(self):
        assert decide("refresh", pairing(0.0), [], Retrain(margin=0.4)).verdict == "promoted"

    def test_without_tolerance_the_same_lists_still_pass(self):
        same = Pairing("ndcg@10", 50, Interval(0.4, 0.3, 0.5), Interval(0.4, 0.3, 0.5), Interval(0.0, 0.0, 0.0))
        assert decide("refresh", same, [], Retrain(tolerance=0)).verdict == "promoted"
        assert decide("change", same, [], Retrain()).verdict == "kept"

    def test_where_the_champion_finds_nothing(self):
        assert decide("refresh", pairing(0.0, champion=0.0), [], Retrain()).verdict == "promoted"

    def test_says_the_rule_with_its_numbers(self):
        (said,) = decide("refresh", pairing(-0.005), [], Retrain()).reasons
        assert said.startswith("Refresh: ndcg@10 0.5050 after 0.5000")
        assert said.endswith("no worse than -0.0100 is asked for (0.02 of the champion's value)")


class TestFirst:
    @pytest.mark.parametrize(("low", "verdict"), [(0.001, "promoted"), (0.0, "kept"), (-0.2, "kept")])
    def test_must_beat_popularity(self, low, verdict):
        decision = decide("first", pairing(low), [], Retrain())
        assert decision.verdict == verdict
        assert decision.reasons[0].startswith("First champion, against popularity: ")


class TestGuards:
    @pytest.mark.parametrize("kind", ["first", "change", "refresh"])
    def test_none_may_fall_whatever_the_gain(self, kind):
        decision = decide(kind, pairing(0.3), [HELD, FELL], Retrain())
        assert (decision.verdict, decision.passed) == ("rejected", False)
        assert decision.reasons[1:] == (FELL.text,)

    def test_are_named_where_it_would_have_been_kept(self):
        assert decide("change", pairing(-0.3), [FELL], Retrain()).verdict == "rejected"


class TestWaiting:
    @pytest.mark.parametrize(("users", "verdict"), [(0, "waiting"), (29, "waiting"), (30, "promoted")])
    def test_thirty_users_decide(self, users, verdict):
        decision = decide("refresh", pairing(0.1, users), [], Retrain())
        assert (decision.verdict, decision.passed) == (verdict, verdict == "promoted")

    def test_says_how_many_there_are_and_what_fell(self):
        decision = decide("change", pairing(math.nan, 1), [FELL], Retrain())
        assert decision.reasons == ("1 user of the window can be compared, 30 are needed", FELL.text)

    def test_no_mode_lets_it_pass(self):
        waiting = decide("change", pairing(0.1, 3), [], Retrain())
        assert by_mode(waiting, "manual", approved=True) == waiting


class TestModes:
    @pytest.mark.parametrize(
        ("mode", "approved", "verdict", "said"),
        [
            ("enforce", None, "promoted", None),
            ("enforce", False, "promoted", None),
            ("report", None, "kept", "it passed; mode report promotes nothing"),
            ("report", True, "kept", "it passed; mode report promotes nothing"),
            ("manual", None, "waiting", "it passed; mode manual waits for approval"),
            ("manual", True, "promoted", "approved by hand"),
            ("manual", False, "kept", "it passed, and approval was refused"),
        ],
    )
    def test_what_becomes_of_a_challenger_that_passed(self, mode, approved, verdict, said):
        passed = decide("change", pairing(0.1), [], Retrain())
        decision = by_mode(passed, mode, approved)
        assert decision.verdict == verdict
        assert decision.passed
        assert decision.reasons == (passed.reasons if said is None else (*passed.reasons, said))

    @pytest.mark.parametrize("mode", ["report", "manual"])
    @pytest.mark.parametrize("guards", [[], [FELL]])
    def test_nobody_approves_what_did_not_pass(self, mode, guards):
        failed = decide("change", pairing(-0.1), guards, Retrain())
        assert by_mode(failed, mode, approved=True) == failed


def test_least_gain_of_a_metric_that_is_better_low():
    """An error of 0.9 may rise by 0.018; the gain is counted as positive where the error falls."""
    assert least_gain("refresh", 0.9, Retrain()) == pytest.approx(-0.018)
    assert least_gain("refresh", -0.9, Retrain()) == pytest.approx(-0.018)


class TestSettings:
    def test_defaults(self):
        section = Retrain()
        assert section.model_dump(exclude={"guards"}) == {
            "window": "14d",
            "margin": 0.0,
            "tolerance": 0.02,
            "mode": "enforce",
            "min_new_rows": 1,
        }
        assert section.guards.model_dump() == {
            **dict.fromkeys(("coverage", "novelty", "segment", "cold", "anomalous"), 0.1),
            "drift": 5.0,
            **dict.fromkeys(("churn", "latency", "size", "age")),
        }

    @pytest.mark.parametrize(
        "wrong",
        [
            {"window": "14"},
            {"margin": -0.1},
            {"margin": math.nan},
            {"tolerance": -0.01},
            {"mode": "force"},
            {"min_new_rows": 0},
            {"guards": {"coverage": 0}},
            {"guards": {"segment": 1.1}},
            {"guards": {"drift": 0}},
            {"guards": {"age": "soon"}},
            {"guards": {"covrage": 0.1}},
        ],
    )
    def test_refuses(self, wrong):
        with pytest.raises(ValidationError):
            Retrain.model_validate(wrong)

    def test_null_only_reports(self):
        assert Guards.model_validate(dict.fromkeys(Guards.model_fields)).coverage is None

"""The result in words: what is said of which numbers."""

from __future__ import annotations

import dataclasses
import math

import pytest

from recsys.comparison.bootstrap import Interval
from recsys.report.board import NOTHING, Board, Row
from recsys.report.verdict import verdict

FOLD = {"test_users_with_positives": 943, "warm_test_users_with_positives": 943}


def row(label, value, difference=None, *, control=False, status="ok"):
    """A row; difference: its value and half the width of its interval, beyond which it is told apart."""
    gap = NOTHING if difference is None else Interval(difference[0], difference[0] - difference[1], sum(difference))
    bound = Interval(value, value - 0.01, value + 0.01)
    p = math.nan if difference is None or control else 0.001 if abs(difference[0]) > difference[1] else 0.4
    return Row(label, control, status, 1, 1, {"ndcg@10": value, "rmse": value}, {}, bound, gap, p)


def board(*rows, best="ease", primary="ndcg@10", users=943, **manifest):
    spec = {"evaluation": {"primary": primary}}
    about = {"best": best, "note": None, "split": {"folds": [FOLD]}, "choices": {"users": "warm"}}
    manifest = about | manifest
    return Board(rows, (primary,), {}, {}, users, spec, "", manifest)


EASE = row("ease", 0.44, (0, 0))
CLOSE = row("ials", 0.437, (-0.003, 0.004))
FAR = row("knn", 0.40, (-0.04, 0.01))
POPULARITY = row("popularity", 0.22, (-0.22, 0.01), control=True)
RANDOM = row("random", 0.01, (-0.43, 0.01), control=True)


class TestCost:
    @staticmethod
    def timed(given, seconds):
        return dataclasses.replace(given, measured={"fit_seconds": seconds})

    def test_the_cheapest_of_those_that_cannot_be_told_apart(self):
        found = verdict(board(self.timed(EASE, 2.0), self.timed(CLOSE, 16.0), self.timed(FAR, 0.1))).points
        assert found[0] == "Of the two, ease costs least: its fit took 8.0 times less than that of ials."

    def test_of_three(self):
        slim = row("slim", 0.436, (-0.004, 0.005))
        found = verdict(board(self.timed(EASE, 30.0), self.timed(CLOSE, 3.0), self.timed(slim, 1.0))).points
        assert found[0] == "Of these, slim costs least: its fit took 30 times less than that of ease."

    @pytest.mark.parametrize("others", [(), (CLOSE,), (FAR,)])
    def test_nothing_to_choose_by_cost(self, others):
        timed = [self.timed(each, 2.0) for each in (EASE, *others)]
        assert not any("costs least" in point for point in verdict(board(*timed)).points)
        assert not any("costs least" in point for point in verdict(board(EASE, *others)).points)


class TestHeadline:
    def test_one_is_ahead_of_all(self):
        found = verdict(board(EASE, FAR, row("mf", 0.1, (-0.34, 0.01)), POPULARITY)).headline
        assert found == "ease is best: NDCG@10 0.4400, ahead of the other 2 models by more than chance explains."

    def test_of_two(self):
        found = verdict(board(EASE, FAR)).headline
        assert found == "ease is best: NDCG@10 0.4400, ahead of knn by more than chance explains."

    def test_some_cannot_be_told_apart(self):
        found = verdict(board(EASE, CLOSE, FAR)).headline
        assert found == "ease has the best NDCG@10, 0.4400, but cannot be told apart from ials."

    def test_none_can_be_told_apart(self):
        found = verdict(board(EASE, CLOSE, row("slim", 0.436, (-0.004, 0.005)))).headline
        assert found == "ease has the best NDCG@10, 0.4400, but no other model can be told apart from it."

    def test_an_interval_that_ends_at_zero_holds_it(self):
        assert "cannot be told apart from ials" in verdict(board(EASE, row("ials", 0.43, (-0.01, 0.01)), FAR)).headline

    def test_a_model_alone(self):
        found = verdict(board(EASE, POPULARITY)).headline
        assert found == "ease reaches NDCG@10 0.4400; there is no other model to hold it against."

    def test_too_few_users(self):
        found = verdict(board(EASE, row("knn", 0.40), note="12 users are too few for intervals, which need 30"))
        assert found.headline == "ease has the best NDCG@10, 0.4400; whether it is really better cannot be said."
        assert found.problems == ("No intervals: 12 users are too few for intervals, which need 30.",)

    def test_an_error_is_best_when_low(self):
        rows = (row("mf", 0.92, (0, 0)), row("knn", 0.99, (0.07, 0.01)))
        found = verdict(board(*rows, best="mf", primary="rmse"))
        assert found.headline == "mf is best: RMSE 0.9200, the lowest error, ahead of knn by more than chance explains."
        assert found.points[0] == "The next, knn, is 0.0700 behind (95\xa0% interval 0.0600 to 0.0800, user by user)."

    def test_only_controls(self):
        found = verdict(board(row("popularity", 0.2, control=True), best=None)).headline
        assert found == "No model is left to judge: only controls have a result."

    def test_nothing(self):
        failed = row("ease", math.nan, status="ran out of memory")
        found = verdict(board(failed, best=None, users=0, note="0 users are too few"))
        assert found.headline == "No model has a result."
        assert found.problems == ("ease failed: ran out of memory",)
        assert found.points == ()


class TestPoints:
    def test_the_next(self):
        point = verdict(board(EASE, FAR, POPULARITY)).points[0]
        assert point == "The next, knn, is 0.0400 behind (95\xa0% interval 0.0300 to 0.0500, user by user)."

    def test_the_first_that_is_clearly_behind(self):
        assert verdict(board(EASE, CLOSE, FAR)).points[0].startswith("The first that is clearly worse, knn, is 0.0400")

    def test_controls(self):
        expected = "Controls: popularity 0.2200 and random 0.0100; ease reaches 2.0 times popularity."
        assert expected in verdict(board(EASE, FAR, POPULARITY, RANDOM)).points

    def test_one_control(self):
        expected = "Controls: random 0.0100; ease reaches 44 times random."
        assert expected in verdict(board(EASE, FAR, RANDOM)).points

    def test_users(self):
        assert "Measured on 943 users." in verdict(board(EASE)).points

    def test_cold_users(self):
        fold = {"test_users_with_positives": 950, "warm_test_users_with_positives": 943}
        expected = "Measured on 943 users; 7 users of the test part, unknown in training, not counted."
        assert expected in verdict(board(EASE, split={"folds": [fold]})).points

    def test_models_without_the_metric(self):
        rows = (row("mf", 0.92, (0, 0)), row("ease", math.nan), row("knn", math.nan))
        assert "No RMSE: ease and knn." in verdict(board(*rows, best="mf", primary="rmse")).points


class TestProblems:
    def test_a_control_that_wins(self):
        ahead = row("popularity", 0.5, (0.06, 0.01), control=True)
        found = verdict(board(ahead, EASE, FAR))
        assert found.headline == "No model beats the control popularity: NDCG@10 0.5000, and 0.4400 for ease, the best."
        assert found.problems[0].startswith("The control popularity is ahead of every model: nothing here is shown")
        assert not any("times" in point for point in found.points)

    @pytest.mark.parametrize("gap", [0.002, -0.002])
    def test_a_control_as_good_as_the_best(self, gap):
        control = row("popularity", 0.44 + gap, (gap, 0.01), control=True)
        rows = (control, EASE, FAR) if gap > 0 else (EASE, control, FAR)
        found = verdict(board(*rows))
        assert found.headline.startswith("ease is best")
        assert found.problems[0].startswith("The control popularity cannot be told apart from ease")

    def test_failures_of_one_reason_stand_together(self):
        slow = [row(label, math.nan, status="ran longer than 60 s") for label in ("mf", "slim")]
        found = verdict(board(EASE, *slow, row("knn", math.nan, status="ran out of memory")))
        assert found.problems == ("mf and slim failed: ran longer than 60 s", "knn failed: ran out of memory")

"""SIGKILL at any moment: nothing is left running, and the same command goes on to the same result."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.harness import HELD_UP, Command, Workplace, assert_recorded, assert_same, flow_runs

Moment = Callable[[Workplace, Command], None]


def after(seconds: float) -> Moment:
    """So long after the start."""
    return lambda place, command: time.sleep(seconds)


def while_mlflow_makes_its_database(place: Workplace, command: Command) -> None:
    command.wait_for(lambda: any(place.home.glob(".mlflow.db.*")), "mlflow.db being made")


def while_the_server_starts(place: Workplace, command: Command) -> None:
    command.wait_for((place.home / "prefect.db").exists, "prefect.db")


def in_mid_fit(place: Workplace, command: Command) -> None:
    """One model is done, another is being fitted."""
    command.wait_for(lambda: place.stored("fit") and place.children(), "a fit beside a finished one")


def while_evaluating(place: Workplace, command: Command) -> None:
    command.wait_for(lambda: any((place.home / "store/evaluation").glob(".*.lock")), "an evaluation")


HOLDS_UP = (in_mid_fit, while_evaluating)


class TestAlone:
    def test_killed_again_and_again(self, place: Workplace, undisturbed: dict) -> None:
        moments = [after(0.3), while_mlflow_makes_its_database, in_mid_fit]
        go_on_after_kills(place, moments, with_children=False, undisturbed=undisturbed)


class TestWithChildren:
    def test_killed_again_and_again(self, place: Workplace, undisturbed: dict) -> None:
        moments = [after(1.5), while_the_server_starts, while_evaluating]
        go_on_after_kills(place, moments, with_children=True, undisturbed=undisturbed)


def go_on_after_kills(place: Workplace, moments: list[Moment], with_children: bool, undisturbed: dict) -> None:
    """From an empty home: each start is killed at a later moment than the one before, the last one goes through."""
    for moment in moments:
        command = place.start(**(HELD_UP if moment in HOLDS_UP else {}))
        moment(place, command)
        assert command.process.poll() is None
        command.kill(with_children)
        place.assert_empty()
    ended = place.run()
    assert ended.status == 0, ended.said
    assert "fitted before" in ended.out
    assert_same(place.result(), undisturbed)
    assert_recorded(place.home, ["popularity", "mf", "faulty", "random"])
    assert "Running" not in flow_runs(place.home)
    place.assert_empty()


@pytest.mark.soak
@pytest.mark.parametrize("number", range(100))
def test_killed_at_a_random_moment(tmp_path: Path, databases: Path, undisturbed: dict, number: int) -> None:
    """Every other time with its children, every fourth time on an empty home; then the same command again."""
    chance = random.Random(number)
    place = Workplace(tmp_path / "place")
    if number % 4:
        place.seed(databases)
    command = place.start()
    time.sleep(chance.uniform(0.1, 16))
    command.kill(with_children=bool(number % 2))
    place.assert_empty()
    ended = place.run()
    assert ended.status == 0, ended.said
    assert_same(place.result(), undisturbed)
    assert_recorded(place.home, ["popularity", "mf", "faulty", "random"])
    assert set(flow_runs(place.home)) <= {"Completed", "Crashed"}
    place.assert_empty()
    place.assert_kept_here()

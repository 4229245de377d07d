"""Ended at any moment: nothing is left running, and the same command goes on to the same result."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faults.harness import HELD_UP, SPEC, Command, Workplace, assert_recorded, assert_same, flow_runs
from faults.law import assert_lawful, kept_by_mlflow
from faults.points import COMPARE, FLOW_RUN_BEGUN, SIGNALS, ended_at, turn

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
    command.wait_for(lambda: place.stored("fit") and place.fitting(), "a fit beside a finished one")


HOLDS_UP = (in_mid_fit,)


class TestAlone:
    def test_ended_again_and_again(self, place: Workplace, undisturbed: dict, records: dict) -> None:
        moments = [after(0.3), while_mlflow_makes_its_database, in_mid_fit]
        kill_again_and_again(place, moments, with_children=False)
        ended_at(FLOW_RUN_BEGUN, signal.SIGKILL, place, place.start)
        end_again_and_again(place, ["model logged, named by no run"])
        assert_goes_through(place, undisturbed, records)


class TestWithChildren:
    def test_ended_again_and_again(self, place: Workplace, undisturbed: dict, records: dict) -> None:
        kill_again_and_again(place, [after(1.5), while_the_server_starts], with_children=True)
        end_again_and_again(place, ["child closed", "parent about to be closed"])
        assert_goes_through(place, undisturbed, records)


def kill_again_and_again(place: Workplace, moments: list[Moment], with_children: bool) -> None:
    """From an empty home: each start is killed at a later moment than the one before."""
    for moment in moments:
        command = place.start(**(HELD_UP if moment in HOLDS_UP else {}))
        moment(place, command)
        assert command.process.poll() is None
        command.kill(with_children)
        place.assert_empty()


def end_again_and_again(place: Workplace, points: list[str]) -> None:
    """Each start is ended at a later point than the one before, by the signal whose turn it is."""
    for point in points:
        number, with_children = turn(point, COMPARE)
        ended_at(COMPARE[point], number, place, place.start, with_children)


def assert_goes_through(place: Workplace, undisturbed: dict, records: dict) -> None:
    """Fail where the same command does not go on from there to what an undisturbed one leaves."""
    ended = place.run()
    assert ended.status == 0, ended.said
    assert "fitted before" in ended.out
    assert_same(place.result(), undisturbed)
    assert_recorded(place.home, ["popularity", "mf", "faulty", "random"])
    assert set(flow_runs(place.home)) <= {"Completed", "Crashed"}
    assert_lawful(place, records)


SMALL = {**SPEC, "models": ["popularity"]}


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory, databases: Path, server: str
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """What the comparison of SMALL leaves that nothing disturbed, and what MLflow holds of it."""
    place = Workplace(tmp_path_factory.mktemp("small") / "place", SMALL).seed(databases)
    ended = place.run(PREFECT_API_URL=server)
    assert ended.status == 0, ended.said
    return place.result(), kept_by_mlflow(place.home)


@pytest.mark.soak
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("point", COMPARE)
def test_ended_at_each_point(
    place: Workplace, databases: Path, server: str, small: tuple[dict, dict], point: str, number: signal.Signals
) -> None:
    place.write("spec.yaml", SMALL)
    if "mlflow.db" not in point:
        place.seed(databases)
    start = partial(place.start, PREFECT_API_URL=server)
    ended_at(COMPARE[point], number, place, start, with_children=turn(point, COMPARE)[1])
    ended = start().wait()
    assert ended.status == 0, ended.said
    assert_same(place.result(), small[0])
    assert_lawful(place, small[1])


@pytest.mark.soak
@pytest.mark.parametrize("number", range(100))
def test_killed_at_a_random_moment(
    place: Workplace, databases: Path, undisturbed: dict, records: dict, number: int
) -> None:
    """Every other time with its children, every fourth time on an empty home; then the same command again."""
    chance = random.Random(number)
    if number % 4:
        place.seed(databases)
    command = place.start()
    time.sleep(chance.uniform(0.1, 16))
    command.kill(with_children=bool(number % 2))
    place.assert_empty()
    ended = place.run()
    assert ended.status == 0, ended.said
    assert_same(place.result(), undisturbed)
    assert set(flow_runs(place.home)) <= {"Completed", "Crashed"}
    assert_lawful(place, records)

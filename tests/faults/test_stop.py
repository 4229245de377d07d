"""Ctrl-C, TERM and cancellation in mid-fit: a quick and clean end, and the same command goes on."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
from faults.harness import HELD_UP, Command, Workplace, ask, assert_recorded, assert_same, flow_runs, recorded

SECONDS = 15.0
"""A quiet machine takes less than three; this one may be busy with other tests."""


def in_mid_fit(place: Workplace, **env: str) -> Command:
    """A comparison with one model done and another that does not end."""
    command = place.start(**HELD_UP, **env)
    command.wait_for(lambda: place.stored("fit") and place.children(), "a fit beside a finished one")
    return command


def assert_stopped(place: Workplace) -> None:
    """The parent run is KILLED, and nothing is open or running."""
    place.assert_empty()
    runs = recorded(place.home)
    assert {run.status for run in runs if run.is_parent} == {"KILLED"}
    assert "RUNNING" not in {run.status for run in runs}
    assert not place.being_built("fit")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_a_signal_in_mid_fit(place: Workplace, databases: Any, undisturbed: dict, number: int, status: int) -> None:
    place.seed(databases)
    ended = in_mid_fit(place).end(number)
    assert (ended.status, ended.seconds < SECONDS) == (status, True), (ended.status, ended.seconds)
    assert "Traceback" not in ended.said
    assert ended.err.splitlines() == [
        "stopped; what was finished is kept",
        f"go on with: recsys compare spec.yaml --out {place.out}",
    ]
    assert_stopped(place)
    assert flow_runs(place.home) == ["Crashed"]

    ended = place.run()
    assert ended.status == 0, ended.said
    assert "fitted before" in ended.out
    assert_same(place.result(), undisturbed)
    assert_recorded(place.home, ["popularity", "mf", "faulty"])


def test_cancellation_in_the_ui(place: Workplace, databases: Any, server: str) -> None:
    command = in_mid_fit(place.seed(databases), PREFECT_API_URL=server)
    running = ask(f"{server}/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}})
    assert len(running) == 1
    began = time.monotonic()
    ask(f"{server}/flow_runs/{running[0]['id']}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    ended = command.wait(60)
    assert (ended.status, time.monotonic() - began < SECONDS) == (130, True), (ended.status, time.monotonic() - began)
    assert "Traceback" not in ended.said
    assert_stopped(place)
    assert ask(f"{server}/flow_runs/{running[0]['id']}")["state_name"] == "Cancelled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_a_signal_while_everything_starts(place: Workplace, number: int) -> None:
    command = place.start()
    command.wait_for((place.home / "prefect.db").exists, "prefect.db")
    ended = command.end(number)
    assert ended.status in (130, 143)
    assert ended.seconds < SECONDS
    assert "Traceback" not in ended.said
    assert "go on with: recsys compare" in ended.err
    place.assert_empty()

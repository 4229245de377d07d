"""Ctrl-C, TERM and cancellation in mid-fit: a quick and clean end, and the same command goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from faults.harness import (
    HELD_UP,
    Command,
    Ended,
    Workplace,
    ask,
    assert_recorded,
    assert_same,
    environment,
    flow_runs,
    recorded,
)
from faults.points import ended_at

SECONDS = 15.0
"""A quiet machine takes less than three; this one may be busy with other tests."""


def in_mid_fit(place: Workplace, **env: str) -> Command:
    """A comparison with one model done and another that does not end."""
    command = place.start(**HELD_UP, **env)
    command.wait_for(lambda: place.stored("fit") and place.fitting(), "a fit beside a finished one")
    return command


def assert_said(ended: Ended, place: Workplace, status: int) -> None:
    """It ended soon, with two lines and this status."""
    assert (ended.status, ended.seconds < SECONDS) == (status, True), (ended.status, ended.seconds)
    assert "Traceback" not in ended.said
    assert ended.err.splitlines() == [
        "stopped; what was finished is kept",
        f"go on with: recsys compare spec.yaml --out {place.out}",
    ]


def assert_stopped(place: Workplace) -> None:
    """The parent run is KILLED, and nothing is open or running."""
    place.assert_empty()
    runs = recorded(place.home)
    assert {run.status for run in runs if run.is_parent} == {"KILLED"}
    assert "RUNNING" not in {run.status for run in runs}
    assert not place.being_built("fit")


def test_ctrl_c_in_mid_fit(place: Workplace, databases: Any, server: str, undisturbed: dict) -> None:
    ended = in_mid_fit(place.seed(databases)).end(signal.SIGINT)
    assert_said(ended, place, 130)
    assert_stopped(place)
    assert flow_runs(place.home) == ["Crashed"]

    ended = place.run(PREFECT_API_URL=server)
    assert ended.status == 0, ended.said
    assert "fitted before" in ended.out
    assert_same(place.result(), undisturbed)
    assert_recorded(place.home, ["popularity", "mf", "faulty", "random"])


def test_term_in_mid_fit(place: Workplace, databases: Any, server: str) -> None:
    ended = in_mid_fit(place.seed(databases), PREFECT_API_URL=server).end(signal.SIGTERM)
    assert_said(ended, place, 143)
    assert_stopped(place)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_while_mlflow_makes_its_run(place: Workplace, databases: Any, server: str, number: signal.Signals) -> None:
    start = partial(place.seed(databases).start, PREFECT_API_URL=server)
    for makes_or_opens_again in ("create_run", "update_run"):
        ended = ended_at(f"after mlflow.tracking.client MlflowClient.{makes_or_opens_again}", number, place, start)
        assert ended is not None
        assert ended.status == 128 + number
        assert_stopped(place)


SWALLOWS = """
import os, sys, time
from flows import interrupts
interrupts.PATIENCE_SECONDS = 1.0
with interrupts.heard(lambda error: os._exit(7 if type(error) is KeyboardInterrupt else 8)):
    while True:
        try:
            print("ready", flush=True)
            time.sleep(600)
        except BaseException:
            pass
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 7), (signal.SIGTERM, 8)])
def test_it_ends_in_time_whatever_becomes_of_the_signal(tmp_path: Path, number: int, status: int) -> None:
    handled = "from flows.command import Speech, command\nwith command(Speech()):\n" + indent(SWALLOWS, "    ")
    with subprocess.Popen(
        [sys.executable, "-c", handled], env=environment(tmp_path), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(SECONDS) == status


def test_cancellation_in_the_ui(place: Workplace, databases: Any, server: str) -> None:
    command = in_mid_fit(place.seed(databases), PREFECT_API_URL=server)
    (flow_run,) = [path.stem for path in (place.home / "flow-runs").iterdir()]
    began = time.monotonic()
    ask(f"{server}/flow_runs/{flow_run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    ended = command.wait(60)
    assert (ended.status, time.monotonic() - began < SECONDS) == (130, True), (ended.status, time.monotonic() - began)
    assert "Traceback" not in ended.said
    assert_stopped(place)
    assert ask(f"{server}/flow_runs/{flow_run}")["state_name"] == "Cancelled"


def test_term_while_everything_starts(place: Workplace) -> None:
    command = place.start()
    command.wait_for((place.home / "prefect.db").exists, "prefect.db")
    assert_said(command.end(signal.SIGTERM), place, 143)
    place.assert_empty()

"""A clock that is set: what lives, and in which order it was decided, is not judged by it."""

from __future__ import annotations

import ast
import datetime as dt
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import time_machine

from flows.commands.retrain import time_of
from flows.deployments import NIGHTLY
from recsys.processes import is_alive, started
from tasks.night import time_of_decision

ROOT = Path(__file__).resolve().parents[2]
NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
# Who may ask the wall clock, and for what: times that people read, and ages of what lies outside this process.
READERS = {
    "flows/commands/gc.py": "when a folder was used last",
    "recsys/experiment/remote_node.py": "when a folder of scratch was written last",
    "recsys/serving/about.py": "when a bundle was made",
    "recsys/serving/allow.py": "how old an item is",
    "recsys/serving/publish.py": "when lists were published",
    "recsys/serving/state.py": "since when a model serves",
    "recsys/tracking/runs.py": "when a metric was logged",
    "tasks/night.py": "when a decision was made, never before the one before",
    "tasks/notice.py": "when somebody was told",
    "tasks/recorder.py": "since when MLflow is away",
    "tasks/retraining.py": "how old the newest row is",
    "tasks/settling.py": "how long ago things were, on a page",
}


def test_no_other_code_asks_the_clock() -> None:
    """Durations, deadlines and limits come from clocks that nobody sets."""
    found = set()
    for path in (path for top in ("recsys", "tasks", "flows") for path in (ROOT / top).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in (
                "time.time",
                "datetime.now",
                "dt.datetime.now",
            ):
                found.add(str(path.relative_to(ROOT)))
    assert found - READERS.keys() == set()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel does not tell when a process began")
def test_a_process_lives_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    began, real = started(), psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: real(process) + 3600)
    assert started() == started(os.getpid()) == began
    assert is_alive(os.getpid(), began)
    assert not is_alive(os.getpid(), began - 100)
    with pytest.raises(psutil.NoSuchProcess):
        started(2**22 + 1)


@pytest.mark.parametrize("hours", [-24, 0, 24])
def test_a_decision_comes_after_the_one_before(hours: int) -> None:
    """Their order is that of their times, and the last one is the one that is carried out after a kill."""
    past: Any = [SimpleNamespace(record=SimpleNamespace(time=NOON))]
    with time_machine.travel(NOON + dt.timedelta(hours=hours), tick=False):
        assert time_of_decision([]) == NOON + dt.timedelta(hours=hours)
        assert time_of_decision(past) == max(NOON + dt.timedelta(hours=hours), NOON + dt.timedelta(microseconds=1))


def test_a_time_in_the_hour_that_the_summer_skips_or_repeats() -> None:
    """No zone is guessed: it is UTC, which has no such hours."""
    for text in ("2024-03-31T02:30", "2024-10-27T02:30"):
        found = time_of(text)
        assert found is not None
        assert found.replace(tzinfo=dt.UTC).isoformat() == f"{text}:00+00:00"


@pytest.mark.parametrize("day", ["2026-03-27", "2026-10-23"])
def test_the_nightly_schedule_runs_once_a_day(day: str) -> None:
    """Also on the days that have 23 and 25 hours."""
    import asyncio

    from prefect.client.schemas.schedules import CronSchedule as Client
    from prefect.server.schemas.schedules import CronSchedule

    schedule = CronSchedule(**Client(**NIGHTLY).model_dump())
    start = dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
    found = asyncio.run(schedule.get_dates(n=4, start=start))
    assert [date.hour for date in found] == [3] * 4
    assert len({date.date() for date in found}) == 4
    assert [(date - start).days for date in found] == [0, 1, 2, 3]

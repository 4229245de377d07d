"""Which process does which flow run, so that the run of a killed one does not stay Running for ever."""

from __future__ import annotations

import contextlib
import json
import math
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil

from recsys.processes import is_alive, started
from recsys.settings import Settings

OPEN = ("RUNNING", "PENDING", "CANCELLING")
CRASHED = {"type": "CRASHED", "name": "Crashed", "message": "The process of this run has ended."}


_called: ContextVar[Path | None] = ContextVar("called", default=None)


@contextlib.contextmanager
def called(settings: Settings) -> Iterator[None]:
    """A note that this process is about to have a flow run, until `remembered` makes one of that run."""
    note = _folder(settings) / f"{uuid4()}.call"
    _write(note)
    token = _called.set(note)
    try:
        yield
    finally:
        _called.reset(token)
        note.unlink(missing_ok=True)


@contextlib.contextmanager
def remembered(flow_run: UUID, settings: Settings) -> Iterator[None]:
    """A note that this process does the run; it stays where that ends otherwise than well, for `mark_killed`."""
    note = _folder(settings) / f"{flow_run}.json"
    _write(note)
    call_note = _called.get()
    if call_note is not None:
        call_note.unlink(missing_ok=True)
    yield
    note.unlink(missing_ok=True)


def oldest_at_work(settings: Settings) -> float:
    """When the oldest process that does a flow run of this home was started, in seconds since 1970; infinity where none
    does one."""
    return min((_since(note) for note in _folder(settings).glob("*.json")), default=math.inf)


def _since(note: Path) -> float:
    with contextlib.suppress(FileNotFoundError, psutil.Error):  # it ended meanwhile
        written = note.stat().st_mtime
        try:
            process, began = json.loads(note.read_text())
        except (ValueError, TypeError):  # being written, or a kill while it was
            return written
        if is_alive(int(process), float(began)):
            return min(written, psutil.Process(int(process)).create_time())  # the clock may have been set since
    return math.inf


def mark_killed(api: str, settings: Settings) -> None:
    """Mark Crashed the flow runs whose process is gone and that are still open; notes stay where this API does not know
    the run, or does not answer."""
    for note in _folder(settings).glob("*.json"):
        if _lives(note):
            continue
        run = call(f"{api}/flow_runs/{note.stem}")
        if run is not None and (run.get("state_type") not in OPEN or mark(api, run["id"])):
            note.unlink(missing_ok=True)


def mark_just_begun(api: str, settings: Settings) -> None:
    """Mark Crashed the flow runs that a process had just begun when it was killed: open ones that no note names.

    api: this home's own, where nobody else has runs. While another process is about to have one, or where the API does
    not answer, they are left for the next time.
    """
    calls = list(_folder(settings).glob("*.call"))
    if not calls:
        return
    question = {"flow_runs": {"state": {"type": {"any_": OPEN}}, "deployment_id": {"is_null_": True}}}
    found = call(f"{api}/flow_runs/filter", question)
    if found is None or any(_lives(note) for note in _folder(settings).glob("*.call")):
        return
    noted = {note.stem for note in _folder(settings).glob("*.json")}
    if all(mark(api, run["id"]) for run in found if run["id"] not in noted):
        for note in calls:
            note.unlink(missing_ok=True)


def mark_pool_crashed(api: str, pool: str) -> None:
    """Mark Crashed all that an ended worker of this pool left running."""
    question = {"flow_runs": {"state": {"type": {"any_": OPEN}}}, "work_pools": {"name": {"any_": [pool]}}}
    for run in call(f"{api}/flow_runs/filter", question) or []:
        mark(api, run["id"])


def mark(api: str, flow_run: str) -> bool:
    """Mark one flow run Crashed; whether the API answered."""
    return call(f"{api}/flow_runs/{flow_run}/set_state", {"state": CRASHED, "force": True}) is not None


def call(url: str, question: dict[str, Any] | None = None) -> Any:
    """The answer of Prefect's API, to a POST where there is a question; None where there is none."""
    body = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return None


def _write(note: Path) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps([os.getpid(), started()]))


def _lives(note: Path) -> bool:
    """Whether the process of a note does; no for one that a kill has left half written."""
    try:
        process, began = json.loads(note.read_text())
    except (OSError, ValueError, TypeError):
        return False
    return is_alive(int(process), float(began))


def _folder(settings: Settings) -> Path:
    return settings.root / "flow-runs"

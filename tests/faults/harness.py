"""Start `recsys` as people do, look at everything it starts, and end it in every way there is."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import yaml

from recsys.comparison.leaderboard import MEASURED
from recsys.experiment import child

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = Path(__file__).with_name("plugin")
RECSYS = Path(sys.executable).with_name("recsys")
PATIENCE = 240.0
"""Seconds that a test waits for what a quiet machine does in ten."""

WORLD = {"source": "synthetic", "users": 200, "items": 100, "interactions": 5000}
HELD_UP = {"FAULTY_WAITS_FOR": "/for/ever"}
"""An environment in which the model `faulty` does not finish."""
SPEC: dict[str, Any] = {
    "name": "faults",
    "data": WORLD,
    "models": ["popularity", {"name": "mf", "epochs": 10}, "faulty"],
    "evaluation": {"metrics": ["ndcg", "recall"], "k": [5, 10]},
}


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a process of a test sees: its home, this very tree, the plugin, and nobody's servers."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "MLFLOW_", "RECSYS_", "COV_"))
    }
    path = f"{RECSYS.parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "RECSYS_HOME": str(home), "PYTHONPATH": f"{ROOT}:{PLUGIN}", "PATH": path, **more}


@dataclass(frozen=True)
class Ended:
    """How a command ended, what it said, and how long it took."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        return self.out + self.err


class Command:
    """A command that is running."""

    def __init__(self, place: Workplace, arguments: tuple[str, ...], env: Mapping[str, str]) -> None:
        self.place = place
        number = len(list(place.folder.glob(".*.out")))
        self._files = [place.folder / f".{number}.{stream}" for stream in ("out", "err")]
        with self._files[0].open("wb") as out, self._files[1].open("wb") as err:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                [str(RECSYS), *arguments],
                cwd=place.folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self._files[0].read_text()

    @property
    def err(self) -> str:
        return self._files[1].read_text()

    def wait(self, seconds: float = PATIENCE) -> Ended:
        """How it ended; fails the test where it does not."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(with_children=True)
            raise AssertionError(f"still running after {seconds:g} s\n{self.out}\n{self.err}") from None
        return Ended(status, self.out, self.err, time.monotonic() - self.began)

    def wait_for(self, happens: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait for something to happen while it runs; fails the test where it ends before."""
        deadline = time.monotonic() + seconds
        while not happens():
            if self.process.poll() is not None:
                if happens():
                    return
                raise AssertionError(f"ended with {self.process.returncode} before {what}\n{self.out}\n{self.err}")
            assert time.monotonic() < deadline, f"no {what} within {seconds:g} s\n{self.out}\n{self.err}"
            time.sleep(0.01)

    def kill(self, with_children: bool) -> None:
        """SIGKILL it: alone, or at once with everything it started."""
        doomed = [self.process.pid]
        if with_children:
            doomed += [process.pid for process in self.place.processes()]
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def wait_until_held(self) -> None:
        """Wait until it stands at the moment that FAULTS_HOLD names."""
        held = self.place.home / "held"
        self.wait_for(held.exists, "the moment to hold at")
        held.unlink()

    def end(self, number: int, seconds: float = 60.0, thread: int | None = None) -> Ended:
        """Send a signal, to one thread where that is named, and wait; `seconds` of the answer counts from the
        signal."""
        began = time.monotonic()
        if thread is None:
            self.process.send_signal(number)
        else:
            ctypes.CDLL(None).tgkill(self.process.pid, thread, int(number))
        ended = self.wait(seconds)
        return Ended(ended.status, ended.out, ended.err, time.monotonic() - began)


class Workplace:
    """A folder with a spec, and a home of its own below it."""

    def __init__(self, folder: Path, spec: Mapping[str, Any] | None = None, home: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.home = folder, home or folder / "home"
        self.out = folder / "result"
        self.write("spec.yaml", spec or SPEC)

    def write(self, name: str, spec: Mapping[str, Any]) -> Path:
        """Write a spec into the folder."""
        path = self.folder / name
        path.write_text(yaml.safe_dump(dict(spec), sort_keys=False))
        return path

    def seed(self, template: Path) -> Workplace:
        """Begin with the databases of another home, which take most of the seconds of a first start."""
        self.home.mkdir(parents=True, exist_ok=True)
        for file in template.glob("*.db*"):
            shutil.copy2(file, self.home / file.name)
        return self

    def plant(self) -> Workplace:
        """Put files into the working folder that are named as libraries are, for `sprouted`."""
        for name in ("http", "json", "zipfile", "numpy"):
            code = "from pathlib import Path\nPath(__file__ + '.run').touch()\nraise ImportError('planted')\n"
            (self.folder / f"{name}.py").write_text(code)
        return self

    def sprouted(self) -> list[str]:
        """The planted files that some process took for a library."""
        return [path.name for path in self.folder.glob("*.run")]

    def start(self, *arguments: str, **env: str) -> Command:
        """Start `recsys ARGUMENTS`; without any, the comparison of the spec."""
        arguments = arguments or ("compare", "spec.yaml", "--out", str(self.out))
        (self.home / "held").unlink(missing_ok=True)  # two threads may have come to where the last one was ended
        return Command(self, arguments, environment(self.home, **env))

    def run(self, *arguments: str, **env: str) -> Ended:
        """Run it to its end."""
        return self.start(*arguments, **env).wait()

    def processes(self) -> list[psutil.Process]:
        """Every living process that knows this home, whoever started it."""
        mark = f"RECSYS_HOME={self.home}".encode()
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                    found.append(process)
        return found

    def children(self) -> list[psutil.Process]:
        """The processes in which models are being fitted."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if process.name() == child.NAME:
                    found.append(process)
        return found

    def fitting(self) -> list[psutil.Process]:
        """The same, once MLflow has the run of one: fits may begin before."""
        runs = recorded(self.home) if (self.home / "mlflow.db").exists() else []
        known = any(run.status == "RUNNING" and not run.is_parent for run in runs)
        return self.children() if known else []

    def assert_empty(self, seconds: float = 10.0) -> float:
        """Fail where a process of this home is left after so many seconds; how long the last one took."""
        began = time.monotonic()
        while left := self.processes():
            if time.monotonic() - began > seconds:
                raise AssertionError(f"left after {seconds:g} s: {[_words(process) for process in left]}")
            time.sleep(0.05)
        return time.monotonic() - began

    def assert_kept_here(self) -> None:
        """Fail where one of its processes looked for another machine."""
        outgoing = self.home / "outgoing.log"
        assert not outgoing.exists(), outgoing.read_text()

    def stored(self, stage: str) -> list[Path]:
        """The complete folders of a stage."""
        folder = self.home / "store" / stage
        return [path for path in folder.glob("*") if path.is_dir() and path.name[0] != "."] if folder.is_dir() else []

    def being_built(self, stage: str) -> list[Path]:
        """The folders of a stage that are being filled."""
        return list((self.home / "store" / stage).glob(".*.tmp"))

    def result(self, folder: Path | None = None) -> dict[str, pd.DataFrame]:
        """What a comparison left, without the columns that are measured."""
        return result_of(folder or self.out)


@dataclass(frozen=True)
class Recorded:
    """A run as MLflow's database holds it."""

    run_id: str
    name: str
    status: str
    active: bool
    tags: dict[str, str]

    @property
    def is_parent(self) -> bool:
        return self.tags.get("role") in ("comparison", "retraining")


def recorded(home: Path) -> list[Recorded]:
    """All runs in a home's mlflow.db, oldest first."""
    with contextlib.closing(sqlite3.connect(f"file:{home / 'mlflow.db'}?mode=rw", uri=True)) as database:
        runs = database.execute(
            "SELECT run_uuid, name, status, lifecycle_stage FROM runs ORDER BY start_time"
        ).fetchall()
        tags: dict[str, dict[str, str]] = {}
        for run_id, key, value in database.execute("SELECT run_uuid, key, value FROM tags"):
            tags.setdefault(run_id, {})[key] = value
    return [
        Recorded(run_id, name, status, stage == "active", tags.get(run_id, {})) for run_id, name, status, stage in runs
    ]


def assert_recorded(home: Path, labels: Sequence[str]) -> None:
    """Fail where the home does not hold one finished parent and one finished child a label, and nothing else."""
    active = [run for run in recorded(home) if run.active]
    parents = [run for run in active if run.is_parent]
    assert [run.status for run in active] == ["FINISHED"] * len(active), active
    assert len(parents) == 1, parents
    children = [run for run in active if not run.is_parent]
    assert sorted(run.tags["label"] for run in children) == sorted(labels)
    assert {run.tags["mlflow.parentRunId"] for run in children} == {parents[0].run_id}


def flow_runs(home: Path) -> list[str]:
    """The states of all flow runs in a home's prefect.db, oldest first."""
    with contextlib.closing(sqlite3.connect(f"file:{home / 'prefect.db'}?mode=rw", uri=True)) as database:
        return [state for (state,) in database.execute("SELECT state_name FROM flow_run ORDER BY created")]


def ask(url: str, question: Any = None) -> Any:
    """The answer of a server in JSON, to a POST where there is a question. Raises RuntimeError with what it refuses."""
    body = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    for _ in range(20):
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code != 503:  # Prefect says so while its database is being written
                raise RuntimeError(error.read().decode()) from error
        time.sleep(0.5)
    raise RuntimeError(f"{url} is not available")


def result_of(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a comparison, without the columns that are measured."""
    board = pd.read_csv(folder / "leaderboard.csv")
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("recommendations", "per_user")}
    return {"leaderboard": board.drop(columns=[name for name in MEASURED if name in board]), **tables}


def assert_same(one: Mapping[str, pd.DataFrame], other: Mapping[str, pd.DataFrame]) -> None:
    """Fail where two results differ in any cell."""
    for name, table in other.items():
        pd.testing.assert_frame_equal(one[name], table, check_exact=True, obj=name)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _words(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {process.status()} {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return str(process.pid)

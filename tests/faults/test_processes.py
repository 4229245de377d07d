"""Processes on a leash: they end with whoever started them, whatever they are doing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from faults.harness import environment

from recsys.processes import end, end_orphans, is_alive, peak_memory, python, start_leashed, started

SECONDS = 20.0

PARENT = """
import sys, time
from pathlib import Path
from recsys.processes import start_leashed
child = start_leashed([sys.executable, "-c", sys.argv[1]], Path(sys.argv[2]))
print(child.pid, flush=True)
time.sleep(600)
"""
LEASHED = "from recsys.processes import end_with_parent; end_with_parent(); "
ENDS_WITH_7 = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
time.sleep(600)
"""
DEEDS = {
    "sleeps": "import time; time.sleep(600)",
    "never lets another thread run": "3 ** 10 ** 9",
    "ignores TERM": "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
    "has a child": "import subprocess; subprocess.run(['sleep', '600'])",
}


def gone(pid: int) -> bool:
    """Whether the process ended, within some seconds."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_it_ends_when_its_parent_is_killed(tmp_path: Path, deed: str) -> None:
    command = [sys.executable, "-c", PARENT, LEASHED + deed, str(tmp_path)]
    with subprocess.Popen(command, env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.5)
        assert psutil.pid_exists(child)
        below = psutil.Process(child).children()
        parent.kill()
        parent.wait()
        assert gone(child)
        assert all(gone(process.pid) for process in below)


def test_ending_one_ends_all_it_started(tmp_path: Path) -> None:
    process = start_leashed([sys.executable, "-c", LEASHED + DEEDS["has a child"]], tmp_path)
    while not psutil.Process(process.pid).children():
        time.sleep(0.05)
    below = psutil.Process(process.pid).children()
    assert list(tmp_path.iterdir())
    end(process, tmp_path)
    assert process.returncode == -signal.SIGKILL
    assert all(gone(each.pid) for each in below)
    assert not list(tmp_path.iterdir())


def test_patience_lets_it_finish(tmp_path: Path) -> None:
    process = start_leashed([sys.executable, "-c", ENDS_WITH_7], tmp_path, output=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    end(process, tmp_path, patience=SECONDS)
    assert process.returncode == 7


def test_orphans_are_ended_by_the_next_start(tmp_path: Path) -> None:
    nobody = [2**22 + 1, 0.0]
    orphan, stranger, minded = (subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(3))
    try:
        _note(tmp_path, [orphan.pid, started(orphan.pid)], nobody)
        # The id was given to another process since.
        _note(tmp_path, [stranger.pid, started(stranger.pid) - 100], nobody)
        _note(tmp_path, [minded.pid, started(minded.pid)], [os.getpid(), started()])
        (tmp_path / "half.json").write_text('{"process"')
        (tmp_path / "other.json").write_text('[{"process": 1}]')
        assert end_orphans(tmp_path) == [orphan.pid]
        assert gone(orphan.pid)
        assert stranger.poll() is None
        assert minded.poll() is None
        assert {path.stem for path in tmp_path.iterdir()} == {str(minded.pid), "half", "other"}
    finally:
        for process in (orphan, stranger, minded):
            process.kill()
            process.wait()


def _note(records: Path, process: list[float], parent: list[float]) -> None:
    (records / f"{process[0]}.json").write_text(json.dumps({"process": process, "parent": parent}))


def test_a_zombie_is_not_alive() -> None:
    process = subprocess.Popen(["true"])
    began = started(process.pid)
    assert gone(process.pid)
    assert not is_alive(process.pid, began)
    process.wait()
    assert not is_alive(process.pid, began)


def test_peak_memory_is_that_of_one_process() -> None:
    code = "from recsys.processes import peak_memory; print(peak_memory())"
    ballast = bytearray(200_000_000)
    before = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert before < 100_000_000 < len(ballast) < peak_memory()


RUN_OF_A_WORKER = """
import time
from flows.watch import end_with_worker
end_with_worker()
print("ready", flush=True)
for _ in range(6000):
    try:
        time.sleep(0.1)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
WORKER = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True).wait()"


@pytest.mark.parametrize("killed", ["the worker", "its leash", "whoever started both"])
def test_a_flow_run_ends_with_its_worker(tmp_path: Path, killed: str) -> None:
    """It has a session of its own and holds no pipe of ours."""
    top = "import sys, time; from pathlib import Path; from recsys.processes import python, start_leashed;"
    top += "start_leashed(python('flows.leashed', *sys.argv[2:]), Path(sys.argv[1]), output=None); time.sleep(600)"
    worker = [sys.executable, "-c", WORKER, RUN_OF_A_WORKER]
    with subprocess.Popen(
        [sys.executable, "-c", top, str(tmp_path), *worker],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (leash,) = psutil.Process(process.pid).children()
        (middle,) = leash.children()
        (run,) = middle.children()
        {"the worker": middle, "its leash": leash, "whoever started both": psutil.Process(process.pid)}[killed].kill()
        assert process.stdout.readline() == "interrupted\n"
        assert gone(run.pid)
        process.kill()


def test_a_leash_hands_on_term_and_the_status(tmp_path: Path) -> None:
    command = python("flows.leashed", sys.executable, "-c", ENDS_WITH_7)
    process = start_leashed(command, tmp_path, output=subprocess.PIPE, env=environment(tmp_path))
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    assert process.wait(SECONDS) == 7

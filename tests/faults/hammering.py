"""Eight processes at once on one home, one of them killed now and then; run as a program by test_hammer.py.

    python hammering.py store|registry HOME SECONDS

What each does it notes in HOME/notes, a line at a time. Ends with status 1 where one of them fails.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from recsys.tracking.registry import Version
    from tasks.night import Office

WORKERS = 8
KILL_EVERY = 0.8
"""Seconds between two kills."""

SHARED, CALM = ("worn-1", "worn-2"), ("calm-1", "calm-2", "calm-3")
"""Keys that all work on; the files of the calm ones are left alone."""
NAME = "hammered"

Work = Callable[[Path, random.Random], None]


def note(home: Path, *words: object) -> None:
    """One line, whole whatever the others write."""
    with (home / "notes").open("ab", buffering=0) as file:
        file.write(" ".join(map(str, words)).encode() + b"\n")


def use_store(home: Path, chance: random.Random) -> None:
    """Produce a folder, its own or one of all; or damage one of all."""
    from recsys.store import Store

    key = chance.choice([*SHARED, *CALM, f"own-{uuid4().hex}"])

    def build(folder: Path) -> None:
        note(home, "begun", key)
        (folder / "first").write_text(key * 500)
        time.sleep(0.005)
        (folder / "second").mkdir()
        (folder / "second/file").write_text(key)

    if key in SHARED and chance.random() < 0.3:
        note(home, "damaged", key)
        try:
            with (home / "store/stage" / key / "first").open("r+") as file:
                file.truncate(7)
        except FileNotFoundError:  # somebody is making it
            pass
    else:
        ref = Store(home / "store").produce("stage", key, build)
        note(home, "found" if ref.cached else "made", key, ref.digest)


def use_registry(home: Path, chance: random.Random) -> None:
    """Register a version, promote one, or go back to the one before."""
    from recsys.errors import InputError
    from tasks.context import Reporter
    from tasks.promoting import by_hand, previous_version

    office = office_of(home)
    deed = chance.choice(("register", "promote", "promote", "rolled back"))
    try:
        if deed == "register":
            version = register(office, home / "served").number
        elif deed == "promote":
            version = chance.choice(office.registry.versions(NAME)).number
            by_hand(office, NAME, version, "somebody", "chance", Reporter())
        else:
            version = previous_version(office, NAME)
            by_hand(office, NAME, version, "somebody", "chance", Reporter(), verdict="rolled back")
    except InputError as refused:
        note(home, "refused", deed, refused)
    else:
        note(home, deed, version)


@cache
def office_of(home: Path) -> Office:
    """MLflow of this home, connected to once."""
    from recsys.settings import Settings
    from tasks.night import Office

    return Office(Settings(home=home))


def register(office: Office, served: Path) -> Version:
    """A new version with these files, as a retraining makes one."""
    key = uuid4().hex
    run = office.tracker.open_parent(NAME, key, {}, {})

    def log() -> str:
        return office.tracker.log_model(run, run.run_id, "popularity", served, {})

    version = office.registry.register(NAME, key, run.run_id, log, {"label": "popularity"})
    office.tracker.close(run.run_id, "FINISHED")
    return version


def worker(work: Work, home: Path, seed: int, until: float) -> int:
    """A process that works until then; its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        chance = random.Random(seed)
        while time.monotonic() < until:
            work(home, chance)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def name_own_files(copy: Path, home: Path) -> None:
    """Have MLflow's records of a copied home name files of the copy."""
    with contextlib.closing(sqlite3.connect(copy / "mlflow.db")) as connection, connection:
        asked = "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)"
        connection.execute(asked, (str(home), str(copy)))


def main(kind: str, home: Path, seconds: float) -> int:
    """Start all, kill one now and then and start another, and wait for the last ones."""
    work: Work = {"store": use_store, "registry": use_registry}[kind]
    # What takes long the first time is done once for all of them, on a copy: no process may share a connection.
    with TemporaryDirectory() as folder:
        copy = shutil.copytree(home, Path(folder) / "home")
        if (copy / "mlflow.db").exists():
            name_own_files(copy, home)
        for number in range(2):
            work(copy, random.Random(number))
    chance, until = random.Random(1), time.monotonic() + seconds
    running = [worker(work, home, number, until) for number in range(WORKERS)]
    number, failed = WORKERS, 0
    while time.monotonic() < until - KILL_EVERY:
        time.sleep(KILL_EVERY)
        doomed = running.pop(chance.randrange(len(running)))
        os.kill(doomed, signal.SIGKILL)
        _, status = os.waitpid(doomed, 0)
        failed += status not in (0, signal.SIGKILL)
        note(home, "killed", doomed)
        running.append(worker(work, home, number, until))
        number += 1
    failed += sum(os.waitpid(pid, 0)[1] != 0 for pid in running)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))

"""`recsys gc` takes what nobody needs, and never what somebody is using."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from flows.command import Speech
from flows.commands.gc import run
from recsys.processes import started
from recsys.settings import Settings
from recsys.store import Ref, Store

DAY = 86_400


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home / "store")


@pytest.fixture
def collect(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `recsys gc --days …`; what it removed."""

    def collected(days: float = 0, dry_run: bool = False) -> list[str]:
        run(days, dry_run, Speech(quiet=True, json=True))
        return list(json.loads(capsys.readouterr().out)["removed"])

    return collected


def made(store: Store, key: str, days_ago: float = 0, stage: str = "fit") -> Ref:
    """A stored folder that was used last so long ago."""
    ref = store.produce(stage, key, lambda folder: (folder / "file").write_text(key * 100))
    then = time.time() - days_ago * DAY
    os.utime(ref.folder / "store.json", (then, then))
    return ref


def begin(home: Path, process: int, began: float) -> Path:
    """The note of a flow run that this process does."""
    note = home / "flow-runs" / f"{process}.json"
    note.parent.mkdir(exist_ok=True)
    note.write_text(json.dumps([process, began]))
    return note


def test_what_was_not_used_for_so_long(home: Path, store: Store, collect: Any) -> None:
    old, new = made(store, "old", days_ago=40), made(store, "new", days_ago=20)
    for name, days in (("old.log", 40), ("new.log", 20)):
        (home / "logs").mkdir(exist_ok=True)
        (home / "logs" / name).touch()
        os.utime(home / "logs" / name, (0, time.time() - days * DAY))
    assert collect(30, dry_run=True) == ["logs/old.log", "store/fit/old"]
    assert old.folder.is_dir()
    assert collect(30) == ["logs/old.log", "store/fit/old"]
    assert [old.folder.exists(), new.folder.exists()] == [False, True]
    assert collect(0) == ["logs/new.log", "store/fit/new"]


def test_reading_is_using(store: Store, collect: Any) -> None:
    made(store, "read", days_ago=40)
    assert store.get("fit", "read") is not None
    assert collect(30) == []


def test_what_a_run_at_work_has_used_stays(home: Path, store: Store, collect: Any) -> None:
    """Also between two of its steps, when it holds no lock: it will read it again."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        made(store, "earlier", days_ago=1)
        used = made(store, "used")
        begin(home, process.pid, started(process.pid))
        assert collect(0) == ["store/fit/earlier"]
        process.kill()
        process.wait()
    assert used.folder.is_dir()
    assert collect(0) == ["store/fit/used"]


def test_a_note_cut_short_counts_from_its_own_time(home: Path, store: Store, collect: Any) -> None:
    made(store, "earlier", days_ago=1)
    begin(home, 1, 0).write_text("[12")
    made(store, "used")
    assert collect(0) == ["store/fit/earlier"]


def test_what_is_being_filled_stays(store: Store, collect: Any) -> None:
    seen = []

    def build(folder: Path) -> None:
        os.utime(folder, (0, 0))
        seen.extend(collect(0))
        (folder / "file").write_text("1")

    assert store.produce("fit", "k", build).folder.is_dir()
    assert seen == []


def test_scratch_is_empty_in_use_and_then_gone(store: Store, collect: Any) -> None:
    (store.root / "scratch/.k.scratch.tmp/of a kill").mkdir(parents=True)
    with store.scratch("k") as folder:
        assert list(folder.iterdir()) == []
        (folder / "file").touch()
        assert collect(0) == []
        assert (folder / "file").exists()
    assert not folder.exists()


@pytest.mark.parametrize("name", [".k.0123abcd.tmp", ".k.gone.tmp", ".k.scratch.tmp"])
def test_what_a_kill_left_is_removed_at_once(store: Store, collect: Any, name: str) -> None:
    made(store, "k")
    left = store.root / "fit" / name
    left.mkdir()
    (left / "half").write_text("x")
    with FileLock(store.root / "fit/.k.lock"):
        assert collect(30) == []
    assert collect(30) == [f"store/fit/{name}"]
    assert not left.exists()
    assert store.get("fit", "k") is not None


def test_ended_while_it_removes(store: Store, collect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is absent, not half there, and the next one removes the rest."""
    made(store, "a", days_ago=40)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", ended)
        with pytest.raises(KeyboardInterrupt):
            collect(30)
    assert store.get("fit", "a") is None
    assert collect(30) == ["store/fit/.a.gone.tmp"]
    assert [path.name for path in (store.root / "fit").iterdir()] == [".a.lock"]


def ended(folder: Path) -> None:
    raise KeyboardInterrupt


def test_a_checkpoint_goes_with_its_fit(home: Path, collect: Any) -> None:
    checkpoint = home / "checkpoints/k"
    checkpoint.mkdir(parents=True)
    os.utime(checkpoint, (0, 0))
    with FileLock(home / "store/fit/.k.lock"):
        assert collect(0) == []
    assert collect(0) == ["checkpoints/k"]


def test_an_empty_home(home: Path, collect: Any) -> None:
    assert collect(0) == []
    assert Settings().root == home

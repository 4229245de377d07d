"""A disk that is full or may only be read: each write says so in one message, and leaves what was there before."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recsys.comparison.result import copy_into, require_writable
from recsys.data.download import download
from recsys.errors import ExpectedError, InputError, RunError
from recsys.serving.publish import target_of
from recsys.settings import Settings
from recsys.store import Store
from recsys.tracking.entities import TrackingError
from recsys.tracking.runs import Tracker

FULL = OSError(errno.ENOSPC, "No space left on device")


def full(*args: Any, **more: Any) -> Any:
    raise FULL


@pytest.mark.parametrize("stage", ["dataset", "split", "fit", "evaluation", "comparison", "report"])
def test_full_while_a_stage_is_made(tmp_path: Path, stage: str) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("half")
        full()

    store = Store(tmp_path)
    with pytest.raises(RunError, match="free some space; what is finished stays"):
        store.produce(stage, "k", build)
    assert [path.name for path in (tmp_path / stage).iterdir() if path.suffix != ".lock"] == []
    assert store.produce(stage, "k", lambda folder: None).cached is False


def test_full_while_results_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of before is whole."""
    (tmp_path / "new").mkdir()
    for name, text in (("new/leaderboard.csv", "new"), ("leaderboard.csv", "old")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(RunError, match="free some space; what is finished stays"):
        copy_into([tmp_path / "new/leaderboard.csv"], tmp_path)
    assert (tmp_path / "leaderboard.csv").read_text() == "old"


def test_full_where_mlflow_keeps_artifacts(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As of any other trouble of MLflow: a comparison goes on without it, and is logged later."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    tracker = Tracker(Settings())
    monkeypatch.setattr(tracker.client, "log_artifacts", full)
    with pytest.raises(TrackingError, match="No space left on device"):
        tracker.log_files("1", tmp_path)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A disk that may only be read."""
    disk = tmp_path / "read-only"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def refused(error: ExpectedError | OSError, place: Path) -> bool:
    return isinstance(error, InputError) and str(place) in str(error)


def test_read_only(read_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results, the store of a home, a folder of published lists: refused with the place, before any work."""
    with pytest.raises(InputError) as results:
        require_writable(read_only / "out")
    assert refused(results.value, read_only)
    with pytest.raises(InputError) as stored:
        Store(read_only / "home" / "store").produce("fit", "k", lambda folder: None)
    assert refused(stored.value, read_only)
    with pytest.raises(InputError) as published:
        target_of(str(read_only / "lists"), Settings()).check(None)  # type: ignore[arg-type]
    assert refused(published.value, read_only)


def test_a_cache_that_may_only_be_read(read_only: Path) -> None:
    """Nothing is fetched where it cannot be kept; what was fetched before is taken from there."""
    settings = Settings(home=read_only, movielens_url="http://127.0.0.1:1")
    archive = settings.cache / "movielens" / "ml.zip"

    def remount(mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", str(read_only)], check=True)

    for is_there in (False, True):  # the folder of archives
        if is_there:
            remount("rw")
            archive.parent.mkdir(parents=True)
            (archive.parent / ".ml.lock").touch()
            remount("ro")
        with pytest.raises(InputError, match=r"cannot be written .*; set RECSYS_HOME elsewhere") as fetched:
            download("ml", "md5:0", settings)
        assert refused(fetched.value, read_only)
    assert [path.name for path in archive.parent.iterdir()] == [".ml.lock"]
    remount("rw")
    archive.write_bytes(b"verified when it came")
    remount("ro")
    assert download("ml", "md5:0", settings).read_bytes() == b"verified when it came"

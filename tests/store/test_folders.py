"""Stored folders are complete or absent, and one key is computed once."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.errors import InputError, RunError
from recsys.store import Store


def write(text: str = "hello"):
    def build(folder: Path) -> None:
        (folder / "a.txt").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text("b")

    return build


def fail(folder: Path) -> None:
    (folder / "a.txt").write_text("half")
    raise ValueError("no")


def test_second_time_is_cached(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.produce("stage", "k", write())
    second = store.produce("stage", "k", fail)
    assert (first.cached, second.cached) == (False, True)
    assert first.digest == second.digest
    assert (second.folder / "a.txt").read_text() == "hello"


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one, same, other = (store.produce("s", key, write(text)) for key, text in [("1", "x"), ("2", "x"), ("3", "y")])
    assert one.digest == same.digest != other.digest


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="no"):
        store.produce("stage", "k", fail)
    assert store.get("stage", "k") is None
    assert [path for path in tmp_path.rglob("*") if path.name == "a.txt"] == []


def test_fresh_computes_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.produce("stage", "k", write("old"))
    anew = store.produce("stage", "k", write("new"), fresh=True)
    assert not anew.cached
    assert (anew.folder / "a.txt").read_text() == "new"


@pytest.mark.parametrize("damage", ["change", "remove", "add", "manifest", "no manifest"])
def test_a_damaged_folder_is_computed_anew(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    folder = store.produce("stage", "k", write()).folder
    if damage == "change":
        (folder / "a.txt").write_text("hellO")
    elif damage == "remove":
        (folder / "sub" / "b.txt").unlink()
    elif damage == "add":
        (folder / "c.txt").write_text("c")
    elif damage == "manifest":
        manifest = json.loads((folder / "store.json").read_text())
        manifest["files"]["a.txt"]["sha256"] = "0" * 64
        (folder / "store.json").write_text(json.dumps(manifest))
    else:
        (folder / "store.json").unlink()
    assert store.get("stage", "k") is None
    mended = store.produce("stage", "k", write())
    assert not mended.cached
    assert (mended.folder / "a.txt").read_text() == "hello"


def test_leftovers_of_a_kill_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    leftover = tmp_path / "stage" / ".k.0123abcd.tmp"
    leftover.mkdir(parents=True)
    (leftover / "half").write_text("x")
    store.produce("stage", "k", write())
    assert not leftover.exists()


SLOWLY = """
import sys, time
from pathlib import Path
from recsys.store import Store

def build(folder):
    with open(sys.argv[2], "a") as file:
        file.write("computed\\n")
    time.sleep(0.5)
    (folder / "a.txt").write_text("hello")

Store(Path(sys.argv[1])).produce("stage", "k", build)
"""


def test_processes_at_once_compute_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOWLY, str(tmp_path / "s"), str(tmp_path / "count")]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        _, said = worker.communicate(timeout=60)
        assert worker.returncode == 0, said
    assert (tmp_path / "count").read_text().count("computed") == 1


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, RunError), (errno.EACCES, InputError)])
def test_what_cannot_be_written_is_said(tmp_path: Path, number: int, kind: type[Exception]) -> None:
    def build(folder: Path) -> None:
        raise OSError(number, "no", str(folder / "x"))

    with pytest.raises(kind, match="cannot be written"):
        Store(tmp_path).produce("stage", "k", build)


def test_other_errors_of_a_stage_are_not_hidden(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "missing" / "x").read_text()

    with pytest.raises(FileNotFoundError):
        Store(tmp_path).produce("stage", "k", build)


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((InputError, FileExistsError)):
        Store(tmp_path / "file").produce("stage", "k", write())

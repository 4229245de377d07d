"""A folder of published lists holds one whole set at every moment, whoever reads, fails or is killed."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

from recsys.errors import InputError, RunError
from recsys.serving import publish_folder
from recsys.serving.bundle import open_bundle
from recsys.serving.publish import publish
from recsys.settings import Settings

ROWS, FALLBACK = 600, 5


def put(bundle, to, version="1"):
    return publish(bundle, version, str(to), Settings(), 5)


def read(to):
    """The current set, as docs/serving.md says; fails where it is no whole set of one version."""
    folder = (to / "current").resolve()
    lists, fallback = (pd.read_parquet(folder / f"{name}.parquet") for name in ("recommendations", "fallback"))
    assert (len(lists), len(fallback)) == (ROWS, FALLBACK)
    [version] = set(lists["version"]) | set(fallback["version"])
    assert lists.groupby("user").size().eq(5).all()
    return version


def sets(to):
    return sorted(path.name for path in to.iterdir() if path.name not in ("current", ".publish.lock"))


def test_the_first_and_the_next(bundle, tmp_path):
    to = tmp_path / "deep" / "out"
    done = put(bundle, to)
    assert (done.users, done.rows, done.where) == (120, ROWS + FALLBACK, str(to / "current"))
    assert read(to) == "1"
    assert len(sets(to)) == 1
    put(bundle, to, "2")
    first = (to / "current").resolve()
    put(bundle, to, "3")
    assert read(to) == "3"
    assert len(sets(to)) == 2, "the set before stays for readers that are still at it"
    assert len(pd.read_parquet(first / "recommendations.parquet")) == ROWS


def test_again_with_the_same_version_and_time(bundle, tmp_path):
    from datetime import UTC, datetime

    for _ in range(3):
        publish(bundle, "1", str(tmp_path / "out"), Settings(), 5, time=datetime(2026, 1, 1, tzinfo=UTC))
    assert read(tmp_path / "out") == "1"
    assert len(sets(tmp_path / "out")) == 2


def test_a_version_that_is_no_file_name(bundle, tmp_path):
    put(bundle, tmp_path / "out", "../../x/ÿ\n" * 50)
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "home"}
    assert read(tmp_path / "out").startswith("../../x/ÿ")


def test_readers_see_one_set_or_the_other(bundle, tmp_path):
    to = tmp_path / "out"
    put(bundle, to, "0")
    done, seen, failed = threading.Event(), [], []

    def follow():
        while not done.is_set():
            try:
                seen.append(int(read(to)))
            except FileNotFoundError:
                continue  # published twice since the link was resolved
            except Exception as error:
                failed.append(error)
                return

    readers = [threading.Thread(target=follow) for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in range(1, 25):
        put(bundle, to, str(version))
    done.set()
    for reader in readers:
        reader.join()
    assert not failed
    assert len(set(seen)) > 3


def test_two_at_once(bundle, tmp_path):
    threads = [threading.Thread(target=put, args=(bundle, tmp_path / "out", str(n))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(tmp_path / "out") in "012345"
    assert len(sets(tmp_path / "out")) == 2


def test_a_failure_leaves_the_set_before(bundle, tmp_path, monkeypatch):
    to = tmp_path / "out"
    put(bundle, to)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(publish_folder, "_sync", full)
    with pytest.raises(RunError, match=r"No space left on device.; free some space") as caught:
        put(bundle, to, "2")
    assert caught.value.place == str(to)
    assert read(to) == "1"
    assert len(sets(to)) == 1


@pytest.mark.parametrize("name", ["events.csv", "current", "set-1", "current.parquet"])
def test_not_among_other_things(bundle, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(InputError, match=f"holds something else .{name}"):
        put(bundle, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_no_link_of_somebody_else(bundle, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "current").symlink_to("/etc")
    with pytest.raises(InputError, match="holds something else"):
        put(bundle, tmp_path / "out")


def test_a_file_in_its_place(bundle, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match=r"cannot be written .File exists.; name another folder"):
        put(bundle, tmp_path / "out")


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from recsys.serving import publish_folder
from recsys.serving.bundle import open_bundle
from recsys.serving.publish import publish
from recsys.settings import Settings

bundle, place, left = open_bundle(Path(sys.argv[1])), Path(sys.argv[2]), 0

def counted(of, name):
    real = getattr(of, name)
    def call(*args, **more):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return real(*args, **more)
    setattr(of, name, call)

def steps():
    for name in ("write_rows", "_sync", "_name_of"):
        counted(publish_folder, name)
    for name in ("mkdir", "rename", "symlink_to", "replace", "unlink"):
        counted(Path, name)
    counted(shutil, "rmtree")

for number in range(100):
    to = place / str(number)
    for version in "0", "1":
        publish(bundle, version, str(to), Settings(), 5)
    child = os.fork()
    if child == 0:
        left = number
        steps()
        publish(bundle, "2", str(to), Settings(), 5)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def test_killed_before_every_step(bundle, tmp_path):
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", KILLED, str(bundle.folder), str(tmp_path)], cwd=root, check=True)
    places = sorted((path for path in tmp_path.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    found = [read(to) for to in places]
    assert len(found) > 10
    assert sorted(found) == found, "once it is published it stays"
    assert set(found) == {"1", "2"}
    assert any(len(sets(to)) > 2 for to in places), "some kill leaves something"
    for to in places:
        put(bundle, to, "3")
        assert read(to) == "3"
        assert len(sets(to)) == 2
        assert all(name.startswith(".set-") for name in sets(to))


def test_opened_by_another_reader(bundle, tmp_path):
    """By DuckDB's and Arrow's way: a folder of files, in which names that start with a dot are left out."""
    import pyarrow.dataset as ds

    for version in ("1", "2", "3"):
        put(bundle, tmp_path / "out", version)
    folder = (tmp_path / "out" / "current").resolve()
    table = ds.dataset(folder).to_table()
    assert len(table) == ROWS + FALLBACK
    assert table["user"].null_count == FALLBACK
    assert set(open_bundle(bundle.folder).users.ids) == set(table["user"].drop_null().to_pylist())

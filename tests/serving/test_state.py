"""The state follows what is current, keeps what it has where the new one fails, and says so."""

from __future__ import annotations

import shutil
import threading
import time

import numpy as np
import pytest
from kitchen import Pointer, bundle_of

from recsys.errors import InputError
from recsys.processes import wait_until
from recsys.serving.allow import AllowList
from recsys.serving.bundle import open_bundle
from recsys.serving.state import Serving


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return bundle_of(tmp_path_factory.mktemp("other"), "popularity")


def started(pointer, **more):
    state = Serving(pointer, every=3600, **more)
    state.start()
    return state


def test_nothing_before_the_start(pointer):
    state = Serving(pointer)
    assert not state.ready
    with pytest.raises(InputError, match="nothing is open yet"):
        _ = state.live


def test_a_first_bundle_that_does_not_open(tmp_path):
    with pytest.raises(InputError, match="no description of a bundle"):
        Serving(Pointer("1", tmp_path)).start()


def test_follows_and_goes_back(pointer, ease, other):
    state = started(pointer)
    first = state.live
    for version, folder, family in (("2", other, "popularity"), ("1", ease, "ease")):
        pointer.version, pointer.folder = version, folder
        state.look()
        assert (state.live.version, state.live.bundle.about.family) == (version, family)
    assert first.bundle.about.family == "ease"
    assert (state.swaps, state.failures, state.troubles) == (2, 0, {})
    state.stop()


def test_the_watcher_looks_by_itself(pointer, other):
    state = Serving(pointer, every=0.02)
    state.start()
    pointer.version, pointer.folder = "2", other
    assert wait_until(lambda: state.live.version == "2", 10)
    state.stop()
    pointer.version = "3"
    time.sleep(0.1)
    assert state.live.version == "2"


def test_nothing_new_is_not_opened_again(pointer):
    opened = []
    state = started(pointer, opener=lambda folder: opened.append(folder) or open_bundle(folder))
    for _ in range(3):
        state.look()
    assert len(opened) == 1
    state.stop()


def test_keeps_the_old_one_and_tries_less_and_less(pointer, other, tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    state = Serving(pointer, every=1.0)
    state.start()
    broken = tmp_path / "broken"
    shutil.copytree(other, broken)
    (broken / "fallback" / "items.npy").write_bytes(b"")
    pointer.version, pointer.folder = "2", broken
    tries = []
    for _ in range(400):
        before = state.failures
        state.look()
        if state.failures > before:
            tries.append(now[0] - 100)
        now[0] += 1
    state.stop()
    assert tries[:7] == [0, 1, 3, 7, 15, 31, 63]
    assert set(np.diff(tries[7:])) == {60}
    assert state.live.version == "1"
    trouble = state.troubles["model"]
    assert (trouble.version, trouble.what) == ("2", "model")
    assert "holds 0 bytes" in trouble.error["message"]

    shutil.rmtree(broken)
    shutil.copytree(other, broken)
    now[0] += 60
    state.look()
    assert (state.live.version, state.troubles) == ("2", {})


def test_trouble_ends_where_the_old_one_is_current_again(pointer, ease, tmp_path):
    state = started(pointer)
    pointer.version, pointer.folder = "2", tmp_path
    state.look()
    assert "model" in state.troubles
    pointer.version, pointer.folder = "1", ease
    state.look()
    assert state.troubles == {}
    state.stop()


def test_a_registry_that_is_away(pointer):
    state = started(pointer)
    pointer.fails = True
    state.look()
    assert state.troubles["registry"].error == {"message": "ConnectionError: the registry is away"}
    assert state.live.version == "1"
    since = state.troubles["registry"].since
    state.look()
    assert state.troubles["registry"].since == since
    pointer.fails = False
    state.look()
    assert state.troubles == {}
    state.stop()


def test_the_watcher_outlives_what_it_meets(pointer, other, monkeypatch, caplog):
    state = Serving(pointer, every=0.02)
    state.start()
    failed = threading.Event()

    def fail():
        failed.set()
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(state, "_follow_items", fail)
    assert failed.wait(10)
    monkeypatch.undo()
    pointer.version, pointer.folder = "2", other
    assert wait_until(lambda: state.live.version == "2", 10)
    assert "the watcher failed" in caplog.text
    state.stop()


def test_items_in_stock_are_followed(pointer, tmp_path, other):
    stock = tmp_path / "stock.txt"
    stock.write_text("50\n51\n52\n")
    state = started(pointer, allow=AllowList(stock))
    assert state.live.allowed.positions.tolist() == [0, 1, 2]
    first = state.live.bundle
    stock.write_text("55\n56\n")
    state.look()
    assert state.live.allowed.positions.tolist() == [5, 6]
    assert state.live.bundle is first
    stock.write_text("")
    state.look()
    assert "items" in state.troubles
    assert state.live.allowed.positions.tolist() == [5, 6]
    stock.unlink()
    state.look()
    assert "cannot be read" in state.troubles["items"].error["message"]
    stock.write_text("57\n")
    pointer.version, pointer.folder = "2", other
    state.look()
    assert (state.live.version, state.live.allowed.positions.tolist(), state.troubles) == ("2", [7], {})
    state.stop()


def test_a_first_list_that_cannot_be_read(pointer, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Serving(pointer, allow=AllowList(tmp_path / "nothing")).start()

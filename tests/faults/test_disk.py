"""A full disk: one message, exit status 1, nothing half-written, and with space again the same command goes on."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.harness import SPEC, Workplace, assert_recorded

MEGABYTES = 48


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)
    return ballast


def test_full_in_mid_run(tmp_path: Path, small: Path, databases: Any) -> None:
    go_on = tmp_path / "go-on"
    place = Workplace(tmp_path / "place", {**SPEC, "models": ["popularity", "faulty"]}, home=small / "home")
    command = place.seed(databases).start(FAULTY_WAITS_FOR=str(go_on))
    command.wait_for(lambda: place.stored("evaluation") and place.children(), "a fit beside a finished one")
    ballast = fill(small)
    go_on.touch()
    ended = command.wait()
    assert ended.status == 1, ended.said
    assert "Traceback" not in ended.said
    message, last = ended.err.splitlines()
    assert "free some space; what is finished stays" in message
    assert last.startswith("go on with: recsys compare")
    assert not place.being_built("fit")
    assert not place.out.exists()
    place.assert_empty()

    ballast.unlink()
    ended = place.run(FAULTY_WAITS_FOR=str(go_on))
    assert ended.status == 0, ended.said
    assert "popularity seed 42       fitted before" in ended.out
    assert_recorded(place.home, ["popularity", "faulty", "random"])


def test_full_from_the_start(tmp_path: Path, small: Path) -> None:
    fill(small)
    place = Workplace(tmp_path / "place", home=small / "home")
    ended = place.run()
    assert ended.status == 1
    assert "Traceback" not in ended.said
    message, _ = ended.err.splitlines()
    assert "free some space" in message
    assert not (place.home / "mlflow.db").exists()
    place.assert_empty()

"""A cluster of nodes that are started separately, each with a home of its own, as machines are."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from faults.harness import environment, free_port

from recsys.processes import wait_until

NODE = Path(__file__).with_name("node.py")
STARTING = 60.0
# Ray's head tells its makers once that they are to be told nothing.
SILENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/"}
# Else other tests that run meanwhile leave its workers next to nothing.
URGENT = {"RAY_worker_niceness": "0"}
COMMON = ("--block", "--node-ip-address=127.0.0.1", "--disable-usage-stats", "--object-store-memory=80000000")


class Node:
    """One CPU that the cluster at `port` has; the first one makes the cluster."""

    def __init__(self, folder: Path, port: int, head: bool, **env: str) -> None:
        folder.mkdir(parents=True)
        self.home, self._log = folder / "home", folder / "log"
        made = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder.parent / 'ray'}")
        place = made if head else (f"--address=127.0.0.1:{port}",)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(NODE), "start", *place, "--num-cpus=1", *COMMON],
                env=environment(self.home, **SILENT, **URGENT, **env),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> Node:
        """Until it is part of the cluster."""
        wait_until(lambda: self._is_up() or self._process.poll() is not None, STARTING)
        assert self._is_up(), self._log.read_text()
        return self

    def _is_up(self) -> bool:
        return "Ray runtime started" in self._log.read_text()

    def processes(self) -> list[psutil.Process]:
        """All that it started, and all that was started for it."""
        mark, found = f"RECSYS_HOME={self.home}".encode(), []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                    found.append(process)
        return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]

    def children(self) -> list[psutil.Process]:
        """The processes in which models are fitted."""
        with contextlib.suppress(psutil.Error):
            return [each for each in self.processes() if "recsys.experiment.child" in each.cmdline()]
        return []

    def outgoing(self) -> list[str]:
        """Attempts to reach another machine; not that of Ray's head to find out whose cloud it is in."""
        log = self.home / "outgoing.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if not line.split()[1].startswith(("169.254.", "metadata."))]

    def left(self) -> list[Path]:
        """Files that fits left in its home: neither what it fetched for the next ones, nor the locks."""
        work = self.home / "remote"
        return [path for path in work.rglob("*") if path.suffix != ".lock"] if work.is_dir() else []

    def kill(self) -> None:
        """As a machine that loses its power."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._process.wait()

    def end(self) -> None:
        """As by Ctrl-C; then nothing of it is left, whatever it left itself."""
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(15)
        for process in self.processes():
            process.kill()
        self._process.wait()


class Nodes:
    """A cluster of two nodes; env: what their environment holds beside."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.port, self._folder, self._env = free_port(), folder, env
        self.all, self._made = list[Node](), 0

    def start(self) -> Nodes:
        """Start both."""
        for _ in range(2):
            self.add()
        return self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self) -> None:
        """One more; the first one is the head."""
        folder = self._folder / f"node {self._made}"
        self.all.append(Node(folder, self.port, self._made == 0, **self._env))
        self._made += 1
        self.all[-1].wait()

    def lose(self) -> None:
        """Lose the newest as by a power cut."""
        self.all.pop().kill()

    def children(self) -> list[psutil.Process]:
        """The processes in which models are fitted, wherever."""
        return [child for node in self.all for child in node.children()]

    def end(self) -> None:
        """End all nodes, the head last."""
        for node in reversed(self.all):
            node.end()

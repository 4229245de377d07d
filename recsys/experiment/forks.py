"""Processes for fits, forked from one that has imported already what a fit needs: that takes longer than many a fit."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from recsys.errors import RunError
from recsys.processes import end, note, python, start_leashed

SLOW_TO_IMPORT = "torch"
"""Has a process of its own, so that no other fit has it in its memory."""

BEGAN, ENDED = "began", "ended"
"""Begin the lines of a report; the id of the process follows, and how it ended."""


class Forks:
    """Starts processes of fits. Safe to call from several threads.

    Those that they are forked from are started where they are first needed, or asked for with `prepare`, and end with
    the block, or with this process. records: where they are noted; log: keeps what they print.
    """

    def __init__(self, records: Path, log: Path) -> None:
        self._records, self._log = records, log
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, ...], _Server] = {}
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        with self._lock:
            self._closed = True
            for server in self._servers.values():
                server.control.close()
                end(server.process, self._records)
            self._servers.clear()

    def prepare(self, libraries: Iterable[str], environment: Mapping[str, str]) -> None:
        """Begin to import what a model with these libraries needs; returns at once."""
        with self._lock:
            self._server(libraries, environment)

    def start(
        self,
        libraries: Iterable[str],
        environment: Mapping[str, str],
        files: Iterable[Path],
        progress: int,
        output: IO[bytes],
    ) -> Forked:
        """The process of a fit, started as a leashed one is: in a session of its own, noted, with our pipe as input.

        libraries: of the model. files: what `child.work` is given; progress: the descriptor for its steps. output: gets
        what it prints. Raises RunError where none can be started.
        """
        leash, held = os.pipe()
        reading, report = os.pipe()
        process = Forked(os.fdopen(held, "wb", buffering=0), reading)
        try:
            with self._lock:
                control = self._server(libraries, environment).control
                message = json.dumps([str(file) for file in files]).encode()
                socket.send_fds(control, [message], [leash, output.fileno(), progress, report])
        except OSError as error:
            process.close()
            raise self._none() from error
        finally:
            os.close(leash)
            os.close(report)
        if not process.begin():
            process.close()
            raise self._none()
        note(process.pid, self._records)
        return process

    def _server(self, libraries: Iterable[str], environment: Mapping[str, str]) -> _Server:
        first = [SLOW_TO_IMPORT] if SLOW_TO_IMPORT in libraries else []
        key = (*first, *(f"{name}={environment[name]}" for name in sorted(environment)))
        if self._closed:
            raise self._none()
        server = self._servers.get(key)
        if server is None or server.process.poll() is not None:
            if server is not None:
                server.control.close()
            server = self._servers[key] = self._started(first, environment)
        return server

    def _started(self, libraries: list[str], environment: Mapping[str, str]) -> _Server:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._log.open("ab") as output:
            process = start_leashed(
                python("recsys.experiment.fork_server", str(theirs.fileno()), *libraries),
                self._records,
                output=output,
                env={**os.environ, **environment},
                pass_fds=(theirs.fileno(),),
            )
        return _Server(process, ours)

    def _none(self) -> RunError:
        return RunError("fit", "its process could not be started", f"see {self._log}")


@dataclass(frozen=True)
class _Server:
    process: subprocess.Popen[bytes]
    control: socket.socket


class Forked:
    """A process that another one started for us, used as a Popen; stdin: its leash.

    report: brings its id, and in the end how it ended.
    """

    def __init__(self, stdin: IO[bytes], report: int) -> None:
        self.pid = 0
        self.stdin = stdin
        self.returncode: int | None = None
        self._report = os.fdopen(report)

    def begin(self) -> bool:
        """Wait until it runs; whether it does."""
        what, _, number = self._report.readline().partition(" ")
        if what == BEGAN:
            self.pid = int(number)
        return what == BEGAN

    def poll(self) -> int | None:
        """How it ended; None where it still runs."""
        return self.returncode if self.returncode is not None or not self._told(0) else self.wait()

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, once it has; that of SIGKILL where nobody could tell. Raises TimeoutExpired."""
        if self.returncode is None:
            if timeout is not None and not self._told(timeout):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            self.returncode = int(self._report.readline().removeprefix(ENDED) or -signal.SIGKILL)
            self._report.close()
        return self.returncode

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)

    def close(self) -> None:
        """Let go of one that has not begun."""
        self.stdin.close()
        self._report.close()

    def _told(self, seconds: float) -> bool:
        told = select.poll()
        told.register(self._report, select.POLLIN)
        return bool(told.poll(1000 * seconds))

"""Where a flow run is recorded: the server the environment names, the one `recsys up` runs, or a private one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from filelock import FileLock

from flows.environment import switch_off
from flows.flow_runs import mark_just_begun
from recsys.errors import ExpectedError, InputError, RunError, disk_full
from recsys.processes import end, end_orphans, is_alive, python, start_leashed, wait_until
from recsys.settings import Settings, shown_address
from recsys.tracking.database import MALFORMED, require_sound

START_SECONDS = 120.0
NAMED_SECONDS = 3.0
# What Prefect's server says at the end of its log where the database has a schema that it does not know.
NEWER, LAST_WORDS = b"Can't locate revision", 500
# A private server's blocks are never used; registering them costs a second on an empty home.
NO_BLOCKS = {"PREFECT_API_BLOCKS_REGISTER_ON_START": "false"}
FORGETS = "move the file away: it holds the history of flow runs and nothing else"
UP = "up.json"
"""Where `recsys up` notes, in the home, what it runs."""


class Engine:
    """A Prefect API for the runs of this process; it ends with this process, however that ends.

    A private server keeps its records in the home's prefect.db, where `recsys up` shows them later.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: FileLock | None = None
        self.url = settings.prefect_api_url or running_stack(settings)

    @property
    def log(self) -> Path:
        return self._settings.logs / "prefect-server.log"

    def start(self) -> Self:
        """Begin to start a private server where no other is there; returns at once.

        Raises RunError where the environment names one and nobody answers there, InputError where the home's database
        is damaged.
        """
        switch_off()
        end_orphans(self._settings.processes)
        if self.url is None:
            require_history(self._settings)
            self.log.parent.mkdir(parents=True, exist_ok=True)
            # Two first starts at once would both create the tables.
            self._lock = FileLock(self._settings.root / "prefect.lock")
            self._lock.acquire()
            with socket.socket() as listener, self.log.open("ab") as output:
                listener.bind(("127.0.0.1", 0))
                listener.listen(128)
                self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
                self._process = start_leashed(
                    python("flows.server", str(listener.fileno())),
                    self._settings.processes,
                    output=output,
                    env={**os.environ, **private_server(self._settings), **NO_BLOCKS},
                    pass_fds=(listener.fileno(),),
                )
        elif not wait_until(lambda: is_healthy(str(self.url)), NAMED_SECONDS, every=0.5):
            raise self._no_answer()
        os.environ["PREFECT_API_URL"] = self.url
        return self

    def wait(self) -> None:
        """Wait until the API answers.

        Raises RunError where it does not, InputError where a newer version of Prefect made the home's database.
        """
        assert self.url is not None
        up = wait_until(lambda: self._ended() or is_healthy(str(self.url)), START_SECONDS)
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._ended():
            raise self._did_not_start()
        if not up:
            raise self._no_answer()
        if self._settings.prefect_api_url is None:
            mark_just_begun(self.url, self._settings)

    def gone(self) -> RunError | None:
        """What to say where the API does not answer any more; None where it does."""
        if self._ended():
            return RunError("Prefect", "its server has ended", f"what is finished is kept; see {self.log}")
        return None if is_healthy(str(self.url)) else self._no_answer()

    def stop(self) -> None:
        """End the private server."""
        if self._lock is not None:
            self._lock.release()
        if self._process is not None:
            send_logs()
            end(self._process, self._settings.processes)
            self._process = None

    def _did_not_start(self) -> ExpectedError:
        full = disk_full(self._settings.root)
        refused = refusal(self.log.read_bytes()[-LAST_WORDS:], self._settings)
        return full or refused or RunError("Prefect", "its server ended while it was starting", f"see {self.log}")

    def _no_answer(self) -> RunError:
        remedy = f"see {self.log}" if self._process else "start that server, or unset PREFECT_API_URL"
        return RunError("Prefect", f"no answer from {shown_address(str(self.url))}", remedy)

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None


def require_history(settings: Settings) -> None:
    """Raise InputError where the home's prefect.db is damaged."""
    require_sound(_history(settings), FORGETS)


def refusal(said: bytes, settings: Settings) -> InputError | None:
    """What to say where a server has told its log why it cannot use the home's prefect.db; None where it has not."""
    place = str(_history(settings))
    if NEWER in said:
        return InputError(place, "a newer version of Prefect made it", f"install that one, or {FORGETS}")
    if MALFORMED.encode() in said:
        return InputError(place, "is damaged", FORGETS)
    return None


def _history(settings: Settings) -> Path:
    return settings.root / "prefect.db"


def send_logs() -> None:
    """Let Prefect hand over what it still holds, while the server is there."""
    if "prefect.logging.handlers" in sys.modules:
        from prefect.logging.handlers import APILogWorker

        APILogWorker.drain_all(timeout=2)


@contextmanager
def engine(settings: Settings) -> Iterator[None]:
    """A Prefect API for the flow runs inside, also where Prefect is already imported."""
    if "PREFECT_API_URL" in os.environ:
        yield
        return
    server = Engine(settings).start()
    try:
        server.wait()
        if "prefect.settings" in sys.modules:
            from prefect.settings import PREFECT_API_URL, temporary_settings

            with temporary_settings({PREFECT_API_URL: server.url}):
                yield
        else:
            yield
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        server.stop()


def private_server(settings: Settings) -> dict[str, str]:
    """The environment of a server that keeps its records in the home."""
    return {
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{_history(settings)}",
        "PREFECT_UI_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }


def running_stack(settings: Settings) -> str | None:
    """The API of the servers that `recsys up` runs for this home, or None."""
    try:
        stack = json.loads((settings.root / UP).read_text())
        url, (process, began) = str(stack["prefect_api_url"]), stack["process"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # A killed one leaves its note, and its port may be somebody else's by now.
    return url if is_alive(process, began) and is_healthy(url) else None


def is_healthy(url: str) -> bool:
    """Whether a Prefect API answers."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False

"""Run a flow from the terminal: engine, database and imports side by side, progress on the screen."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from flows.command import Speech
from flows.console import TerminalReporter
from flows.engine import Engine
from flows.environment import log_to_file
from recsys.errors import ExpectedError
from recsys.processes import end_orphans
from recsys.settings import Settings
from recsys.tracking.database import ensure_database


@contextlib.contextmanager
def orchestrated(name: str, settings: Settings, speech: Speech) -> Iterator[Callable[[], None]]:
    """A Prefect API for the flow runs inside, and the terminal told of their progress.

    name: of the command, for its log. Yields a function to call before the first flow run: it waits for the API. Until
    then the body imports what it needs, while the server starts and MLflow's database is made.
    """

    def make_database() -> None:
        with contextlib.suppress(ExpectedError):  # the flow does it again, and is the one to complain
            ensure_database(settings)

    log_to_file(settings.logs / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log")
    end_orphans(settings.processes)
    engine = Engine(settings).start()
    reporter = TerminalReporter(speech.console)

    def ready() -> None:
        from flows.session import options

        engine.wait()
        reporter.start()
        options.set(replace(options.get(), reporter=reporter))

    try:
        threading.Thread(target=make_database, daemon=True).start()
        yield ready
    finally:
        reporter.stop()
        engine.stop()

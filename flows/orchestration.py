"""Run a flow from the terminal: engine, database and imports side by side, progress on the screen."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from flows.command import Speech, say_stopped, status_of
from flows.console import TerminalReporter
from flows.engine import Engine
from flows.environment import log_to_file
from recsys.errors import ExpectedError, disk_full
from recsys.settings import Settings
from recsys.tracking.database import ensure_database, require_server


@contextlib.contextmanager
def orchestrated(name: str, settings: Settings, speech: Speech) -> Iterator[Callable[[], None]]:
    """A Prefect API for the flow runs inside, and the terminal told of their progress.

    name: of the command, for its log. Yields a function to call before the first flow run: it waits for the API. Until
    then the body imports what it needs, while the server starts and MLflow's database is made.
    """

    said = threading.Event()

    def open_database() -> None:
        with contextlib.suppress(Exception):  # the flow does it again, and is the one to complain
            ensure_database(settings)
            from recsys.tracking.runs import Tracker

            Tracker(settings).open()

    def overtime(ended: BaseException) -> None:
        # What still runs leaves nothing half-done behind: all that is kept is renamed into place when it is complete.
        if said.is_set():
            os._exit(status_of(ended))
        reporter.stop()
        os._exit(say_stopped(speech, ended))

    log_to_file(settings.logs / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log")
    full = disk_full(settings.root)
    if full is not None:
        raise full
    require_server(settings)
    engine = Engine(settings).start()
    reporter = TerminalReporter(speech.console)

    def ready() -> None:
        from flows.session import options

        engine.wait()
        gc.freeze()
        gc.enable()
        reporter.start()
        options.set(replace(options.get(), reporter=reporter, overtime=overtime))

    # Imports make a million objects that stay: looking through them again and again costs a second.
    gc.disable()
    try:
        threading.Thread(target=open_database, daemon=True).start()
        yield ready
    except ExpectedError:
        raise
    except Exception as error:
        # Whatever it was that could not be written, Prefect's own database too.
        full = disk_full(settings.root)
        if full is not None:
            raise full from error
        raise
    finally:
        gc.enable()
        reporter.stop()
        engine.stop()
        said.set()

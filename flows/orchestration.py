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
from flows.interrupts import end_in_time, heard
from recsys.errors import ExpectedError, disk_full
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.tracking.database import ensure_database, require_records, require_server
from tasks.context import forks_of, prepare


@contextlib.contextmanager
def orchestrated(
    name: str, settings: Settings, speech: Speech, spec: Experiment | None = None
) -> Iterator[Callable[[], None]]:
    """A Prefect API for the flow runs inside, and the terminal told of their progress.

    name: of the command, for its log. spec: whose models are fitted in the first flow run. Yields a function to call
    before that: it has another process import what the fits need, and waits for the API. Until then the body imports
    what it needs, while the server starts and MLflow's database is made.
    """

    began, said = threading.Event(), threading.Event()

    def open_database() -> None:
        with contextlib.suppress(Exception):  # the flow does it again, and is the one to complain
            ensure_database(settings)

    def overtime(ended: BaseException) -> None:
        # What still runs leaves nothing half-done behind: all that is kept is renamed into place when it is complete.
        if said.is_set():
            os._exit(ended.exit_status if isinstance(ended, ExpectedError) else status_of(ended))
        reporter.stop()
        os._exit(say_stopped(speech, ended))

    log_to_file(settings.logs / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log")
    full = disk_full(settings.root)
    if full is not None:
        raise full
    require_records(settings)
    require_server(settings)
    engine = Engine(settings).start()
    reporter, forks = TerminalReporter(speech.console), forks_of(settings)

    def ready() -> None:
        from flows.session import options

        if spec is not None:
            prepare(forks, spec)
        engine.wait()
        began.set()
        gc.freeze()
        gc.enable()
        reporter.start()
        options.set(replace(options.get(), reporter=reporter, overtime=overtime, forks=forks))

    # Imports make a million objects that stay: looking through them again and again costs a second.
    gc.disable()
    try:
        threading.Thread(target=open_database, daemon=True).start()
        with heard(overtime), forks:
            yield ready
    except Exception as error:
        gone = engine.gone() if began.is_set() else None
        # Whatever it was that could not be written, Prefect's own database too.
        told = error if isinstance(error, ExpectedError) else disk_full(settings.root) or gone
        if gone is not None:
            # Prefect does not let a process end before its events are sent, and tries seven seconds for each.
            end_in_time(told or gone, overtime)
        if told is None or told is error:
            raise
        raise told from error
    finally:
        gc.enable()
        reporter.stop()
        engine.stop()
        said.set()

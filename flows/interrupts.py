"""Ctrl-C and TERM: they reach the main thread wherever that waits, and end a command in time whatever it does then."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from flows.command import Terminated

WAKING_SECONDS = 0.5
OVERTIME_SECONDS = 4.0
PATIENCE_SECONDS = 12.0
"""From the signal until the command is ended; it usually ends before, OVERTIME_SECONDS after its run at the latest."""

Overtime = Callable[[BaseException], None]
ENDED_BY = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}


def interrupt() -> None:
    """A Ctrl-C for this process: also where its main thread waits for a lock."""
    if not _to_main_thread(signal.SIGINT):
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def heard(overtime: Overtime) -> Iterator[None]:
    """Signals that come inside are heard: the main thread wakes, and `overtime` is called where that ends nothing.

    A signal only leaves a mark, which the main thread finds when it runs next. Where another thread takes it, or it
    comes just before the main thread waits for a lock, that would be never.
    """
    if not hasattr(signal, "SIGURG"):
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def listen() -> None:
        with os.fdopen(reading, "rb", buffering=0) as marks:
            while mark := marks.read(1):
                if mark[0] in ENDED_BY:
                    end_in_time(ENDED_BY[signal.Signals(mark[0])](), overtime, PATIENCE_SECONDS)
                    time.sleep(WAKING_SECONDS)
                    _to_main_thread(signal.SIGURG)  # does nothing but end the wait

    ignored = signal.signal(signal.SIGURG, lambda *_: None)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=listen, name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGURG, ignored)
        os.close(writing)


def end_in_time(error: BaseException, overtime: Overtime, seconds: float = OVERTIME_SECONDS) -> None:
    """Call `overtime` where this process is still there after a while: Prefect waits for its tasks to end."""

    def wait() -> None:
        time.sleep(seconds)
        overtime(error)

    threading.Thread(target=wait, name="overtime", daemon=True).start()


def _to_main_thread(number: int) -> bool:
    main = threading.main_thread().ident
    if main is None or not hasattr(signal, "pthread_kill"):
        return False
    signal.pthread_kill(main, number)
    return True

"""What ends a flow run from outside: cancellation in the Prefect UI, and the death of the worker that started it."""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from flows.interrupts import interrupt
from recsys.experiment.launch import Stop
from recsys.processes import is_alive

LEASH = "RECSYS_LEASH"
"""Names the process below which a worker runs, as `id:start`: when it is gone, the worker is."""

CANCELLATION_SECONDS = 1.0
ORPHAN_SECONDS = 0.5
GRACE_SECONDS = 4.0


def started_by_worker() -> bool:
    """Whether a worker started this process for one flow run, in a session of its own."""
    return "PREFECT__FLOW_RUN_ID" in os.environ


@contextlib.contextmanager
def cancellation(flow_run: UUID, stop: Stop) -> Iterator[None]:
    """End what goes on inside soon after the run was cancelled in the Prefect UI, which tells a plain process nothing.

    As by Ctrl-C where it goes on in the main thread; elsewhere by setting `stop`. A worker does this itself.
    """
    if started_by_worker():
        yield
        return
    done = threading.Event()
    in_main = threading.current_thread() is threading.main_thread()

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not done.wait(CANCELLATION_SECONDS):
                if _is_cancelled(client, flow_run) and not done.is_set():
                    interrupt() if in_main else stop.set()
                    return

    # The address of the API may be known to this context alone.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(watch,), name="cancellation", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _is_cancelled(client: Any, flow_run: UUID) -> bool:
    with contextlib.suppress(Exception):  # the API may be away for a moment; the run goes on without
        state: State | None = client.read_flow_run(flow_run).state
        return state is not None and (state.is_cancelling() or state.is_cancelled())
    return False


def cancelled_after_all(flow: Any, flow_run: Any, state: State) -> None:
    """Name a run Cancelled that ended because it was cancelled: Prefect takes what `cancellation` does for a crash."""
    with contextlib.suppress(Exception), get_client(sync_client=True) as client:
        before = client.read_flow_run_states(flow_run.id)
        if any(each.is_cancelling() or each.is_cancelled() for each in before):
            cancelled: State = Cancelled(message="Cancelled; what was finished is kept.")
            client.set_flow_run_state(flow_run.id, cancelled, force=True)


def end_with_worker() -> None:
    """In a process that a worker started: end soon after the worker has gone."""
    parent, leash = os.getppid(), os.environ.get(LEASH)

    def watch() -> None:
        while os.getppid() == parent and (leash is None or _holds(leash)):
            time.sleep(ORPHAN_SECONDS)
        interrupt()
        time.sleep(GRACE_SECONDS)
        # It did not manage: its servers are gone too, and it waits for their answers.
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="worker", daemon=True).start()


def _holds(leash: str) -> bool:
    pid, _, started = leash.partition(":")
    return is_alive(int(pid), float(started))

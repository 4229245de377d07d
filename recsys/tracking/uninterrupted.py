"""Calls that Ctrl-C or TERM does not cut in two."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def uninterrupted(call: Callable[P, T]) -> Callable[P, T]:
    """The same call, done to its end: what interrupts the main thread meanwhile is raised after it.

    An exception in the middle of a write leaves MLflow's database with an open transaction, for whose end everybody
    waits, and whoever made a run does not learn its id. Signals raise in the main thread alone, so another one does it.
    """

    @wraps(call)
    def whole(*args: P.args, **kwargs: P.kwargs) -> T:
        if threading.current_thread() is not threading.main_thread():
            return call(*args, **kwargs)
        context, future = contextvars.copy_context(), Future[T]()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(context.run(call, *args, **kwargs))
                except BaseException as error:
                    future.set_exception(error)

        try:
            threading.Thread(target=work, name="uninterrupted").start()
            return future.result()
        except BaseException:
            if not future.cancel():  # it has begun; an executor forgets one that is interrupted as its thread starts
                wait([future])
            raise

    return whole

"""A call that Ctrl-C does not cut in two."""

import contextvars
import signal
import threading
import time

import pytest

from recsys.tracking.uninterrupted import uninterrupted


def test_what_it_gives_and_what_it_raises():
    assert uninterrupted(divmod)(7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        uninterrupted(divmod)(7, 0)


def test_it_sees_the_context_of_its_caller():
    name = contextvars.ContextVar("name", default="nobody")
    name.set("caller")
    assert uninterrupted(name.get)() == "caller"


def test_another_thread_calls_it_as_it_is():
    found = []
    caller = threading.Thread(target=lambda: found.append(uninterrupted(threading.current_thread)()))
    caller.start()
    caller.join()
    assert found == [caller]


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_ctrl_c_comes_after_it(seconds):
    done = []

    @uninterrupted
    def call():
        time.sleep(seconds)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.1)
        done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        call()
    assert done == ["all of it"]

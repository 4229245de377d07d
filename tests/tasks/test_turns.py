"""Whose turn it is to keep a core busy."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from itertools import permutations

import pytest

from recsys.processes import wait_until
from tasks import turns
from tasks.turns import Turns


@pytest.fixture
def order():
    """The works whose turn it was, in that order."""
    return []


@pytest.fixture
def come(order):
    """Bring work to the turns, one after the other, each in a thread of its own that ends with the test."""
    with ExitStack() as threads:

        def bring(made, works, go=None):
            def do(work):
                with made.one(work):
                    order.append(work)
                    if go is not None:
                        go.wait(10)

            for work in works:
                came = len(made._waiting) + len(order)
                thread = threading.Thread(target=do, args=(work,))
                thread.start()
                threads.callback(thread.join)
                assert wait_until(lambda came=came: len(made._waiting) + len(order) > came, 10, every=0.001)

        yield bring


def all_did(order, works):
    return wait_until(lambda: sorted(order) == sorted(works), 10, every=0.001)


def test_most_work_is_next(come, order):
    made, works = Turns(1), [1.0, 5.0, float("inf"), 3.0]
    with made.one(0.0):  # meanwhile the others come
        come(made, works)
    assert all_did(order, works)
    assert order == sorted(works, reverse=True)


def test_of_equal_work_who_came_first_is_next(order):
    made, names = Turns(1), []

    def do(name):
        with made.one(2.0):
            names.append(name)

    with made.one(0.0):
        threads = [threading.Thread(target=do, args=(name,)) for name in "abc"]
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            assert wait_until(lambda waiting=waiting: len(made._waiting) == waiting, 10, every=0.001)
    for thread in threads:
        thread.join()
    assert names == ["a", "b", "c"]


@pytest.mark.parametrize("coming", sorted(set(permutations([9.0, 5.0, 5.0, 1.0]))))
def test_the_first_turns_are_for_most_work_in_whatever_order_it_comes(coming, come, order, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)
    made, go = Turns(2), threading.Event()
    made.announce([1.0, 5.0, 9.0, 5.0])
    come(made, coming, go)
    assert wait_until(lambda: len(order) == 2, 10, every=0.001)
    assert sorted(order) == [5.0, 9.0]
    go.set()
    assert all_did(order, coming)
    assert order[-1] == 1.0


def test_nobody_waits_long_for_what_does_not_come(come, order, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 1.0)
    made = Turns(2)
    made.announce([9.0, 2.0, 1.0])
    come(made, [1.0, 2.0])
    assert order == []
    assert all_did(order, [1.0, 2.0])


def test_nobody_looks_again_and_again_for_what_does_not_come(come, order, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.2)
    made, waits = Turns(1), []
    wait = made._changed.wait
    monkeypatch.setattr(made._changed, "wait", lambda seconds=None: waits.append(seconds) or wait(seconds))
    with made.one(0.0):
        made.announce([9.0, 1.0])
        come(made, [1.0])
        assert wait_until(lambda: waits[-1:] == [None], 10, every=0.001)
        assert len(waits) < 10
    assert all_did(order, [1.0])


def test_work_that_nobody_announced_waits_for_none_that_is_shorter(come, order, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)
    made = Turns(1)
    made.announce([3.0])
    come(made, [float("inf"), 3.0])
    assert all_did(order, [float("inf"), 3.0])


def test_a_turn_that_ends_in_an_error_is_given_back(order):
    made = Turns(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), made.one(1.0):
            order.append(1 / 0)

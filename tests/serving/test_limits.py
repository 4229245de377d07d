"""A client gets its rate, its burst, and what it earns by waiting; many clients fill no memory."""

from __future__ import annotations

from recsys.serving import limits
from recsys.serving.limits import Buckets


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_burst_then_rate():
    clock = Clock()
    buckets = Buckets(10, 3, clock)
    assert [buckets.wait("a") for _ in range(3)] == [0, 0, 0]
    assert abs(buckets.wait("a") - 0.1) < 1e-9
    clock.now += 0.05
    assert abs(buckets.wait("a") - 0.05) < 1e-9
    clock.now += 0.06
    assert buckets.wait("a") == 0
    clock.now += 1000
    assert [buckets.wait("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_each_client_its_own():
    buckets = Buckets(1, 1, Clock())
    assert [buckets.wait(name) > 0 for name in ("a", "b", "a", "b")] == [False, False, True, True]


def test_no_limit():
    buckets = Buckets(0, 1, Clock())
    assert not any(buckets.wait("a") for _ in range(100))


def test_a_network_of_ipv6_is_one_client():
    buckets = Buckets(1, 1, Clock())
    assert buckets.wait("2001:db8::1") == 0
    assert buckets.wait("2001:db8::ffff:2") > 0
    assert buckets.wait("2001:db8:0:1::1") == 0
    assert buckets.wait("::ffff:10.0.0.1") == buckets.wait("::ffff:10.0.0.2") == 0
    assert buckets.wait("no:address") == 0


def test_many_clients_fill_no_memory(monkeypatch):
    monkeypatch.setattr(limits, "MOST_CLIENTS", 100)
    buckets = Buckets(1, 1, Clock())
    for number in range(10_000):
        buckets.wait(f"client {number}")
    assert len(buckets._left) == 100

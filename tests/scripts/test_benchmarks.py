"""What `make bench-compare` says of figures that got worse."""

from __future__ import annotations

from benchmarks.measure import slower, yardstick


def test_a_fifth_more_is_flagged() -> None:
    then = {"a": 1.0, "b": 1.0, "c": 1.0, "only then": 1.0}
    assert slower({"a": 1.25, "b": 1.19, "c": 0.5, "only now": 9.0}, then) == {"a": 1.25}


def test_a_yardstick_is_some_work() -> None:
    assert yardstick() > 0

"""Segments by activity: every user with a row is in one, at the right side of each edge."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.comparison.segments import by_activity


@pytest.mark.parametrize(
    ("rows", "segment"),
    [
        (1, "new"),
        (9, "new"),
        (10, "casual"),
        (20, "casual"),
        (21, "regular"),
        (99, "regular"),
        (100, "power"),
        (10**9, "power"),
    ],
)
def test_edges(rows, segment):
    found = by_activity(np.array([rows]))
    assert [name for name, mask in found.items() if mask[0]] == [segment]


def test_cold_users_are_in_none():
    assert not any(mask[0] for mask in by_activity(np.array([0])).values())


def test_everybody_else_is_in_one():
    masks = by_activity(np.arange(1, 5000))
    assert list(masks) == ["new", "casual", "regular", "power"]
    np.testing.assert_array_equal(np.sum(list(masks.values()), axis=0), 1)


def test_nobody():
    assert [mask.shape for mask in by_activity(np.array([], dtype=np.int64)).values()] == [(0,)] * 4

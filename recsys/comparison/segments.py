"""Groups of users by how much is known of them."""

from __future__ import annotations

from typing import Final

import numpy as np

from recsys.config import BoolArray, IntArray

# Name and first number of rows in training; a segment ends where the next begins.
ACTIVITY: Final = (("new", 1), ("casual", 10), ("regular", 21), ("power", 100))


def by_activity(rows: IntArray) -> dict[str, BoolArray]:
    """Users by their rows in training: new 1-9, casual 10-20, regular 21-99, power 100 and more.

    rows: (n_users,). Returns masks (n_users,) by name, those of empty segments too.

    >>> {name: mask.tolist() for name, mask in by_activity(np.array([5, 150])).items() if mask.any()}
    {'new': [True, False], 'power': [False, True]}
    """
    starts = [first for _, first in ACTIVITY] + [np.iinfo(np.int64).max]
    return {
        name: (rows >= first) & (rows < following)
        for (name, first), following in zip(ACTIVITY, starts[1:], strict=True)
    }

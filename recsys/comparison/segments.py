"""Groups of users and of items by how much is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray

# Name and first number of rows in training; a segment ends where the next begins.
ACTIVITY: Final = (("new", 1), ("casual", 10), ("regular", 21), ("power", 100))
# Name and first day of an account's age.
AGE: Final = (("first week", 0), ("first month", 7), ("first year", 30), ("older", 365))
# Each holds a third of all training positives.
POPULARITY: Final = ("head", "middle", "tail")


def by_activity(rows: IntArray) -> dict[str, BoolArray]:
    """Users by their rows in training: new 1-9, casual 10-20, regular 21-99, power 100 and more.

    rows: (n_users,). Returns masks (n_users,) by name, those of empty segments too.

    >>> {name: mask.tolist() for name, mask in by_activity(np.array([5, 150])).items() if mask.any()}
    {'new': [True, False], 'power': [False, True]}
    """
    return _between(rows, ACTIVITY)


def by_age(days: FloatArray) -> dict[str, BoolArray]:
    """Users by the age of their accounts: below 7 days, below 30, below 365, and older.

    days: (n_users,), NaN where unknown: in none. Returns masks (n_users,) by name, those of empty segments too.
    """
    return _between(days, AGE)


def by_popularity(counts: IntArray) -> dict[str, BoolArray]:
    """Items by popularity: the few most popular that hold a third of all positives, the next third, the long tail, and
    those that nobody had.

    counts: (n_items,) training positives. Returns masks (n_items,) by name; equally popular items are told apart by
    their position.

    >>> {name: np.flatnonzero(mask).tolist() for name, mask in by_popularity(np.array([1, 3, 0, 1, 1])).items()}
    {'head': [1], 'middle': [0], 'tail': [3, 4], 'cold': [2]}
    """
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    third = np.empty(len(counts), dtype=np.int64)
    third[order] = np.minimum(3 * before // max(1, counts.sum()), 2)
    masks = {name: (third == number) & (counts > 0) for number, name in enumerate(POPULARITY)}
    return {**masks, "cold": counts == 0}


def _between(values: IntArray | FloatArray, segments: Sequence[tuple[str, int]]) -> dict[str, BoolArray]:
    """Which values lie in each segment: from its start to that of the next."""
    starts = [first for _, first in segments] + [np.inf]
    return {
        name: (values >= first) & (values < after) for (name, first), after in zip(segments, starts[1:], strict=True)
    }

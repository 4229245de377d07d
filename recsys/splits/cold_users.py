"""Strong generalisation: the test is users that no model was trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys.config import IntArray
from recsys.data.dataset import Dataset, in_time
from recsys.splits.config import ColdUsersSplit
from recsys.splits.cut import by_user, tail
from recsys.splits.fold import Fold


def cold_users_split(data: Dataset, config: ColdUsersSplit) -> Iterator[Fold]:
    """All rows of a random share of the users; the oldest of each are history, and at least one is to be predicted."""
    users = np.random.default_rng(config.seed).permutation(np.flatnonzero(np.bincount(data.user)))
    fitted, test_users = tail(users, config.test)
    _, validation_users = tail(fitted, config.validation)
    order = by_user(in_time(data.timestamp, len(data)), data.user)
    older = _oldest(order, data.user, config.history)

    def held(users: IntArray) -> IntArray:
        chosen = np.zeros(len(data.users), dtype=bool)
        chosen[users] = True
        return chosen[data.user[order]]

    testing, validating = held(test_users), held(validation_users)
    yield Fold.of(
        len(data),
        test=order[testing & ~older],
        validation=order[validating & ~older],
        history=order[(testing | validating) & older],
    )


def _oldest(order: IntArray, user: IntArray, share: float) -> IntArray:
    """Which rows, of users one after another, are among the oldest share of their user's."""
    owner = user[order]
    counts = np.bincount(owner)
    shown = np.minimum(np.rint(share * counts), counts - 1)
    place = np.arange(len(order)) - (np.cumsum(counts) - counts)[owner]
    return place < shown[owner]

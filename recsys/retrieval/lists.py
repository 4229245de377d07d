"""Lists of the best items for many users, a block of users at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
from scipy import sparse

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.retrieval.topk import top_k

CELLS_A_BLOCK = 4_000_000
Candidates: TypeAlias = BoolArray | sparse.csr_array
Look: TypeAlias = Callable[[slice, UserBatch, FloatArray, Candidates | None], None]


class Scorer(Protocol):
    """Anything that scores all items for a batch of users."""

    def scores(self, users: UserBatch) -> FloatArray:
        """(len(users), n_items)."""
        ...


def block_size(n_items: int) -> int:
    """Users that are scored at once."""
    return max(1, CELLS_A_BLOCK // max(1, n_items))


def recommend(
    model: Scorer,
    source: Interactions,
    users: IntArray,
    k: int,
    *,
    exclude_seen: bool = True,
    candidates: Candidates | None = None,
    known: bool = True,
    look: Look | None = None,
) -> tuple[IntArray, FloatArray]:
    """The first k items of each user: items (n, k) int32, -1 where a list ends early, and scores (n, k) float32.

    users: (n,) positions in source, whose histories are read there. candidates: (n_items,) or a row a user; None: all
    items. known: False where the users of source are not those of training. look: called for each block of users with
    which of them they are, their scores and their candidates.
    """
    items = np.full((len(users), k), -1, dtype=np.int32)
    scores = np.full((len(users), k), -np.inf, dtype=np.float32)
    size = block_size(source.n_items)
    for start in range(0, len(users), size):
        rows = slice(start, start + size)
        batch = source.batch(users[rows], known)
        allowed = candidates if candidates is None or candidates.ndim == 1 else candidates[rows]
        found = model.scores(batch)
        items[rows], scores[rows] = top_k(found, k, exclude=batch.seen if exclude_seen else None, candidates=allowed)
        if look is not None:
            look(rows, batch, found, allowed)
    return items, scores

"""Lists of the best items for many users, a block of users at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

import numpy as np
from scipy import sparse

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.retrieval.topk import top_k

CELLS_A_BLOCK = 4_000_000
Candidates: TypeAlias = BoolArray | sparse.csr_array
Look: TypeAlias = Callable[[slice | IntArray, UserBatch, FloatArray, Candidates | None], None]


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
    alike: BoolArray | None = None,
    look: Look | None = None,
) -> tuple[IntArray, FloatArray]:
    """The first k items of each user: items (n, k) int32, -1 where a list ends early, and scores (n, k) float32.

    users: (n,) positions in source, whose histories are read there. candidates: (n_items,) or a row a user; None: all
    items. known: False where the users of source are not those of training. alike: (n,) users without rows who all
    get the same scores and have the same candidates; blocks of nobody else are scored once, as one user. look: called
    for each block of users with which of them they are, their scores and their candidates; one user stands for all
    who are scored once.
    """
    items = np.full((len(users), k), -1, dtype=np.int32)
    scores = np.full((len(users), k), -np.inf, dtype=np.float32)
    for rows in _blocks(len(users), block_size(source.n_items), alike):
        whom = users[rows]
        one_for_all = isinstance(rows, np.ndarray)
        batch = source.batch(whom[:1] if one_for_all else whom, known)
        allowed = candidates if candidates is None or candidates.ndim == 1 else candidates[rows]
        found = model.scores(batch)
        items[rows], scores[rows] = top_k(found, k, exclude=batch.seen if exclude_seen else None, candidates=allowed)
        if look is not None:
            look(rows, batch, found, allowed)
    return items, scores


def _blocks(n: int, size: int, alike: BoolArray | None) -> Iterator[slice | IntArray]:
    """Users block by block; those of all blocks that are alike as a whole at once, by their numbers."""
    starts = np.arange(0, n, size)
    if alike is not None and n:
        whole = np.logical_and.reduceat(alike, starts)
        starts = starts[~whole]
        if whole.any():
            yield np.flatnonzero(np.repeat(whole, size)[:n])
    for start in starts.tolist():
        yield slice(start, start + size)

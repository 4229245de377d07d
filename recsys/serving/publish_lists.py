"""The lists of all users as Arrow tables: what is published, wherever it goes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Entities
from recsys.processes import cores
from recsys.retrieval.ann import Allowed
from recsys.retrieval.lists import CELLS_A_BLOCK
from recsys.retrieval.topk import top_k
from recsys.serving.answers import for_nobody
from recsys.serving.bundle import Bundle

ROWS_A_TABLE = 200_000


@dataclass(frozen=True, eq=False)
class UserLists:
    """The k best items of every user of training, each looked at, as they were evaluated, and of unknown users.

    version, time: what made them and when, the same in every row. allowed: the only items listed; None: all. The time
    it takes is that of users × items scores: a million users of 100,000 items with vectors of 64 are 400 CPU seconds.
    """

    bundle: Bundle
    version: str
    time: datetime
    k: int
    allowed: Allowed | None = None

    @cached_property
    def schema(self) -> pa.Schema:
        """user, item: integers or strings, as in the data. time: in UTC."""
        return pa.schema(
            {
                "user": self._users.type,
                "item": self._items.type,
                "rank": pa.int32(),
                "score": pa.float32(),
                "version": pa.string(),
                "time": pa.timestamp("us", tz="UTC"),
            }
        )

    def tables(self) -> Iterator[pa.Table]:
        """The lists of the users of training, by user and rank, some at a time."""
        n, each = len(self.bundle.users), max(1, ROWS_A_TABLE // self.k)
        size = max(1, CELLS_A_BLOCK // max(1, len(self.bundle.items)))
        with _workers() as workers:
            for start in range(0, n, each):
                stop = min(start + each, n)
                places = [(first, min(first + size, stop)) for first in range(start, stop, size)]
                found = list(workers.map(self._block, places))
                items, scores = (np.concatenate(part) for part in zip(*found, strict=True))
                yield self._table(items, scores, start)

    def fallback(self) -> pa.Table:
        """The list of users of whom nothing is known; its user is null."""
        answer = for_nobody(self.bundle, self.k, self.allowed)
        found = self._table(answer.items[None], answer.scores[None], 0)
        return found.set_column(0, self.schema.field("user"), pa.nulls(len(found), self._users.type))

    def _block(self, place: tuple[int, int]) -> tuple[IntArray, FloatArray]:
        bundle = self.bundle
        batch = bundle.histories.batch(bundle.users, bundle.items, *place)
        exclude = batch.seen if bundle.facts.exclude_seen else None
        candidates = None if self.allowed is None else self.allowed.mask
        return top_k(np.asarray(bundle.model.scores(batch)), self.k, exclude=exclude, candidates=candidates)

    def _table(self, items: IntArray, scores: FloatArray, first: int) -> pa.Table:
        """Lists (n, k) of the users from position `first` on as rows; a list that ends early has fewer."""
        kept = items >= 0
        rows, ranks = np.nonzero(kept)
        return pa.table(
            [
                self._users.take(pa.array(rows + first)),
                self._items.take(pa.array(items[kept])),
                pa.array(ranks + 1, pa.int32()),
                pa.array(scores[kept], pa.float32()),
                pa.repeat(self.version, len(rows)),
                pa.repeat(pa.scalar(self.time.astimezone(UTC), pa.timestamp("us", tz="UTC")), len(rows)),
            ],
            schema=self.schema,
        )

    @cached_property
    def _users(self) -> pa.Array:
        return _ids(self.bundle.users)

    @cached_property
    def _items(self) -> pa.Array:
        return _ids(self.bundle.items)


def _ids(entities: Entities) -> pa.Array:
    ids: NDArray[Any] = entities.ids
    return pa.array(ids, pa.string() if ids.dtype == object else pa.int64())


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """A thread a core, and products that use one thread each: more would only wait for each other."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(cores()) as workers:
        yield workers

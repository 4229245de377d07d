"""Co-visitation: what others looked at in the same session."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import PositiveInt
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import in_time
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, Needs
from recsys.models.explanation import Explanation
from recsys.models.neighbors import seconds_of_lists
from recsys.models.recency import TimedConfig, TimedRecommender
from recsys.models.space import Between, OneOf
from recsys.training.run import FitRun


class CoVisitation(TimedRecommender):
    """An item's score is the number of sessions that it shares with an item of the history of which it is a neighbour.

    Sessions are those of the data, else each user's history. An item counts once a session; each item's neighbours are
    the `neighbors` it shares most sessions with, the one seen first among equals. Davidson et al., "The YouTube Video
    Recommendation System", RecSys 2010, section 2.3, without its normalisation. `last`: how many of the newest items
    of the history count; null: all. `fill` puts the other items behind the neighbours, by popularity; without it a
    list ends with the neighbours, and popularity serves those alone who have seen all of theirs. Sessions count in full
    however old they are, and so do the `last` items.
    A new user is served by the history alone, exactly; a user without one gets popularity.
    """

    class Config(TimedConfig):
        name: Literal["co-visitation"] = "co-visitation"
        neighbors: Annotated[PositiveInt, Between(5, 1000, log=True)] = 50
        last: Annotated[PositiveInt | None, OneOf(1, 3, 10, 30, None)] = None
        fill: bool = True

    needs = Needs(history=True)
    state = ("shared",)
    strangers_alike = True
    shared: sparse.csr_array
    """(n_items, n_items) float32: row of a history item, columns its neighbours."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Sessions as a matrix and by item, the neighbours; sessions of the data count like as many interactions."""
        return 64 * n_items + 24 * n_items * min(self.config.neighbors, n_items) + (MATRIX_BYTES + 24) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Pairs of items in the same session, here a history, all items for each, a few additions for a seen one."""
        fit = 2e-9 * n_interactions**2 / max(n_users, 1) + 1.5e-4 * n_items + 3e-9 * n_items**2
        lists = seconds_of_lists(n_interactions, n_items, self.config.neighbors)
        return super().seconds(n_users, n_items, n_interactions) + fit + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Count shared sessions, item by item."""
        visits = visits_of(train)
        by_item = visits.T.tocsr()
        by_item.sort_indices()
        counts, columns, rows = [], [], []
        for item in range(train.n_items):
            entries = slice(by_item.indptr[item], by_item.indptr[item + 1])
            found, count = most_shared(
                visits[by_item.indices[entries]].indices, item, self.config.neighbors, train.n_items
            )
            rows.append(np.full(len(found), item))
            columns.append(found)
            counts.append(count)
        place = np.concatenate(rows), np.concatenate(columns)
        self.shared = sparse.csr_array((np.concatenate(counts), place), shape=(train.n_items, train.n_items))
        self.shared.sort_indices()

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items); -inf for what is not listed without `fill`."""
        scores = self.lifted((self._newest(users) @ self.shared).toarray())
        rest = scores <= 0
        if self.config.fill:
            # Below the least of the counts, which is 1 where time plays no part.
            behind = np.broadcast_to(self.popularity / (2 * max(self.popularity.max(), 1)), scores.shape)
            if self.timed:
                behind = behind * np.where(rest, 1, scores).min(axis=1, keepdims=True)
            scores[rest] = behind[rest]
            return self.fall_back(scores, users)
        seen = users.seen
        left = ~rest
        left[np.repeat(np.arange(len(users)), np.diff(seen.indptr)), seen.indices] = False
        scores[rest] = -np.inf
        scores[~left.any(axis=1)] = self.popularity
        return scores

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """How many sessions each item of the history shares with these; nothing speaks for one that fills a list."""
        newest = self._newest(users)[[0]]
        parts = self.lifted(self.shared[newest.indices][:, items].toarray(), items).T
        return Explanation(newest.indices, parts * newest.data, additive=True)

    def _newest(self, users: UserBatch) -> sparse.csr_array:
        """Ones at the newest `last` items of each history, or its weights where all of it counts, (n, n_items)."""
        if self.config.last is None:
            return self.history(users)
        indptr, items = positives_in_time(users.source)
        stop = indptr[users.rows + 1]
        length = np.minimum(stop - indptr[users.rows], self.config.last)
        pointers = np.concatenate([[0], np.cumsum(length)])
        place = np.arange(pointers[-1]) - np.repeat(pointers[1:] - stop, length)
        ones = np.ones(len(place), dtype=np.float32)
        newest = sparse.csr_array((ones, items[place], pointers), shape=(len(users), len(self.popularity)))
        newest.sum_duplicates()
        newest.data[:] = 1
        return newest


def visits_of(train: Interactions) -> sparse.csr_array:
    """Ones where a session, or where there are none a user's history, has an item: (n_sessions, n_items).

    A row's items are in the order in which they were first seen, rows in the order of their first view.
    """
    if train.sessions is None:
        indptr, items = positives_in_time(train)
        rows = np.repeat(np.arange(train.n_users), np.diff(indptr))
    else:
        _, first, code = np.unique(train.sessions["session"], return_index=True, return_inverse=True)
        rows = np.argsort(np.argsort(first))[code]
        order = np.argsort(rows, kind="stable")
        rows, items = rows[order], train.sessions["item"].to_numpy()[order]
    once = np.sort(np.unique(rows.astype(np.int64) * train.n_items + items, return_index=True)[1])
    pointers = np.concatenate([[0], np.cumsum(np.bincount(rows[once], minlength=1))])
    ones = np.ones(len(once), dtype=np.float32)
    return sparse.csr_array((ones, items[once].astype(np.int32), pointers), shape=(len(pointers) - 1, train.n_items))


def positives_in_time(source: Interactions) -> tuple[IntArray, IntArray]:
    """Every user's positives, oldest first: (indptr of n_users + 1, items)."""
    if source.positive.all():
        return source.sequences
    order = in_time(source.timestamp, len(source))
    order = order[source.positive[order]]
    order = order[np.argsort(source.user[order], kind="stable")]
    counts = np.bincount(source.user[order], minlength=source.n_users)
    return np.concatenate([[0], np.cumsum(counts)]), source.item[order]


def most_shared(seen: IntArray, item: int, k: int, n_items: int) -> tuple[IntArray, FloatArray]:
    """The k items that stand most often in `seen`, but `item` itself, and a score for each.

    seen: the items of all sessions with `item`, one session after another. The score is the count, a representable
    step lower for each equal count seen before, so that equal counts keep the order in which they were first seen.
    """
    counts, first = np.bincount(seen, minlength=n_items), np.empty(n_items, dtype=np.int64)
    first[seen[::-1]] = np.arange(len(seen))[::-1]  # of an item that comes again, the last one written stays
    counts[item] = 0
    found = np.flatnonzero(counts)
    found = found[np.lexsort((first[found], -counts[found]))[:k]]
    count = counts[found].astype(np.float32)
    place = np.arange(len(found))
    began = np.maximum.accumulate(np.where(np.diff(count, prepend=np.inf) != 0, place, 0))
    return found, count - (place - began).astype(np.float32) * np.spacing(count)

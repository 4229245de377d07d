"""Markov: what is taken right after the items taken last."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs, Recommender
from recsys.models.explanation import Explanation
from recsys.models.space import Between
from recsys.training.run import FitRun


class Markov(Recommender):
    """The chance that an item follows those of the history, the last one counting most.

    An item follows another where a user takes it at most `window` steps later, and counts one over the steps. With
    n(i, j) the count and p(j) the share of all positives that are j, the chance is
    (n(i, j) + shrinkage · p(j)) / (n(i) + shrinkage): what rests on little goes towards popularity. The items of the
    history are weighed by `decay` to the power of their place from the end (0: the last item alone; 1: all alike).
    Rendle et al., "Factorizing Personalized Markov Chains for Next-Basket Recommendation", WWW 2010, section 4.1, is
    the chain of first order: `window: 1`, `decay: 0`.
    Only positives count, in the order of time. A new user is served by the history alone, exactly; a user without one
    gets popularity.
    """

    class Config(ModelConfig):
        name: Literal["markov"] = "markov"
        decay: Annotated[float, Field(ge=0, le=1), Between(0.0, 1.0)] = 0.8
        window: Annotated[PositiveInt, Between(1, 30, log=True)] = 10
        shrinkage: Annotated[NonNegativeFloat, Between(0.1, 1000.0, log=True)] = 30.0

    needs = Needs(history=True, timestamps=True)
    pair_seconds = 1.3e-8
    state = ("follows", "share", "backed")
    strangers_alike = True
    follows: sparse.csr_array
    """n(i, j) / (n(i) + shrinkage), (n_items, n_items) float32: from i, in its row, to j; zero diagonal."""
    share: FloatArray
    """p(j), (n_items,) float32."""
    backed: FloatArray
    """shrinkage / (n(i) + shrinkage), (n_items,) float32: how far each item leaves it to popularity."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """The rows in order, and every pair of steps at worst as a transition of its own, twice."""
        pairs = min(n_interactions * self.config.window, n_items**2)
        return (MATRIX_BYTES + 24) * n_interactions + 24 * pairs

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Every pair of steps, and the transitions from every item of every history."""
        pairs = min(n_interactions * self.config.window, n_items**2)
        lists = 1.2e-9 * n_interactions * pairs / max(n_items, 1)
        return super().seconds(n_users, n_items, n_interactions) + 1e-7 * n_interactions * self.config.window + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Count what follows what."""
        indptr, items = positives(train).sequences
        user = np.repeat(np.arange(train.n_users), np.diff(indptr))
        n_items = train.n_items
        counts = sparse.csr_array((n_items, n_items), dtype=np.float32)
        for step in range(1, min(self.config.window, max(len(items) - 1, 1)) + 1):
            same = (user[step:] == user[:-step]) & (items[step:] != items[:-step])
            pair = (items[:-step][same], items[step:][same])
            counts += sparse.csr_array((np.full(len(pair[0]), 1 / step, np.float32), pair), shape=counts.shape)
        total = counts.sum(axis=1) + self.config.shrinkage
        inverse = 1 / np.where(total > 0, total, 1)
        self.follows = sparse.csr_array(counts * inverse[:, None].astype(np.float32))
        self.share = (train.popularity / train.popularity.sum()).astype(np.float32)
        self.backed = (self.config.shrinkage * inverse).astype(np.float32)

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        recent = self._recent(users)
        scores = (recent @ self.follows).toarray()
        scores += (recent @ self.backed)[:, None] * self.share
        return self.fall_back(scores, users)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the score: its chance to be followed by these, times its weight."""
        history, recent = users.history[[0]].indices, self._recent(users)[[0]]
        chance = self.follows[history][:, items].toarray() + self.backed[history, None] * self.share[items]
        return Explanation(history, (chance * recent.toarray()[0, history, None]).T, additive=True)

    def _recent(self, users: UserBatch) -> sparse.csr_array:
        """The weights of the items of each history, which sum to 1, (len(users), n_items) float32."""
        indptr, items = positives(users.source).sequences
        counts = np.diff(indptr)[users.rows]
        row = np.repeat(np.arange(len(users)), counts)
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        from_end = np.repeat(counts, counts) - 1 - place
        weight = np.power(self.config.decay, from_end, dtype=np.float64)
        weight /= np.bincount(row, weights=weight, minlength=len(users))[row]
        item = items[np.repeat(indptr[users.rows], counts) + place]
        kept = weight > 0
        entries = (weight[kept].astype(np.float32), (row[kept], item[kept]))
        return sparse.csr_array(entries, shape=(len(users), users.source.n_items))


def positives(source: Interactions) -> Interactions:
    """The interactions that are positives; the same object where all are."""
    kept = source.positive
    if kept.all():
        return source
    return replace(
        source,
        user=source.user[kept],
        item=source.item[kept],
        value=None if source.value is None else source.value[kept],
        timestamp=None if source.timestamp is None else source.timestamp[kept],
        positive=source.positive[kept],
        weight=source.weight[kept],
    )

"""Time in a model: old interactions count less, items taken of late count more."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import DAY, Interactions, UserBatch
from recsys.models.base import ModelConfig, Recommender
from recsys.models.space import Between, OneOf
from recsys.training.run import FitRun

# Where users share no clock, all training rows are taken to span so many days.
SPAN = 365.0
# What is older than this many half-lives still weighs a millionth: no user and no item vanishes.
MOST_HALVINGS = 20.0


class TimedConfig(ModelConfig):
    """Settings of a model that knows of time; as they are it knows nothing of it."""

    half_life_days: Annotated[PositiveFloat | None, OneOf(None, 7.0, 30.0, 90.0, 365.0, 1000.0, of_time=True)] = None
    recency: Annotated[NonNegativeFloat, OneOf(0.0, 0.5, 1.0, 2.0, of_time=True)] = 0.0
    recency_half_life_days: Annotated[PositiveFloat, Between(1.0, 1000.0, log=True, of_time=True)] = 30.0


class TimedRecommender(Recommender):
    """A recommender that reads histories, with two ways of minding time.

    `half_life_days`: an interaction weighs half as much for every half-life before the newest training row, where the
    model is fitted; before the newest one of the same user, where a history is read, so that what a user took last
    always counts in full (Ding and Li, "Time Weight Collaborative Filtering", CIKM 2005). A history whose rows have no
    times is read in full. Where users share no clock, age at the fit is the place among the training rows, which are
    taken to span a year.

    `recency`: a score is multiplied by ((1 + recent) / (1 + all)) ** recency: an item's positives in training, each
    halved for every `recency_half_life_days` of its age, over all of them. What a model has learned of an item counts
    as much as the item is of today: the correction of a classifier for priors that have moved (Saerens et al.,
    "Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural Computation 2002).
    """

    item_vectors: FloatArray
    lift: FloatArray
    """What `recency` multiplies scores by, (n_items,) float32, at most 1; there only where it is on."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        if self.config.recency:
            self.state = (*self.state, "lift")  # type: ignore[misc]

    def learn(self, train: Interactions, run: FitRun) -> None:
        """Fit on rows that weigh less with age."""
        settings = self.config
        if settings.recency:
            self.lift = lift_of(train, settings.recency_half_life_days, settings.recency)
        if settings.half_life_days is not None:
            decay = np.exp2(-np.minimum(half_lives(train, settings.half_life_days), MOST_HALVINGS))
            train = replace(train, weight=(train.weight * decay).astype(np.float32))
        super().learn(train, run)

    @property
    def timed(self) -> bool:
        """Whether time plays any part."""
        return self.config.half_life_days is not None or self.config.recency > 0

    def history(self, users: UserBatch) -> sparse.csr_array:
        """Weights of each user's positives as this model reads them, (n, n_items)."""
        half_life, source = self.config.half_life_days, users.source
        if half_life is None or source.timestamp is None or source.clock != "time":
            return users.history
        history, ages = users.history, source.ages[users.rows]
        weights = history.data * np.exp2(-np.minimum(ages.data / np.float32(half_life), MOST_HALVINGS))
        return sparse.csr_array((weights.astype(np.float32), history.indices, history.indptr), shape=history.shape)

    def lifted(self, scores: FloatArray, items: IntArray | slice = slice(None)) -> FloatArray:
        """Scores of these items, (..., len(items)), multiplied by what the recency of each is worth."""
        return scores * self.lift[items] if self.config.recency else scores

    @property
    def own_vectors(self) -> FloatArray:
        """Of a model whose item vectors hold the lift: these without it, with which a history is read."""
        return self._unlifted if self.config.recency else self.item_vectors

    @cached_property
    def _unlifted(self) -> FloatArray:
        return self.item_vectors / self.lift[:, None]


def half_lives(train: Interactions, days: float, share: float | None = None) -> FloatArray:
    """Age of each row, (n,), in half-lives of so many days before the newest row.

    Where users share no clock, age is place: without timestamps the share of all rows that come later, with only each
    user's own order the share of that user's rows. share: its half-life; None: what `days` are of a year.
    """
    n = len(train)
    share = days / SPAN if share is None else share
    if train.timestamp is None:
        return (np.arange(n)[::-1] / n) / share
    if train.clock == "time":
        return (train.timestamp.max() - train.timestamp) / DAY / days
    order = np.lexsort((train.timestamp, train.user))
    counts = np.bincount(train.user, minlength=train.n_users)
    ends = np.cumsum(counts)
    later = np.empty(n)
    later[order] = np.repeat(ends, counts) - np.arange(n) - 1
    return later / counts[train.user] / share


def recent_counts(train: Interactions, ages: FloatArray) -> FloatArray:
    """Positives of each item, each halved for every half-life of its age, (n_items,). ages: (n,) in half-lives."""
    kept = train.positive
    return np.bincount(train.item[kept], weights=np.exp2(-ages)[kept], minlength=train.n_items).astype(np.float64)


def lift_of(train: Interactions, days: float, power: float) -> FloatArray:
    """((1 + recent) / (1 + all positives)) ** power of each item, (n_items,) float32."""
    recent = recent_counts(train, half_lives(train, days))
    return (((1 + recent) / (1 + train.popularity)) ** power).astype(np.float32)

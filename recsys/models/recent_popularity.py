"""Recent popularity: the items that users took lately, for everybody."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from recsys.config import FloatArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import ModelConfig, Needs, Recommender, spread
from recsys.models.recency import half_lives, recent_counts
from recsys.models.space import Between
from recsys.training.run import FitRun


class RecentPopularity(Recommender):
    """Positives an item has in training, each worth half as much for every half-life before the newest training row.

    Where users share no clock, age is not days but place: without timestamps the share of all rows that come later,
    with only each user's own order the share of that user's rows; it halves every `half_life_share`.
    """

    class Config(ModelConfig):
        name: Literal["recent-popularity"] = "recent-popularity"
        half_life_days: Annotated[PositiveFloat, Between(0.5, 730.0, log=True)] = 30.0
        half_life_share: Annotated[float, Field(gt=0, le=1), Between(0.01, 1.0, log=True)] = 0.1

    needs = Needs(timestamps=True)
    state = ("recent",)
    strangers_alike = True
    recent: FloatArray
    """Decayed counts, (n_items,) float32."""

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Count positives by age."""
        ages = half_lives(train, self.config.half_life_days, self.config.half_life_share)
        self.recent = recent_counts(train, ages).astype(np.float32)

    def scores(self, users: UserBatch) -> FloatArray:
        """The same decayed counts for every user, (len(users), n_items)."""
        return spread(self.recent, len(users))

"""Popularity: the items that most users have taken, for everybody."""

from __future__ import annotations

from typing import Literal

from recsys.config import FloatArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import ModelConfig, Recommender, spread
from recsys.training.run import FitRun


class Popularity(Recommender):
    """Positives an item has in training; a control that every personalised model has to beat."""

    class Config(ModelConfig):
        name: Literal["popularity"] = "popularity"

    control = True
    strangers_alike = True

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Nothing to learn beyond the counts that every model keeps."""

    def scores(self, users: UserBatch) -> FloatArray:
        """The same counts for every user, (len(users), n_items)."""
        return spread(self.popularity, len(users))

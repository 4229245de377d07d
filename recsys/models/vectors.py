"""Models whose score is a product of a user's and an item's vector."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import UserBatch
from recsys.models.base import Recommender
from recsys.models.explanation import Explanation

# Below any score that a fit reaches.
LAST = -1e6


class VectorRecommender(Recommender):
    """score(u, i) = user vector · item vector + item bias: what an index of vectors can search.

    A user without any history gets popularity.
    """

    strangers_alike = True

    item_vectors: FloatArray
    """(n_items, embedding_size) float32."""
    item_biases: FloatArray
    """(n_items,) float32."""

    @abstractmethod
    def user_vectors(self, users: UserBatch) -> FloatArray:
        """(len(users), embedding_size) float32."""

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        scores = self.user_vectors(users) @ self.item_vectors.T
        scores += self.item_biases
        return self.fall_back(scores, users)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """How near each item of the history is to each of these: the cosine of their vectors."""
        return nearness(self.item_vectors, users, items)

    def put_last(self, unseen: IntArray) -> None:
        """Put items of which nothing was learned, whose vectors are zero, behind all others.

        unseen: (n,) items without a positive in training; those whose features give them a vector stay where they are.
        """
        nothing = unseen[~self.item_vectors[unseen].any(axis=1)]
        self.item_biases[nothing] = LAST


def nearness(item_vectors: FloatArray, users: UserBatch, items: IntArray) -> Explanation:
    """How near each item of the one user's history is to each of these: the cosine of their vectors."""
    history = users.history[[0]].indices
    units = unit(item_vectors)
    return Explanation(history, units[items] @ units[history].T, additive=False)


def unit(vectors: FloatArray) -> FloatArray:
    """The vectors with length 1, (n, size); one that is zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

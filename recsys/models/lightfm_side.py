"""What LightFM learns of users, or of items: taken from it, and given back where it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse

from recsys.config import BoolArray, FloatArray
from recsys.data.dataset import Entities
from recsys.models.vectors import LAST

if TYPE_CHECKING:
    from lightfm import LightFM


@dataclass(frozen=True, eq=False)
class Side:
    """What is known of users, or of items.

    rows: (n, size + 3) float32: vector and bias, those of the features included, and how far the squared gradients of
    each have added up, which shortens its steps (one mean for the vector: as good on ML-100K as each of its parts).
    features: (n_features, size + 3), the same of each feature. names: of the features.
    """

    entities: Entities
    rows: FloatArray
    features: FloatArray
    names: list[str]


class Lesson:
    """One fit of a LightFM model as one side sees it.

    kind: the side. before: what is known of it. entities: whom the rows are about. taught: (n,) which of them have a
    positive. of: their features for LightFM, None where they are not wanted.
    """

    def __init__(
        self, kind: Literal["user", "item"], before: Side, entities: Entities, taught: BoolArray, wanted: bool
    ) -> None:
        self.kind, self.before, self.entities, self.taught = kind, before, entities, taught
        self.of: sparse.csr_matrix | None = None
        self.names: list[str] = []
        if wanted:
            self.of, self.names = with_features(entities, before.names)
        self.known = before.entities.positions(entities.ids)
        here = self.known >= 0
        # Of an item that came last nothing was learned.
        self.known[here] = np.where(before.rows[self.known[here], -3] == LAST, -1, self.known[here])

    def begin(self, model: LightFM) -> None:
        """Put what is known in the place of what the model has drawn."""
        n, n_features = len(self.entities), len(self.before.features)
        here = np.flatnonzero(self.known >= 0)
        rows = self.before.rows[self.known[here]]
        if self.of is not None:
            rows[:, :-2] -= self.of[here][:, n : n + n_features] @ self.before.features[:, :-2]
        for places, values in ((here, rows), (n + np.arange(n_features), self.before.features)):
            self._part(model, "embeddings")[places] = values[:, :-3]
            self._part(model, "biases")[places] = values[:, -3]
            self._part(model, "embedding_gradients")[places] = values[:, -2, None]
            self._part(model, "bias_gradients")[places] = values[:, -1]

    def end(self, model: LightFM) -> Side:
        """What is known now that the model has learned: of those without a positive what was known before."""
        n = len(self.entities)
        self._part(model, "embeddings")[:n][~self.taught] = 0
        sums = self._part(model, "embedding_gradients").mean(axis=1), self._part(model, "bias_gradients")
        every = np.column_stack([self._part(model, "embeddings"), self._part(model, "biases"), *sums])
        rows = every[:n]
        if self.of is not None:
            rows = np.column_stack([self.of @ every[:, :-2], rows[:, -2:]])
        idle = ~self.taught & (self.known >= 0)
        rows[idle] = self.before.rows[self.known[idle]]
        entities = self.entities
        if len(self.before.entities):
            entities, here = merged(self.before.entities, self.entities), rows
            rows = np.empty((len(entities), rows.shape[1]), dtype=np.float32)
            rows[entities.positions(self.before.entities.ids)] = self.before.rows
            rows[entities.positions(self.entities.ids)] = here
        return Side(entities, rows, every[n:], self.names)

    def _part(self, model: LightFM, name: str) -> FloatArray:
        return getattr(model, f"{self.kind}_{name}")


def with_features(entities: Entities, known: list[str]) -> tuple[sparse.csr_matrix, list[str]]:
    """Each entity's own indicator and beside it its features, which sum to 1, and the names of these.

    known: names of features that come first, as in `one_hot`.
    """
    from recsys.data.features import one_hot

    features, names = one_hot(entities, normalize=True, known=known)
    both = sparse.hstack([sparse.eye_array(len(entities), dtype=np.float32), features], format="csr")
    # LightFM takes 32-bit indices alone.
    parts = (both.data, both.indices.astype(np.int32), both.indptr.astype(np.int32))
    return sparse.csr_matrix(parts, shape=both.shape), names


def merged(known: Entities, newer: Entities) -> Entities:
    """All of both in the order of ids, which are strings unless all are integers; features as the newer have them."""
    import pandas as pd

    parts = [newer.ids, known.ids]
    if any(part.dtype == object for part in parts):
        parts = [np.array([str(one) for one in part], dtype=object) for part in parts]
    ids, first = np.unique(np.concatenate(parts), return_index=True)
    features = pd.concat([newer.features, known.features], ignore_index=True).iloc[first].reset_index(drop=True)
    return Entities(ids, features, known.kinds | newer.kinds)

"""LightFM with the WARP loss: factors trained so that positives rank before sampled items."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray
from recsys.data.dataset import Entities
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import RunError
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs
from recsys.models.fold_in import fold_in, profiles, ridge_map
from recsys.models.space import Between
from recsys.models.vectors import VectorRecommender
from recsys.training.run import FitRun, Progress


class LightFmWarp(VectorRecommender):
    """Factorisation that takes a step wherever a sampled item scores above a positive, larger the sooner one is found.

    Kula, "Metadata Embeddings for User and Item Cold-start Recommendations", CBRecSys 2015; Weston et al., "WSABIE",
    IJCAI 2011. With features, a user or item is the sum of its own vector and those of its features.
    A new user's vector is a linear map of the item vectors in the history, learned from the training users after the
    fit; a user without a history gets popularity. Without item features an item unseen in training comes last, with
    them it is the sum of its features. One thread fits the same model every time; `parallel` takes all the run has,
    and no two fits are then equal.
    """

    class Config(ModelConfig):
        name: Literal["lightfm-warp"] = "lightfm-warp"
        embedding_size: Annotated[PositiveInt, Between(16, 256, log=True)] = 64
        epochs: Annotated[PositiveInt, Between(10, 120, log=True)] = 60
        learning_rate: Annotated[PositiveFloat, Between(0.005, 0.1, log=True)] = 0.02
        regularization: Annotated[NonNegativeFloat, Between(1e-7, 1e-3, log=True)] = 1e-5
        max_sampled: Annotated[PositiveInt, Between(5, 50, log=True)] = 10
        user_features: bool = False
        item_features: bool = False
        parallel: bool = False

    needs = Needs(user=True)
    state = ("vectors", "item_vectors", "item_biases", "fold_map")
    stochastic = True
    vectors: FloatArray
    """Of the training users, (n_users, embedding_size) float32."""
    fold_map: FloatArray
    """(embedding_size + 1, embedding_size): from `profiles` to user vectors."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Embeddings, their squared gradients and momenta, the result; LightFM's copies of the matrix."""
        rows = n_users + n_items
        return 4 * rows * (self.config.embedding_size + 1) * 5 + 24 * rows + (MATRIX_BYTES + 24) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Every row in every epoch."""
        row = 4e-7 + 2.5e-8 * self.config.embedding_size
        return super().seconds(n_users, n_items, n_interactions) + row * self.config.epochs * n_interactions

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Train for all epochs; LightFM is stepped epoch by epoch."""
        from lightfm import LightFM

        settings = self.config
        model = LightFM(
            no_components=settings.embedding_size,
            loss="warp",
            learning_rate=settings.learning_rate,
            item_alpha=settings.regularization,
            user_alpha=settings.regularization,
            max_sampled=settings.max_sampled,
            random_state=run.seed % 2**32,
        )
        weights = train.matrix.tocoo()
        weights = sparse.coo_matrix((weights.data, weights.coords), shape=weights.shape)
        ones = sparse.coo_matrix((np.ones_like(weights.data), (weights.row, weights.col)), shape=weights.shape)
        of_users = with_features(train.users, settings.user_features)
        of_items = with_features(train.items, settings.item_features)
        arguments: dict[str, Any] = {
            "user_features": of_users,
            "item_features": of_items,
            "sample_weight": None if train.binary else weights,
            "num_threads": run.threads if settings.parallel else 1,
        }
        for epoch in range(1, settings.epochs + 1):
            try:
                model.fit_partial(ones, epochs=1, **arguments)
            except ValueError as error:
                if "finite" not in str(error):
                    raise
                remedy = f"lower learning_rate (now {settings.learning_rate:g})"
                raise RunError(f"model '{settings.name}'", f"{error} (epoch {epoch})", remedy) from error
            run.tell(Progress(epoch, settings.epochs))
        self.best_epoch = settings.epochs
        unseen = np.flatnonzero(train.popularity == 0)
        model.item_embeddings[unseen] = 0
        self.vectors = model.user_embeddings if of_users is None else of_users @ model.user_embeddings
        self.item_vectors = model.item_embeddings if of_items is None else of_items @ model.item_embeddings
        self.item_biases = model.item_biases if of_items is None else of_items @ model.item_biases
        self.put_last(unseen)
        self.fold_map = ridge_map(profiles(train.matrix, self.item_vectors), self.vectors)

    def user_vectors(self, users: UserBatch) -> FloatArray:
        """Own vectors of known users, folded in ones of others, (len(users), embedding_size)."""
        return fold_in(self.vectors[users.index], users, self.item_vectors, self.fold_map)


def with_features(entities: Entities, wanted: bool) -> sparse.csr_matrix | None:
    """Each entity's own indicator and beside it its features, which sum to 1; None where they are not wanted."""
    if not wanted:
        return None
    from recsys.data.features import one_hot

    features, _ = one_hot(entities, normalize=True)
    both = sparse.hstack([sparse.eye_array(len(entities), dtype=np.float32), features], format="csr")
    # LightFM takes 32-bit indices alone.
    parts = (both.data, both.indices.astype(np.int32), both.indptr.astype(np.int32))
    return sparse.csr_matrix(parts, shape=both.shape)

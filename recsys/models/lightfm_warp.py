"""LightFM with the WARP loss: factors trained so that positives rank before sampled items."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import RunError
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs
from recsys.models.fold_in import fold_in, moments, profiles, ridge_solution
from recsys.models.lightfm_side import Lesson, Side
from recsys.models.requirements import require_data, require_memory
from recsys.models.space import Between
from recsys.models.vectors import VectorRecommender
from recsys.training.run import FitRun, Progress

if TYPE_CHECKING:
    from lightfm import LightFM


class LightFmWarp(VectorRecommender):
    """Factorisation that takes a step wherever a sampled item scores above a positive, larger the sooner one is found.

    Kula, "Metadata Embeddings for User and Item Cold-start Recommendations", CBRecSys 2015; Weston et al., "WSABIE",
    IJCAI 2011. With features, a user or item is the sum of its own vector and those of its features.
    A new user's vector is a linear map of the item vectors in the history, learned from the training users after the
    fit; a user without a history gets popularity. Without item features an item unseen in training comes last, with
    them it is the sum of its features. One thread fits the same model every time; `parallel` takes all the run has,
    and no two fits are then equal. `partial_fit` goes on from a model that is fitted or loaded.
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
    state = (
        *("vectors", "item_vectors", "item_biases", "fold_map", "fold_moments"),
        *("user_sums", "user_feature_rows", "user_names", "item_sums", "item_feature_rows", "item_names"),
    )
    stochastic = True
    libraries = ("lightfm",)
    vectors: FloatArray
    """Of the training users, (n_users, embedding_size) float32."""
    fold_map: FloatArray
    """(embedding_size + 1, embedding_size): from `profiles` to user vectors."""
    fold_moments: FloatArray
    """What `fold_map` was learned from, as `moments` has it."""
    user_sums: FloatArray
    item_sums: FloatArray
    """What `partial_fit` goes on from: the last two columns of the rows of a `Side`, (n, 2)."""
    user_feature_rows: FloatArray
    item_feature_rows: FloatArray
    """The features of a `Side`."""
    user_names: NDArray[np.uint8]
    item_names: NDArray[np.uint8]
    """The names of a `Side`, a JSON list in UTF-8."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Embeddings, their squared gradients and momenta, the result; LightFM's copies of the matrix."""
        rows = n_users + n_items
        return 4 * rows * (self.config.embedding_size + 1) * 5 + 24 * rows + (MATRIX_BYTES + 24) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Every row in every epoch."""
        row = 4e-7 + 2.5e-8 * self.config.embedding_size
        return super().seconds(n_users, n_items, n_interactions) + row * self.config.epochs * n_interactions

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Train for all epochs."""
        size, nobody = self.config.embedding_size, np.empty(0, dtype=np.int64)
        nothing = np.empty((0, size + 3), dtype=np.float32)
        self.fold_moments = np.zeros((size + 1, 2 * size + 1))
        users, items = (Side(side.take(nobody), nothing, nothing, []) for side in (train.users, train.items))
        self._go_on(users, items, train, run, self.config.epochs)

    def partial_fit(self, train: Interactions, run: FitRun, epochs: int | None = None) -> None:
        """Go on from what was learned with newer rows, for so many epochs over them, else those of the settings.

        train: the newer rows, in codes of their own. Afterwards `users` and `items` hold those known before and those
        new in it, in the order of ids; whoever and whatever has no positive in it stays as it was. What a user took
        before may stand against what the user takes now: give the older rows of its users, too, where they are at hand.

        Raises InputError as `learn` does, and RunError where the steps are too large.
        """
        require_data(self, train)
        require_memory(self, train)
        biases, known = np.zeros(len(self.users), np.float32), (self.items, self.popularity)
        user_rows = np.column_stack([self.vectors, biases, self.user_sums])
        item_rows = np.column_stack([self.item_vectors, self.item_biases, self.item_sums])
        users = Side(self.users, user_rows, self.user_feature_rows, json.loads(bytes(self.user_names)))
        items = Side(self.items, item_rows, self.item_feature_rows, json.loads(bytes(self.item_names)))
        self._go_on(users, items, train, run, self.config.epochs if epochs is None else epochs)
        self.popularity = np.zeros(len(self.items), np.float32)
        for entities, popularity in (known, (train.items, train.popularity)):
            self.popularity[self.items.positions(entities.ids)] += popularity

    def _go_on(self, users: Side, items: Side, train: Interactions, run: FitRun, epochs: int) -> None:
        """Learn from these rows, beginning with what is known."""
        settings, size = self.config, self.config.embedding_size
        has_positives = np.diff(train.matrix.indptr) > 0
        of_users = Lesson("user", users, train.users, has_positives, settings.user_features)
        of_items = Lesson("item", items, train.items, train.popularity > 0, settings.item_features)
        model = self._stepped(train, run, of_users, of_items, epochs)
        self.best_epoch = epochs
        users, items = of_users.end(model), of_items.end(model)
        self.users, self.items = users.entities, items.entities
        self.vectors = np.ascontiguousarray(users.rows[:, :size])
        self.item_vectors = np.ascontiguousarray(items.rows[:, :size])
        self.item_biases = items.rows[:, size].copy()
        self.user_sums, self.item_sums = users.rows[:, size + 1 :].copy(), items.rows[:, size + 1 :].copy()
        self.user_feature_rows, self.item_feature_rows = users.features, items.features
        self.user_names, self.item_names = (
            np.frombuffer(json.dumps(side.names).encode(), np.uint8) for side in (users, items)
        )
        self.put_last(np.arange(len(self.items)))
        inputs = profiles(train.matrix, self.item_vectors[self.items.positions(train.items.ids)])
        outputs = self.vectors[self.users.positions(train.users.ids)]
        self.fold_moments = self.fold_moments + moments(inputs, outputs)
        self.fold_map = ridge_solution(self.fold_moments)

    def _stepped(self, train: Interactions, run: FitRun, users: Lesson, items: Lesson, epochs: int) -> LightFM:
        """LightFM after so many epochs, of which each is told."""
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
        arguments: dict[str, Any] = {
            "user_features": users.of,
            "item_features": items.of,
            "sample_weight": None if train.binary else weights,
            "num_threads": run.threads if settings.parallel else 1,
        }
        # Draws the first vectors and learns nothing yet.
        model.fit_partial(ones, epochs=0, **arguments)
        users.begin(model)
        items.begin(model)
        for epoch in range(1, epochs + 1):
            try:
                model.fit_partial(ones, epochs=1, **arguments)
            except ValueError as error:
                if "finite" not in str(error):
                    raise
                remedy = f"lower learning_rate (now {settings.learning_rate:g})"
                raise RunError(f"model '{settings.name}'", f"{error} (epoch {epoch})", remedy) from error
            run.tell(Progress(epoch, epochs))
        return model

    def user_vectors(self, users: UserBatch) -> FloatArray:
        """Own vectors of known users, folded in ones of others, (len(users), embedding_size)."""
        return fold_in(self.vectors[users.index], users, self.item_vectors, self.fold_map)

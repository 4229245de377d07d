"""Two-tower: a user vector and an item vector, learned so that their product ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from scipy import sparse

from recsys.config import FloatArray, wrong
from recsys.data.dataset import Entities
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import InputError
from recsys.models.base import MATRIX_BYTES, Needs
from recsys.models.described import features_of
from recsys.models.learning import learn, shape_of
from recsys.models.recency import TimedConfig, TimedRecommender
from recsys.models.space import Between, OneOf
from recsys.models.vectors import VectorRecommender, unit
from recsys.training.run import FitRun

if TYPE_CHECKING:
    from recsys.models.networks.two_tower import TwoTowerNetwork


class TwoTower(TimedRecommender, VectorRecommender):
    """A tower that pools the history into a user vector, a tower that gives each item one; the score is their product.

    Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016 (the pooled history); Yi et al.,
    "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019 (the loss).
    `loss`: softmax over the items of the batch, corrected for how often each is there, or bce with `negatives` items a
    positive. `sampling` says how these are drawn: uniform; popularity, in proportion to how many have them; in-batch,
    from what the users of the batch have; hard, those that score highest of four times as many uniform ones.
    `held_out` is the share of a history that an epoch predicts from the rest. With `normalize` vectors have length 1:
    the score is their cosine over `temperature`. `batch_size` counts users. `history: false` leaves the pooled history
    out: a user is the id, the features, or both, an epoch predicts every positive, and a user outside training gets
    popularity. Features of either side are all that `features_of` reads: categories, labels, numbers, words of texts.
    Without `item_id` an item is its features alone, one unseen in training as well as any other.
    A new user is served by the history alone, exactly, unless `user_id` or `user_features` add to it what only training
    users have; a user without a history gets popularity. Without `item_features` an item unseen in training comes last.
    """

    class Config(TimedConfig):
        name: Literal["two-tower"] = "two-tower"
        embedding_size: Annotated[PositiveInt, Between(16, 256, log=True)] = 64
        epochs: PositiveInt = 50
        learning_rate: Annotated[PositiveFloat, Between(0.01, 0.5, log=True)] = 0.1
        optimizer: Literal["adagrad", "adam"] = "adagrad"
        batch_size: Annotated[PositiveInt, OneOf(64, 128, 256, 512)] = 128
        patience: PositiveInt = 20
        loss: Literal["softmax", "bce"] = "softmax"
        negatives: PositiveInt = 10
        sampling: Literal["uniform", "popularity", "in-batch", "hard"] = "uniform"
        held_out: Annotated[float, Field(gt=0, lt=1), Between(0.2, 0.8)] = 0.5
        normalize: bool = True
        temperature: Annotated[PositiveFloat, Between(0.05, 0.5, log=True)] = 0.2
        history: bool = True
        user_id: bool = False
        user_features: bool = False
        item_id: bool = True
        item_features: bool = False

        @model_validator(mode="after")
        def _something_is_left(self) -> Self:
            if not (self.history or self.user_id or self.user_features):
                raise wrong("nothing is left that tells users apart", "turn on user_id or user_features", "history")
            if not (self.item_id or self.item_features):
                raise wrong("nothing is left that tells items apart", "turn on item_features", "item_id")
            if self.loss == "softmax" and self.sampling != "uniform":
                raise wrong("softmax draws no negatives: it takes the items of the batch", "set loss: bce", "sampling")
            return self

    needs = Needs(history=True)
    state = ("history_vectors", "item_vectors", "item_biases", "vectors")
    stochastic = True
    libraries = ("torch",)
    watches_validation = True
    history_vectors: FloatArray
    """What an item in the history adds to the user, (n_items, or 0 without history, embedding_size) float32."""
    vectors: FloatArray
    """What id and features add to a training user, (n_users or 0, embedding_size) float32."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Parameters, gradients, optimizer, best epoch and result; a batch's logits and their gradients."""
        size, batch = self.config.embedding_size, self.config.batch_size
        rows = 2 * n_items + (n_users if self.config.user_id else 0)
        sums = 2 if self.config.optimizer == "adam" else 1
        held = min(n_interactions, batch * max(1, n_interactions // max(n_users, 1)) * 2)
        drawn = held * self.config.negatives * (4 if self.config.sampling == "hard" else 1)
        drawn = drawn if self.config.loss == "bce" else 0
        tables = 4 * rows * size * (4 + sums) + 8 * held * size
        return tables + 24 * batch * min(n_items, held + drawn) + 40 * drawn + MATRIX_BYTES * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """In every epoch: every row, every logit, and the tables once a batch."""
        size, batch = self.config.embedding_size, self.config.batch_size
        candidates = min(n_items, 1 + batch * n_interactions // max(n_users, 1))
        logits = n_users * candidates * (3e-9 + 1.4e-10 * size)
        tables = (1 + n_users / batch) * (1e-3 + 3e-9 * 2 * n_items * size)
        epoch = 6e-9 * size * n_interactions + logits + tables
        return super().seconds(n_users, n_items, n_interactions) + self.config.epochs * epoch

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Train both towers together."""
        from recsys.models.networks.two_tower import Inputs, Towers, TwoTowerNetwork
        from recsys.training.loop import generator_of

        settings, generator = self.config, generator_of(run)
        features = [
            self._features(train.users, "user", alone=not (settings.history or settings.user_id)),
            self._features(train.items, "item", alone=not settings.item_id),
        ]
        towers = shape_of(Towers, settings)
        network = TwoTowerNetwork(Inputs(train.matrix, *features), towers, generator)
        unseen = np.flatnonzero(train.popularity == 0)
        self.best_epoch = learn(network, settings, train, run, generator, lambda: self._taken_from(network, unseen))

    def user_vectors(self, users: UserBatch) -> FloatArray:
        """(len(users), embedding_size), of length 1 with `normalize`."""
        vectors = np.zeros((len(users), self.item_vectors.shape[1]), dtype=np.float32)
        if self.config.history:
            history = self.history(users)
            total = history.sum(axis=1)
            vectors = (history @ self.history_vectors) / np.sqrt(np.maximum(total, 1e-12))[:, None]
        if len(self.vectors):
            known = users.index >= 0
            vectors[known] += self.vectors[users.index[known]]
        return (unit(vectors) if self.config.normalize else vectors).astype(np.float32)

    def fall_back(self, scores: FloatArray, users: UserBatch) -> FloatArray:
        """The scores with popularity for users of whom nothing is known."""
        if not self.config.history:
            scores[users.index < 0] = self.popularity
        return super().fall_back(scores, users)

    def _features(self, entities: Entities, side: Literal["user", "item"], alone: bool) -> sparse.csr_array | None:
        """What is known of all users or items, or None where it is not wanted or nothing is known.

        Raises InputError where nothing is known and their tower stands on it alone.
        """
        found = features_of(entities) if getattr(self.config, f"{side}_features") else None
        if found is not None and found.nnz:
            return found
        if alone:
            place = f"model '{self.config.row}'"
            message = f"has a tower of {side} features alone, and these data have none"
            raise InputError(place, message, f"turn on {side}_id, or name a file with features in data.{side}s")
        return None

    def _taken_from(self, network: TwoTowerNetwork, unseen: np.ndarray) -> TwoTower:
        """This model with the parameters that the network has now. unseen: items without a positive."""
        tables = {name: table.detach().cpu().numpy().copy() for name, table in network.named_parameters()}
        inputs, settings = network.inputs, self.config
        n_items = inputs.history.shape[1]
        items = np.zeros((n_items, settings.embedding_size), dtype=np.float32)
        self.item_biases = np.zeros(n_items, dtype=np.float32)
        if settings.item_id:
            items, self.item_biases = tables["items"], tables["item_biases"]
            items[unseen] = 0
            self.item_biases[unseen] = np.delete(self.item_biases, unseen).mean()
        if inputs.item_features is not None:
            # What only unseen items have has learned nothing.
            seen = np.delete(np.arange(n_items), unseen)
            having = np.bincount(inputs.item_features[seen].indices, minlength=len(tables["item_features"]))
            tables["item_features"][having == 0] = 0
            items += inputs.item_features @ tables["item_features"]
        self.vectors, self.history_vectors = tables["users"], tables["history"]
        if inputs.user_features is not None:
            of_features = inputs.user_features @ tables["user_features"]
            self.vectors = self.vectors + of_features if len(self.vectors) else of_features
        if settings.history:
            self.history_vectors[unseen] = 0
        self.item_vectors = (unit(items) if settings.normalize else items) / np.float32(settings.temperature)
        if settings.recency:
            # Scores are logarithms of chances: what multiplies a chance is added to them.
            self.item_biases += np.log(self.lift)
        self.put_last(unseen)
        return self

"""LightGCN: embeddings smoothed over the graph of users and items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs
from recsys.models.learning import learn, shape_of
from recsys.models.neighbors import TINY
from recsys.models.space import Between, OneOf
from recsys.models.vectors import VectorRecommender
from recsys.training.run import FitRun

if TYPE_CHECKING:
    from recsys.models.networks.lightgcn import LightGcnNetwork


class LightGcn(VectorRecommender):
    """A user or item is the mean of its embedding and what its neighbours, up to `layers` steps off, pass on.

    He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", SIGIR 2020, eq. 3-8.
    `loss`: sampled-softmax against `negatives` uniformly drawn items (Wu et al., "On the Effectiveness of Sampled
    Softmax Loss for Item Recommendation", TOIS 2024), or the paper's bpr with one drawn item a positive.
    `regularization` is that of the embeddings before they are passed on. `batch_size` counts positives.
    A new user is what the items of the history pass on, without an embedding of its own, which a training user has
    beside it; a user without a history gets popularity, an item unseen in training comes last.
    """

    class Config(ModelConfig):
        name: Literal["lightgcn"] = "lightgcn"
        embedding_size: Annotated[PositiveInt, Between(16, 256, log=True)] = 64
        layers: Annotated[PositiveInt, Between(1, 4)] = 2
        epochs: PositiveInt = 40
        learning_rate: Annotated[PositiveFloat, Between(0.001, 0.05, log=True)] = 0.005
        batch_size: Annotated[PositiveInt, OneOf(1024, 2048, 4096, 8192)] = 2048
        patience: PositiveInt = 10
        loss: Annotated[Literal["sampled-softmax", "bpr"], OneOf("sampled-softmax", "bpr")] = "sampled-softmax"
        negatives: PositiveInt = 256
        regularization: Annotated[NonNegativeFloat, Between(1e-6, 0.01, log=True)] = 1e-4

    needs = Needs(user=True, history=True)
    state = ("own_vectors", "history_vectors", "item_vectors", "item_biases")
    stochastic = True
    libraries = ("torch",)
    watches_validation = True
    own_vectors: FloatArray
    """The share of a training user's own embedding in its vector, (n_users, embedding_size) float32."""
    history_vectors: FloatArray
    """What an item passes on to a user who has it, before division by the root of the user's weights, (n_items,
    embedding_size) float32."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Embeddings, gradients, optimizer, best epoch, result and every layer; the graph; a batch and its logits."""
        settings = self.config
        tables = 4 * (n_users + n_items) * settings.embedding_size * (12 + 6 * settings.layers)
        batch = min(settings.batch_size, n_interactions)
        logits = 24 * settings.negatives if settings.loss == "sampled-softmax" else 0
        return tables + batch * (logits + 40 * settings.embedding_size) + (MATRIX_BYTES + 80) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """In every epoch: each positive and its negatives; all embeddings over the graph once a batch."""
        settings = self.config
        size = settings.embedding_size
        drawn = settings.negatives if settings.loss == "sampled-softmax" else 1
        batches = 1 + n_interactions / settings.batch_size
        graph = settings.layers * 4e-10 * size * n_interactions + 2e-8 * (n_users + n_items) * size
        epoch = n_interactions * (3e-8 * size + drawn * (8e-9 + 1.3e-10 * size)) + batches * graph
        return super().seconds(n_users, n_items, n_interactions) + settings.epochs * epoch

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Train the embeddings that are passed on."""
        from recsys.models.networks.lightgcn import LightGcnNetwork, Shape
        from recsys.training.loop import generator_of

        settings, generator = self.config, generator_of(run)
        shape = shape_of(Shape, settings)
        network = LightGcnNetwork(train.matrix, shape, generator)
        degree = np.sqrt(np.maximum(train.matrix.sum(axis=0), TINY)).astype(np.float32)
        unseen = np.flatnonzero(train.popularity == 0)
        self.best_epoch = learn(
            network, settings, train, run, generator, lambda: self._taken_from(network, degree, unseen)
        )

    def user_vectors(self, users: UserBatch) -> FloatArray:
        """What the history passes on, and of training users their own share, (len(users), embedding_size)."""
        total = np.sqrt(np.maximum(users.history.sum(axis=1), TINY))[:, None]
        vectors = (users.history @ self.history_vectors) / total
        known = users.index >= 0
        vectors[known] += self.own_vectors[users.index[known]]
        return vectors.astype(np.float32)

    def _taken_from(self, network: LightGcnNetwork, degree: FloatArray, unseen: IntArray) -> LightGcn:
        """This model with the embeddings that the network has now.

        degree: (n_items,) root of the sum of weights. unseen: items without a positive.
        """
        import torch

        with torch.no_grad():
            layers = torch.stack(network.propagated()).cpu().numpy()
        items = layers[:, network.n_users :]
        self.own_vectors = layers[0, : network.n_users] / np.float32(len(layers))
        self.item_vectors = items.mean(axis=0)
        self.history_vectors = items[:-1].sum(axis=0) / (np.float32(len(layers)) * degree[:, None])
        self.item_vectors[unseen] = 0
        self.history_vectors[unseen] = 0
        self.item_biases = np.zeros(len(self.item_vectors), dtype=np.float32)
        self.put_last(unseen)
        return self

"""Mult-VAE: a variational autoencoder of whole histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs
from recsys.models.learning import learn, shape_of
from recsys.models.neighbors import TINY, lengths
from recsys.models.space import Between, OneOf
from recsys.models.vectors import VectorRecommender
from recsys.training.run import FitRun

if TYPE_CHECKING:
    from recsys.models.networks.mult_vae import MultVaeNetwork


class MultVae(VectorRecommender):
    """A history is squeezed into a few numbers, from which the chances of all items to be in it are made again.

    Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018: the multinomial likelihood, a share
    `dropout` of each history left out of the input, the KL divergence with a weight that grows to `kl_weight` in
    `kl_epochs` epochs. `embedding_size` is that of the latent vector, `hidden_size` that of the layer on either side of
    it; the score is the product of the last hidden layer and an item's row of the output layer. `batch_size` counts
    users. A new user is served by the history alone, exactly; a user without one gets popularity, an item unseen in
    training comes last.
    """

    class Config(ModelConfig):
        name: Literal["mult-vae"] = "mult-vae"
        embedding_size: Annotated[PositiveInt, Between(32, 256, log=True)] = 128
        hidden_size: Annotated[PositiveInt, Between(64, 1024, log=True)] = 512
        epochs: PositiveInt = 80
        learning_rate: Annotated[PositiveFloat, Between(0.0003, 0.01, log=True)] = 0.001
        batch_size: Annotated[PositiveInt, OneOf(32, 64, 128, 256, 512)] = 64
        patience: PositiveInt = 15
        dropout: Annotated[float, Field(ge=0, lt=1), Between(0.2, 0.8)] = 0.5
        kl_weight: Annotated[NonNegativeFloat, Between(0.1, 2.0, log=True)] = 1.0
        kl_epochs: NonNegativeInt = 40

    needs = Needs(history=True)
    state = (
        "encoder",
        "encoder_biases",
        "latent",
        "latent_biases",
        "decoder",
        "decoder_biases",
        "item_vectors",
        "item_biases",
    )
    stochastic = True
    libraries = ("torch",)
    watches_validation = True
    encoder: FloatArray
    """From a history of length 1 to the first hidden layer, (n_items, hidden_size)."""
    encoder_biases: FloatArray
    latent: FloatArray
    """From there to the mean of the latent vector, (hidden_size, embedding_size)."""
    latent_biases: FloatArray
    decoder: FloatArray
    """From there to the last hidden layer, (embedding_size, hidden_size)."""
    decoder_biases: FloatArray

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Parameters, gradients, optimizer, best epoch and result; a batch's logits and their gradients."""
        settings = self.config
        parameters = settings.hidden_size * (2 * n_items + 3 * settings.embedding_size)
        return 24 * parameters + 20 * min(settings.batch_size, n_users) * n_items + MATRIX_BYTES * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """In every epoch: each logit, the hidden layer of each entry, and all parameters once a batch."""
        settings = self.config
        hidden, users = settings.hidden_size, n_users * n_items
        tables = 1.5e-9 * (1 + n_users / settings.batch_size) * 2 * hidden * (n_items + settings.embedding_size)
        epoch = users * (5e-9 + 1e-10 * hidden) + 1e-9 * hidden * n_interactions + tables
        return super().seconds(n_users, n_items, n_interactions) + settings.epochs * epoch

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Train encoder and decoder together."""
        from recsys.models.networks.mult_vae import MultVaeNetwork, Shape
        from recsys.training.loop import generator_of

        settings, generator = self.config, generator_of(run)
        shape = shape_of(Shape, settings)
        network = MultVaeNetwork(train.matrix, shape, generator)
        unseen = np.flatnonzero(train.popularity == 0)
        self.best_epoch = learn(network, settings, train, run, generator, lambda: self._taken_from(network, unseen))

    def user_vectors(self, users: UserBatch) -> FloatArray:
        """The last hidden layer, (len(users), hidden_size)."""
        length = np.maximum(lengths(users.history), TINY)[:, None]
        hidden = np.tanh((users.history @ self.encoder) / length + self.encoder_biases)
        latent = hidden @ self.latent + self.latent_biases
        return np.tanh(latent @ self.decoder + self.decoder_biases)

    def _taken_from(self, network: MultVaeNetwork, unseen: IntArray) -> MultVae:
        """This model with the parameters that the network has now. unseen: items without a positive."""
        for name, part in network.named_parameters():
            setattr(self, name, part.detach().cpu().numpy().copy())
        size = self.config.embedding_size  # the other half of the latent layer is the variance, for training alone
        self.latent, self.latent_biases = self.latent[:, :size].copy(), self.latent_biases[:size].copy()
        self.encoder[unseen] = 0
        self.item_vectors[unseen] = 0
        self.put_last(unseen)
        return self

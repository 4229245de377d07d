"""The variational autoencoder of histories as a torch module."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import Parameter

from recsys.models.neighbors import TINY, lengths, scaled
from recsys.models.networks.two_tower import bag
from recsys.training.loop import Network, shuffled

BIAS_SPREAD = 0.001


@dataclass(frozen=True)
class Shape:
    """The settings of the network; `recsys.models.mult_vae` describes them."""

    embedding_size: int
    hidden_size: int
    dropout: float
    batch_size: int
    kl_weight: float
    kl_epochs: int


class MultVaeNetwork(Network):
    """History -> hidden layer -> mean and log variance of a latent vector -> hidden layer -> a logit for every item.

    An epoch shows every user once: a random part of the history is left out of the input, and the output has to give
    all of it.
    """

    steps: Tensor
    """Steps so far, (): where the weight of the KL part stands; a resumed fit goes on from it."""

    def __init__(self, history: sparse.csr_array, shape: Shape, generator: torch.Generator) -> None:
        """history: (n_users, n_items) weights of positives."""
        super().__init__()
        self.history, self.shape = history, shape
        self.users = torch.from_numpy(np.flatnonzero(np.diff(history.indptr)))
        n_items, hidden, latent = history.shape[1], shape.hidden_size, shape.embedding_size
        self.encoder, self.encoder_biases = _layer(n_items, hidden, generator)
        self.latent, self.latent_biases = _layer(hidden, 2 * latent, generator)
        self.decoder, self.decoder_biases = _layer(latent, hidden, generator)
        item_vectors, self.item_biases = _layer(hidden, n_items, generator)
        self.item_vectors = Parameter(item_vectors.detach().T.contiguous())
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All users with positives once, in a random order."""
        for batch in shuffled(len(self.users), self.shape.batch_size, generator):
            yield self.users[batch]

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """Negative log-likelihood of the histories and the annealed KL divergence, summed over the users."""
        rows = self.history[batch.numpy()]
        kept = torch.rand(rows.nnz, generator=generator) >= self.shape.dropout
        weight = torch.from_numpy(normalized(rows).data) * kept / (1 - self.shape.dropout)
        hidden = torch.tanh(bag(rows, self.encoder, weight) + self.encoder_biases)
        mean, log_variance = (hidden @ self.latent + self.latent_biases).chunk(2, dim=1)
        noise = torch.empty(mean.shape).normal_(generator=generator).to(self.device)
        latent = mean + noise * torch.exp(log_variance / 2)
        decoded = torch.tanh(latent @ self.decoder + self.decoder_biases)
        logs = torch.log_softmax(decoded @ self.item_vectors.T + self.item_biases, dim=1)
        row = torch.from_numpy(np.repeat(np.arange(len(batch)), np.diff(rows.indptr))).to(self.device)
        column = torch.from_numpy(rows.indices).long().to(self.device)
        likelihood = (logs[row, column] * torch.from_numpy(rows.data).to(self.device)).sum()
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum() / 2
        return self._kl_weight() * divergence - likelihood, len(batch)

    def _kl_weight(self) -> Tensor:
        """Grows in equal steps until the end of epoch `kl_epochs`."""
        self.steps += 1
        whole = self.shape.kl_epochs * math.ceil(len(self.users) / (self.shape.batch_size * self.processes))
        return self.shape.kl_weight * (self.steps / max(whole, 1)).clamp(max=1)


def normalized(rows: sparse.csr_array) -> sparse.csr_array:
    """The rows with length 1."""
    return scaled(rows, 1 / np.maximum(lengths(rows), TINY), None)


def _layer(inputs: int, outputs: int, generator: torch.Generator) -> tuple[Parameter, Parameter]:
    """Weights (inputs, outputs) as Glorot and Bengio (2010) draw them, and biases near zero."""
    bound = (6 / (inputs + outputs)) ** 0.5
    weights = torch.empty(inputs, outputs).uniform_(-bound, bound, generator=generator)
    return Parameter(weights), Parameter(torch.empty(outputs).normal_(0, BIAS_SPREAD, generator=generator))

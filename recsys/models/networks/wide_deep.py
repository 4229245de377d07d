"""A linear part over crosses beside a deep part, and embeddings with a dense layer, as torch modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import Parameter

from recsys.config import IntArray
from recsys.models.networks.neural_cf import Positives, drawn_layers, dropped, uniform
from recsys.models.pairs import layers_of
from recsys.training.loop import Network, shuffled
from recsys.training.losses import sampled_softmax, uniform_softmax

SPREAD = 0.05


@dataclass(frozen=True)
class Shape:
    """The settings of the networks; `recsys.models.wide_deep` describes them."""

    embedding_size: int
    widths: tuple[int, ...]
    batch_size: int
    negatives: int
    regularization: float
    dropout: float


class WideDeepNetwork(Network):
    """Wide: a weight for every pair of a candidate and one of the items often taken with it that is in the history.
    Deep: layers over the pooled embeddings of the history beside the candidate's own. The two add up.

    A positive is left out of the history that has to predict it.
    """

    def __init__(self, matrix: sparse.csr_array, crossed: IntArray, shape: Shape, generator: torch.Generator) -> None:
        """matrix: (n_users, n_items) weights of positives. crossed: (n_items, m) items crossed with each."""
        super().__init__()
        self.matrix, self.shape, self.n_items = matrix, shape, matrix.shape[1]
        self.crossed = torch.from_numpy(crossed).long()
        size = shape.embedding_size
        self.crosses = Parameter(torch.zeros(crossed.shape))
        self.history = Parameter(torch.empty(self.n_items, size).normal_(0, SPREAD, generator=generator))
        self.items = Parameter(torch.empty(self.n_items, size).normal_(0, SPREAD, generator=generator))
        self.first = Parameter(uniform(2 * size, shape.widths[0], generator))
        self.first_biases = Parameter(torch.zeros(shape.widths[0]))
        self.layers = Parameter(drawn_layers(shape.widths, generator))
        self.output = Parameter(uniform(shape.widths[-1], 1, generator)[:, 0])
        self.item_biases = Parameter(torch.zeros(self.n_items))
        self.positives = Positives(matrix)

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All positives once, in a random order."""
        yield from shuffled(len(self.positives.user), self.shape.batch_size, generator)

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """Softmax loss of these positives against uniformly drawn negatives, and the size of what is touched."""
        user, items, counted, weight = self.positives.with_negatives(batch, self.shape.negatives, generator)
        rest = torch.from_numpy(self.matrix[user.numpy()].toarray())
        rest.scatter_(1, items[:, :1], 0)
        rest = (rest / rest.sum(dim=1, keepdim=True).clamp(min=1e-12).sqrt()).to(self.device)
        items, counted, weight = items.to(self.device), counted.to(self.device), weight.to(self.device)
        wide, own, pooled = self.crosses[items], self.items[items], rest @ self.history
        beside = self.crossed.to(self.device)[items]
        there = rest.gather(1, beside.flatten(1)).reshape(beside.shape)
        logits = self.item_biases[items] + (there * wide).sum(dim=2) + self._deep(pooled, own, generator)
        losses = uniform_softmax(logits[:, 0], logits[:, 1:], counted, self.n_items)
        size = (wide * (there > 0)).square().sum() + own.square().sum() + self.history[items[:, 0]].square().sum()
        return (losses * weight).sum() + self.shape.regularization * size, len(batch)

    def _deep(self, pooled: Tensor, own: Tensor, generator: torch.Generator) -> Tensor:
        """(n, m) of histories (n, embedding_size) and items (n, m, embedding_size)."""
        size, share = self.shape.embedding_size, self.shape.dropout
        hidden = (pooled @ self.first[:size] + self.first_biases)[:, None] + own @ self.first[size:]
        hidden = torch.relu(hidden)
        for weights, biases in layers_of(self.layers, self.shape.widths):
            hidden = torch.relu(dropped(hidden, share, generator) @ weights + biases)
        return hidden @ self.output


class TowersNetwork(Network):
    """On either side an embedding of the id and a dense layer over it; the score is the product of the two."""

    def __init__(self, matrix: sparse.csr_array, shape: Shape, generator: torch.Generator) -> None:
        """matrix: (n_users, n_items) weights of positives."""
        super().__init__()
        self.shape, (n_users, n_items), size = shape, matrix.shape, shape.embedding_size
        self.users = Parameter(torch.empty(n_users, size).normal_(0, SPREAD, generator=generator))
        self.items = Parameter(torch.empty(n_items, size).normal_(0, SPREAD, generator=generator))
        self.user_layer = Parameter(drawn_layers((size, size), generator))
        self.item_layer = Parameter(drawn_layers((size, size), generator))
        self.positives = Positives(matrix)
        share = np.bincount(matrix.indices, minlength=n_items).clip(min=1) / max(matrix.nnz, 1)
        missed = np.log1p(-np.minimum(share, 1 - 1e-6)) * min(shape.batch_size, matrix.nnz)
        self.log_q = torch.from_numpy(np.log(-np.expm1(missed))).float()

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All positives once, in a random order."""
        yield from shuffled(len(self.positives.user), self.shape.batch_size, generator)

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """Softmax loss of these positives against the items of the batch, corrected for how often each is there."""
        users, row = torch.unique(self.positives.user[batch], return_inverse=True)
        items, column = torch.unique(self.positives.item[batch], return_inverse=True)
        of_users, of_items = self.towers(users, items)
        row, column, log_q = (part.to(self.device) for part in (row, column, self.log_q[items]))
        target = torch.arange(len(batch), device=self.device)
        losses = sampled_softmax(of_users @ of_items.T, row, column, target, log_q)
        return (losses * self.positives.weight[batch].to(self.device)).sum(), len(batch)

    def towers(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of these users and of these items, (n, embedding_size) each."""
        widths = (self.shape.embedding_size, self.shape.embedding_size)
        ((of_user, user_bias),) = layers_of(self.user_layer, widths)
        ((of_item, item_bias),) = layers_of(self.item_layer, widths)
        vectors = self.users[users.to(self.device)] @ of_user + user_bias
        return vectors, self.items[items.to(self.device)] @ of_item + item_bias

"""Neural collaborative filtering as a torch module, and the dense layers of models that score pair by pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import Parameter

from recsys.models.pairs import layers_of, n_parameters
from recsys.training.loop import Network, shuffled
from recsys.training.losses import binary_cross_entropy, uniform_softmax

SPREAD = 0.05


@dataclass(frozen=True)
class Shape:
    """The settings of the network; `recsys.models.neural_cf` describes them."""

    kind: Literal["neumf", "gmf", "mlp"]
    embedding_size: int
    widths: tuple[int, ...]
    batch_size: int
    loss: Literal["softmax", "bce"]
    negatives: int
    regularization: float
    dropout: float


class NeuralCfNetwork(Network):
    """GMF: the weighted product of a user's and an item's embedding. MLP: layers over another pair of embeddings, side
    by side. NeuMF: both, added up in the last layer.
    """

    def __init__(self, matrix: sparse.csr_array, shape: Shape, generator: torch.Generator) -> None:
        """matrix: (n_users, n_items) weights of positives."""
        super().__init__()
        self.shape, (n_users, self.n_items) = shape, matrix.shape
        size = shape.embedding_size if shape.kind != "mlp" else 0
        deep = shape.embedding_size if shape.kind != "gmf" else 0
        widths = shape.widths if deep else ()

        def drawn(rows: int, columns: int) -> Parameter:
            return Parameter(torch.empty(rows, columns).normal_(0, SPREAD, generator=generator))

        self.gmf_users, self.gmf_items = drawn(n_users, size), drawn(self.n_items, size)
        self.mlp_users, self.mlp_items = drawn(n_users, deep), drawn(self.n_items, deep)
        self.gmf_output = Parameter(torch.ones(size))
        self.first = Parameter(uniform(2 * deep, widths[0] if deep else 0, generator))
        self.first_biases = Parameter(torch.zeros(widths[0] if deep else 0))
        self.layers = Parameter(drawn_layers(widths, generator))
        self.output = Parameter(uniform(widths[-1] if deep else 0, 1, generator)[:, 0])
        self.item_biases = Parameter(torch.zeros(self.n_items))
        self.positives = Positives(matrix)

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All positives once, in a random order."""
        yield from shuffled(len(self.positives.user), self.shape.batch_size, generator)

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """Loss of these positives and of uniformly drawn negatives, and the size of the embeddings."""
        user, items, counted, weight = (
            part.to(self.device) for part in self.positives.with_negatives(batch, self.shape.negatives, generator)
        )
        logits, size = self._logits(user, items, generator)
        if self.shape.loss == "softmax":
            losses = uniform_softmax(logits[:, 0], logits[:, 1:], counted, self.n_items)
        else:
            losses = binary_cross_entropy(logits[:, 0], logits[:, 1:], counted)
        return (losses * weight).sum() + self.shape.regularization * size, len(batch)

    def _logits(self, user: Tensor, items: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Logits of each user's items, (n, m), and the squared size of what they touch. user: (n,). items: (n, m)."""
        logits = self.item_biases[items]
        size = logits.square().sum()
        if self.shape.kind != "mlp":
            p, q = self.gmf_users[user], self.gmf_items[items]
            logits = logits + torch.einsum("nmd,nd->nm", q, p * self.gmf_output)
            size = size + p.square().sum() + q.square().sum()
        if self.shape.kind != "gmf":
            p, q = self.mlp_users[user], self.mlp_items[items]
            deep = self.shape.embedding_size
            hidden = (p @ self.first[:deep] + self.first_biases)[:, None] + q @ self.first[deep:]
            hidden = torch.relu(hidden)
            for weights, biases in layers_of(self.layers, self.shape.widths):
                hidden = torch.relu(dropped(hidden, self.shape.dropout, generator) @ weights + biases)
            logits = logits + hidden @ self.output
            size = size + p.square().sum() + q.square().sum()
        return logits, size


class Positives:
    """The positives of a training part, and negatives for them."""

    def __init__(self, matrix: sparse.csr_array) -> None:
        """matrix: (n_users, n_items) weights of positives, indices in order."""
        n_users, self.n_items = matrix.shape
        self.user = torch.from_numpy(np.repeat(np.arange(n_users), np.diff(matrix.indptr)))
        self.item, self.weight = torch.from_numpy(matrix.indices).long(), torch.from_numpy(matrix.data)
        self.pairs = self.user * self.n_items + self.item

    def with_negatives(self, batch: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Users (b,), each positive and n drawn items (b, 1 + n), which of those count (b, n), weights (b,)."""
        user = self.user[batch]
        drawn = torch.randint(self.n_items, (len(batch), n), generator=generator)
        wanted = user[:, None] * self.n_items + drawn
        place = torch.searchsorted(self.pairs, wanted).clamp(max=len(self.pairs) - 1)
        items = torch.column_stack([self.item[batch], drawn])
        return user, items, self.pairs[place] != wanted, self.weight[batch]


def uniform(inputs: int, outputs: int, generator: torch.Generator) -> Tensor:
    """Weights (inputs, outputs) as Glorot and Bengio (2010) draw them."""
    bound = (6 / max(inputs + outputs, 1)) ** 0.5
    return torch.empty(inputs, outputs).uniform_(-bound, bound, generator=generator)


def drawn_layers(widths: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """The parameters of layers of these widths as one row, as `layers_of` takes them apart; biases are zero."""
    flat = torch.zeros(n_parameters(widths))
    for weights, _ in layers_of(flat, widths):
        inputs, outputs = weights.shape
        weights.copy_(uniform(inputs, outputs, generator))
    return flat


def dropped(value: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The value with a share of it set to zero and the rest made larger for it."""
    if not share:
        return value
    kept = torch.rand(value.shape, generator=generator) >= share
    return value * kept.to(value.device) / (1 - share)

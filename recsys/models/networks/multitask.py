"""User, query, item and candidate model with a rating head, as a torch module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import Parameter

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions
from recsys.models.networks.neural_cf import drawn_layers, dropped, uniform
from recsys.models.networks.two_tower import bag
from recsys.models.pairs import layers_of, n_parameters
from recsys.training.loop import Network, shuffled
from recsys.training.losses import sampled_softmax

SPREAD = 0.05


@dataclass(frozen=True)
class Shape:
    """The settings of the network; `recsys.models.multitask` describes them."""

    embedding_size: int
    hidden_size: int
    batch_size: int
    regularization: float
    dropout: float
    retrieval_weight: float
    rating_weight: float


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the models read. user_features, item_features: a row an entity, with weights. moment: (n,) of each row, the
    bucket of its time, all 0 without time. n_moments: how many buckets there are. value: (n,) standardised."""

    user_features: sparse.csr_array
    item_features: sparse.csr_array
    moment: IntArray
    n_moments: int
    value: FloatArray


class MultitaskNetwork(Network):
    """User and item model: the sum of the embeddings of id and features. Query and candidate model: the same plus what
    a hidden layer makes of it. Retrieval: the product of query and candidate. Rating head: layers over the two.
    """

    def __init__(self, train: Interactions, inputs: Inputs, shape: Shape, generator: torch.Generator) -> None:
        super().__init__()
        self.inputs, self.shape, size = inputs, shape, shape.embedding_size

        def drawn(rows: int) -> Parameter:
            return Parameter(torch.empty(rows, size).normal_(0, SPREAD, generator=generator))

        self.users, self.items = drawn(train.n_users), drawn(train.n_items)
        self.user_features = drawn(inputs.user_features.shape[1])
        self.item_features = drawn(inputs.item_features.shape[1])
        self.moments = Parameter(torch.zeros(inputs.n_moments, size))
        self.item_biases = Parameter(torch.zeros(train.n_items))
        self.query = Parameter(drawn_tower(size, shape.hidden_size, generator))
        self.candidate = Parameter(drawn_tower(size, shape.hidden_size, generator))
        self.head = Parameter(drawn_layers((3 * size, shape.hidden_size, 1), generator))
        self.linear_head = Parameter(uniform(3 * size, 1, generator)[:, 0] / 10)
        self.user, self.item = torch.from_numpy(train.user).long(), torch.from_numpy(train.item).long()
        self.moment, self.value = torch.from_numpy(inputs.moment).long(), torch.from_numpy(inputs.value).float()
        self.weight = torch.from_numpy(np.where(train.positive, train.weight, 0).astype(np.float32))
        share = train.popularity.clip(min=1) / len(train)
        missed = np.log1p(-np.minimum(share, 1 - 1e-6)) * min(shape.batch_size, len(train))
        self.log_q = torch.from_numpy(np.log(-np.expm1(missed))).float()

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All rows once, in a random order."""
        yield from shuffled(len(self.user), self.shape.batch_size, generator)

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """Weighted sum of retrieval and rating loss, and the size of the vectors."""
        shape = self.shape
        users, row = torch.unique(self.user[batch], return_inverse=True)
        items, column = torch.unique(self.item[batch], return_inverse=True)
        of_users, of_items = self.user_model(users), self.item_model(items)
        row, column, moment = (part.to(self.device) for part in (row, column, self.moment[batch]))
        inputs = dropped(of_users[row] + self.moments[moment], shape.dropout, generator)
        queries = tower(inputs, self.query, shape.hidden_size)
        candidates = tower(dropped(of_items, shape.dropout, generator), self.candidate, shape.hidden_size)
        biases = self.item_biases[items.to(self.device)]
        weight = self.weight[batch].to(self.device)
        each = torch.arange(len(batch), device=self.device)
        logits = queries @ candidates.T + biases
        retrieval = sampled_softmax(logits, each, column, each, self.log_q[items].to(self.device))
        rating = rated(queries, candidates[column], self.head, self.linear_head, shape.hidden_size)
        error = (rating - self.value[batch].to(self.device)).square()
        size = of_users.square().sum() + of_items.square().sum() + self.moments[moment].square().sum()
        tasks = shape.retrieval_weight * (retrieval * weight).sum() + shape.rating_weight * error.sum()
        return tasks + shape.regularization * size, len(batch)

    def user_model(self, users: Tensor) -> Tensor:
        """Embeddings of id and features of these users, (n, embedding_size)."""
        return self.users[users.to(self.device)] + bag(self.inputs.user_features[users.numpy()], self.user_features)

    def item_model(self, items: Tensor) -> Tensor:
        """Embeddings of id and features of these items, (n, embedding_size)."""
        return self.items[items.to(self.device)] + bag(self.inputs.item_features[items.numpy()], self.item_features)


def drawn_tower(size: int, hidden: int, generator: torch.Generator) -> Tensor:
    """The parameters of `tower`, of which the last layer starts small."""
    flat = drawn_layers((size, hidden, size), generator)
    flat[n_parameters((size, hidden)) :] /= 10
    return flat


def tower(inputs: Tensor, layers: Tensor, hidden: int) -> Tensor:
    """The inputs plus what a hidden layer makes of them, (n, embedding_size)."""
    size = inputs.shape[1]
    (inner, inner_bias), (outer, outer_bias) = layers_of(layers, (size, hidden, size))
    return inputs + torch.relu(inputs @ inner + inner_bias) @ outer + outer_bias


def rated(queries: Tensor, candidates: Tensor, head: Tensor, linear: Tensor, hidden: int) -> Tensor:
    """Standardised values of pairs, (n,): a linear and a hidden layer over both vectors and their product."""
    both = torch.cat([queries, candidates, queries * candidates], dim=1)
    (inner, inner_bias), (outer, outer_bias) = layers_of(head, (both.shape[1], hidden, 1))
    deep = torch.relu(both @ inner + inner_bias) @ outer + outer_bias
    return deep[:, 0] + both @ linear

"""Embeddings propagated over the graph of users and items, as a torch module."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx
from torch.nn import Parameter, functional

from recsys.models.neighbors import TINY, scaled
from recsys.training.loop import Network, shuffled
from recsys.training.losses import uniform_softmax

SPREAD = 0.1


@dataclass(frozen=True)
class Shape:
    """The settings of the network; `recsys.models.lightgcn` describes them."""

    embedding_size: int
    layers: int
    batch_size: int
    loss: Literal["sampled-softmax", "bpr"]
    negatives: int
    regularization: float


class LightGcnNetwork(Network):
    """A user or item is the mean of its own embedding and what reaches it over the graph in 1, 2, ... `layers` steps.

    A step is the product with the normalised graph; nothing else is learned. Every batch of interactions propagates all
    embeddings once.
    """

    def __init__(self, matrix: sparse.csr_array, shape: Shape, generator: torch.Generator) -> None:
        """matrix: (n_users, n_items) weights of positives."""
        super().__init__()
        self.shape, (self.n_users, self.n_items) = shape, matrix.shape
        rows = torch.empty(sum(matrix.shape), shape.embedding_size)
        self.embeddings = Parameter(rows.normal_(0, SPREAD, generator=generator))
        edges = normalized(matrix)
        self.graph = _tensor(sparse.block_array([[None, edges], [edges.T, None]], format="csr"))
        self.user = torch.from_numpy(np.repeat(np.arange(self.n_users), np.diff(matrix.indptr)))
        self.item, self.weight = torch.from_numpy(matrix.indices).long(), torch.from_numpy(matrix.data)

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All positives once, in a random order."""
        yield from shuffled(len(self.user), self.shape.batch_size, generator)

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """The loss of these positives and the size of the embeddings they begin with, summed."""
        shape, device = self.shape, self.device
        user, item, weight = (part[batch].to(device) for part in (self.user, self.item, self.weight))
        count = shape.negatives if shape.loss == "sampled-softmax" else len(batch)
        drawn = torch.randint(self.n_items, (count,), generator=generator).to(device)
        rows = torch.stack(self.propagated()).mean(dim=0)
        users, items = rows[: self.n_users], rows[self.n_users :]
        positive = (users[user] * items[item]).sum(dim=1)
        if shape.loss == "sampled-softmax":
            negative = users[user] @ items[drawn].T
            losses = uniform_softmax(positive, negative, drawn != item[:, None], self.n_items)
        else:
            losses = functional.softplus((users[user] * items[drawn]).sum(dim=1) - positive)
        taken = (user, self.n_users + item, self.n_users + drawn)
        size = sum(self.embeddings[places].square().sum() for places in taken)
        return (losses * weight).sum() + shape.regularization / 2 * size, len(batch)

    def propagated(self) -> list[Tensor]:
        """What reaches every user and item in 0, 1, ... steps, (n_users + n_items, embedding_size) each."""
        self.graph = self.graph.to(self.device)
        reached: list[Tensor] = [self.embeddings]
        with torch.autocast(self.device.type, enabled=False):  # there is no sparse product in less than float32
            for _ in range(self.shape.layers):
                reached.append(_Step.apply(self.graph, reached[-1]))  # type: ignore[no-untyped-call]
        return reached


class _Step(Function):
    """The product with a symmetric sparse matrix: its own transpose, so that nothing is transposed for the gradient."""

    @staticmethod
    def forward(ctx: FunctionCtx, graph: Tensor, rows: Tensor) -> Tensor:
        ctx.graph = graph  # type: ignore[attr-defined]
        return graph @ rows

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[None, Tensor]:
        return None, ctx.graph @ upstream[0]


def normalized(matrix: sparse.csr_array) -> sparse.csr_array:
    """Each weight over the root of the product of its user's and its item's sum of weights."""
    by_user, by_item = (1 / np.sqrt(np.maximum(matrix.sum(axis=axis), TINY)) for axis in (1, 0))
    return scaled(matrix, by_user, by_item)


def _tensor(matrix: sparse.csr_array) -> Tensor:
    indptr, indices, data = (torch.from_numpy(part) for part in (matrix.indptr, matrix.indices, matrix.data))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(indptr, indices, data, size=matrix.shape, check_invariants=True)

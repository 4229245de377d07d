"""SASRec as a torch module: a causal transformer over the last items of a history."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter, functional

from recsys.config import IntArray
from recsys.training.loop import Network
from recsys.training.losses import binary_cross_entropy, full_softmax, uniform_softmax

SPREAD = 0.02
# Share by which lengths are jittered before sorting, so that batches differ from epoch to epoch.
JITTER = 0.2
Drop: TypeAlias = Callable[[Tensor], Tensor]


def _as_it_is(value: Tensor) -> Tensor:
    return value


@dataclass(frozen=True)
class Shape:
    """The settings of the network; `recsys.models.sasrec` describes them."""

    embedding_size: int
    blocks: int
    heads: int
    length: int
    dropout: float
    batch_size: int
    loss: Literal["softmax", "sampled-softmax", "gbce"]
    negatives: int
    calibration: float


class SasrecNetwork(Network):
    """The hidden state at each item of a history predicts the next; items have one embedding as input and as output.

    The layers of all blocks are stacked, so that the parameters are few flat arrays. A matrix of weights has its
    biases as its last row. An epoch shows every history once, in windows of `length` targets counted from its end.
    """

    def __init__(self, sequences: tuple[IntArray, IntArray], n_items: int, shape: Shape, generator: torch.Generator):
        """sequences: each user's items in the order of time, (indptr of n_users + 1, items of n)."""
        super().__init__()
        self.shape = shape
        size, blocks = shape.embedding_size, shape.blocks
        self.item_vectors = Parameter(torch.empty(n_items, size).normal_(0, SPREAD, generator=generator))
        self.positions = Parameter(torch.empty(shape.length, size).normal_(0, SPREAD, generator=generator))
        self.attend = Parameter(_layers(blocks, size, 3 * size, generator))
        self.mix = Parameter(_layers(blocks, size, size, generator))
        self.inner = Parameter(_layers(blocks, size, size, generator))
        self.outer = Parameter(_layers(blocks, size, size, generator))
        norms = torch.zeros(2 * blocks + 1, 2, size)
        norms[:, 0] = 1
        self.norms = Parameter(norms)
        self.items, self.starts, self.lengths = windows(*sequences, shape.length)

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All windows once: those of about the same length together, the batches in a random order."""
        jitter = 1 + JITTER * torch.rand(len(self.lengths), generator=generator)
        order, size = torch.argsort(self.lengths * jitter), self.shape.batch_size
        for batch in torch.randperm(math.ceil(len(order) / size), generator=generator).tolist():
            yield order[batch * size : (batch + 1) * size]

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """The loss of every item of these windows but the first of each, summed."""
        lengths = self.lengths[batch]
        steps = torch.arange(int(lengths.max()))
        there = steps < lengths[:, None]
        at = (self.starts[batch][:, None] + steps).clamp(max=len(self.items) - 2)
        inputs, targets = self.items[at].to(self.device), self.items[at + 1][there].to(self.device)
        drop = _dropout(self.shape.dropout, generator)
        hidden = hidden_states(dict(self.named_parameters()), inputs, self.shape.heads, drop)
        there = there.to(self.device)
        if self.shape.loss == "softmax":
            return full_softmax(hidden[there], self.item_vectors, targets), len(targets)
        return self._sampled_loss(hidden, there, targets, generator), len(targets)

    def _sampled_loss(self, hidden: Tensor, there: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Against negatives that are drawn uniformly, once for a window.

        hidden: (n, steps, embedding_size). there: (n, steps), which of them predict the targets (n_targets,).
        """
        n_items, negatives = len(self.item_vectors), self.shape.negatives
        drawn = torch.randint(n_items, (len(hidden), negatives), generator=generator).to(self.device)
        positive = (hidden[there] * self.item_vectors[targets]).sum(dim=1)
        negative = (hidden @ self.item_vectors[drawn].transpose(1, 2))[there]
        counted = drawn[there.nonzero()[:, 0]] != targets[:, None]
        if self.shape.loss == "sampled-softmax":
            return uniform_softmax(positive, negative, counted, n_items).sum()
        weight = positive_weight(self.shape.calibration, negatives, n_items)
        # One in so many is a positive: from there learning starts at once; from one in two it stands still for long.
        rare = math.log(negatives)
        return binary_cross_entropy(positive - rare, negative - rare, counted, weight).sum()


def positive_weight(calibration: float, negatives: int, n_items: int) -> float:
    """The power of the positive's probability in gBCE: 1 at calibration 0, the sampling rate at 1.

    Petrov and Macdonald, "gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with Negative
    Sampling", RecSys 2023, eq. 13 (beta).

    >>> positive_weight(0.0, 10, 101), positive_weight(1.0, 10, 101)
    (1.0, 0.1)
    """
    rate = min(1.0, negatives / max(n_items - 1, 1))
    return rate * (calibration * (1 - 1 / rate) + 1 / rate)


def hidden_states(parts: Mapping[str, Tensor], items: Tensor, heads: int, drop: Drop = _as_it_is) -> Tensor:
    """What the model knows after each item, (n, steps, embedding_size).

    parts: the parameters by name. items: (n, steps), oldest first; what stands behind the end of a history changes
    nothing before it. Blocks are normalised before attention and before the two layers behind it.
    """
    vectors = parts["item_vectors"]
    hidden = drop(vectors[items] * vectors.shape[1] ** 0.5 + parts["positions"][: items.shape[1]])
    for block in range(len(parts["mix"])):
        hidden = _after(parts, block, hidden, heads, drop)
    return _norm(hidden, parts["norms"][-1])


def _after(parts: Mapping[str, Tensor], block: int, hidden: Tensor, heads: int, drop: Drop) -> Tensor:
    """The hidden states after a block."""
    n, steps, _ = hidden.shape
    together = _linear(_norm(hidden, parts["norms"][2 * block]), parts["attend"][block])
    query, key, value = together.reshape(n, steps, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind()
    seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    hidden = hidden + drop(_linear(seen.transpose(1, 2).reshape(hidden.shape), parts["mix"][block]))
    inner = functional.relu(_linear(_norm(hidden, parts["norms"][2 * block + 1]), parts["inner"][block]))
    return hidden + drop(_linear(drop(inner), parts["outer"][block]))


def windows(indptr: IntArray, items: IntArray, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Each history cut from its end into windows of at most `length` targets: (items, starts, lengths).

    A window's inputs are items[start : start + n], its targets the items one place later.
    """
    n_targets = torch.from_numpy(indptr).diff().sub(1).clamp(min=0)
    pieces = (n_targets + length - 1) // length
    user = torch.arange(len(n_targets)).repeat_interleave(pieces)
    piece = torch.arange(len(user)) - (pieces.cumsum(0) - pieces)[user]
    ends = n_targets[user] - piece * length
    first = (ends - length).clamp(min=0)
    return torch.from_numpy(items).long(), torch.from_numpy(indptr[:-1])[user] + first, ends - first


def _layers(blocks: int, inputs: int, outputs: int, generator: torch.Generator) -> Tensor:
    """Weights drawn as Glorot and Bengio (2010) say, biases of zero as a last row, (blocks, inputs + 1, outputs)."""
    layers = torch.zeros(blocks, inputs + 1, outputs)
    bound = (6 / (inputs + outputs)) ** 0.5
    layers[:, :-1].uniform_(-bound, bound, generator=generator)
    return layers


def _linear(value: Tensor, layer: Tensor) -> Tensor:
    return functional.linear(value, layer[:-1].T, layer[-1])


def _norm(value: Tensor, scale: Tensor) -> Tensor:
    return functional.layer_norm(value, value.shape[-1:], scale[0], scale[1])


def _dropout(share: float, generator: torch.Generator) -> Drop:
    """Sets a share of the values to zero and makes up for it; torch's own layer would draw from its own generator."""

    def drop(value: Tensor) -> Tensor:
        kept = torch.rand(value.shape, generator=generator) >= share
        return value * kept.to(value.device) / (1 - share)

    return drop if share else _as_it_is

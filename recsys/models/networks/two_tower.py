"""The two towers as a torch module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import Parameter, functional

from recsys.training.loop import Network, shuffled
from recsys.training.losses import binary_cross_entropy, hardest, sampled_softmax

# Share of the users whose id is left out in a batch, so that the rest of the tower stands by itself.
ID_DROPOUT = 0.5
# Of vectors beside or without a history: so short that the first steps turn them, and not zero, which has no direction:
# the gradient of its normalised vector has no bound.
SPREAD = 0.02
# Items drawn for each hard negative.
POOL = 4

Sampling = Literal["uniform", "popularity", "in-batch", "hard"]


@dataclass(frozen=True)
class Towers:
    """The settings of the network; `recsys.models.two_tower` describes them."""

    embedding_size: int
    batch_size: int
    held_out: float
    temperature: float
    normalize: bool
    history: bool
    user_id: bool
    item_id: bool
    loss: Literal["softmax", "bce"]
    negatives: int
    sampling: Sampling


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the towers read. history: (n_users, n_items) weights of positives. user_features, item_features: a row an
    entity, or None."""

    history: sparse.csr_array
    user_features: sparse.csr_array | None
    item_features: sparse.csr_array | None


class TwoTowerNetwork(Network):
    """A user is the pooled embeddings of the history, an item its own embedding; ids and features may be added.

    An epoch shows each user once: a random part of the history is held out, the rest goes into the tower and has to
    predict it. All users of a batch share its candidates, so that their logits are one matrix product.
    """

    def __init__(self, inputs: Inputs, settings: Towers, generator: torch.Generator) -> None:
        super().__init__()
        self.inputs, self.settings = inputs, settings
        n_users, n_items = inputs.history.shape
        size = settings.embedding_size
        spread = size**-0.5 if settings.history else SPREAD

        def drawn(rows: int, spread: float) -> Parameter:
            return Parameter(torch.empty(rows, size).normal_(0, spread, generator=generator))

        self.items = drawn(n_items if settings.item_id else 0, spread)
        self.history = drawn(n_items if settings.history else 0, spread)
        self.item_biases = Parameter(torch.zeros(n_items if settings.item_id else 0))
        self.users = drawn(n_users if settings.user_id else 0, SPREAD)
        self.user_features, self.item_features = (
            drawn(0 if features is None else features.shape[1], SPREAD)
            for features in (inputs.user_features, inputs.item_features)
        )
        having = torch.from_numpy(np.bincount(inputs.history.indices, minlength=n_items))
        self.log_q = log_inclusion(having, n_users, min(settings.batch_size, n_users))
        self.taken_so_far = having.cumsum(0)
        # What nobody has is no negative either: it is to be placed by what is learned of others.
        self.taken = having.nonzero()[:, 0]

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All users once, in a random order."""
        yield from shuffled(self.inputs.history.shape[0], self.settings.batch_size, generator)

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """The loss of all held-out positives of these users, weighted as the data say."""
        rows = self.inputs.history[batch.numpy()]
        row = torch.from_numpy(np.repeat(np.arange(len(batch)), np.diff(rows.indptr)))
        item, weight = torch.from_numpy(rows.indices).long(), torch.from_numpy(rows.data)
        share = self.settings.held_out if self.settings.history else 1.0
        held_out = torch.rand(len(row), generator=generator) < share
        target = held_out.nonzero().squeeze(1)
        negatives = self._negatives(item, len(target), generator)
        candidates, place = torch.unique(torch.cat([item, negatives.flatten()]), return_inverse=True)
        logits = self._user_tower(rows, weight * ~held_out, batch, generator) @ self._item_tower(candidates).T
        if self.settings.item_id:
            logits = logits + self.item_biases[candidates.to(self.device)]
        row, target = row.to(self.device), target.to(self.device)
        column = place[: len(item)].to(self.device)
        if self.settings.loss == "softmax":
            losses = sampled_softmax(logits, row, column, target, self.log_q[candidates].to(self.device))
        else:
            against = place[len(item) :].to(self.device).reshape(negatives.shape)
            taken = torch.zeros(logits.shape, dtype=torch.bool, device=self.device)
            taken[row, column] = True
            at = row[target]
            negative, counted = logits[at[:, None], against], ~taken[at[:, None], against]
            if self.settings.sampling == "hard":
                negative, counted = hardest(negative, counted, self.settings.negatives)
            losses = binary_cross_entropy(logits[at, column[target]], negative, counted)
        return (losses * weight.to(self.device)[target]).sum(), len(target)

    def _negatives(self, item: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Items drawn for each of n targets, (n, negatives); the softmax takes what is in the batch instead.

        item: the positives of the batch.
        """
        settings = self.settings
        if settings.loss == "softmax":
            return item.new_empty(n, 0)
        if settings.sampling == "in-batch":
            return item[torch.randint(len(item), (n, settings.negatives), generator=generator)]
        if settings.sampling == "popularity":
            places = torch.randint(self.inputs.history.nnz, (n, settings.negatives), generator=generator)
            return torch.searchsorted(self.taken_so_far, places, right=True)
        n_drawn = settings.negatives * (POOL if settings.sampling == "hard" else 1)
        return self.taken[torch.randint(len(self.taken), (n, n_drawn), generator=generator)]

    def _user_tower(self, rows: sparse.csr_array, weight: Tensor, users: Tensor, generator: torch.Generator) -> Tensor:
        """(len(users), embedding_size). rows: their histories; weight: what each entry counts, 0 where held out."""
        pooled = torch.zeros(len(users), self.settings.embedding_size, device=self.device)
        if self.settings.history:
            total = np.add.reduceat(np.append(weight.numpy(), np.float32(0)), rows.indptr[:-1])
            total[np.diff(rows.indptr) == 0] = 0
            length = torch.from_numpy(total).clamp(min=1e-12).sqrt()[:, None].to(self.device)
            pooled = bag(rows, self.history, weight) / length
        if self.inputs.user_features is not None:
            pooled = pooled + bag(self.inputs.user_features[users.numpy()], self.user_features)
        if self.settings.user_id:
            dropout = ID_DROPOUT if self.settings.history else 0.0
            kept = torch.rand(len(users), 1, generator=generator) >= dropout
            pooled = pooled + self.users[users.to(self.device)] * kept.to(self.device)
        return functional.normalize(pooled, dim=1) if self.settings.normalize else pooled

    def _item_tower(self, items: Tensor) -> Tensor:
        """(len(items), embedding_size), divided by the temperature."""
        vectors = torch.zeros(len(items), self.settings.embedding_size, device=self.device)
        if self.settings.item_id:
            vectors = vectors + self.items[items.to(self.device)]
        if self.inputs.item_features is not None:
            vectors = vectors + bag(self.inputs.item_features[items.numpy()], self.item_features)
        vectors = functional.normalize(vectors, dim=1) if self.settings.normalize else vectors
        return vectors / self.settings.temperature


def log_inclusion(having: Tensor, n_users: int, batch_size: int) -> Tensor:
    """Log of the chance that an item is in a batch, (n_items,) float32.

    having: (n_items,) users who have it; an item that nobody has counts as if one had. It is in a batch when one of the
    batch's users, drawn without replacement, has it: 1 - C(lacking, batch_size) / C(n_users, batch_size).
    """
    lacking = n_users - having.double().clamp(min=1)
    whole = torch.tensor(float(n_users), dtype=torch.float64)
    missed = _log_draws(lacking, batch_size) - _log_draws(whole, batch_size)
    missed = torch.where(lacking >= batch_size, missed, -torch.inf)
    return torch.log(-torch.expm1(missed)).float()


def _log_draws(n: Tensor, k: int) -> Tensor:
    """Log of n! / (n - k)!, the ways to draw k of n in order; of no use where n < k."""
    return torch.lgamma(n + 1) - torch.lgamma((n - k + 1).clamp(min=1))


def bag(rows: sparse.csr_array, table: Tensor, weight: Tensor | None = None) -> Tensor:
    """rows @ table as torch can differentiate it, (n, embedding_size). weight: (nnz,), else the entries of rows."""
    weight = torch.from_numpy(rows.data) if weight is None else weight
    return functional.embedding_bag(
        torch.from_numpy(rows.indices).long().to(table.device),
        table,
        torch.from_numpy(rows.indptr[:-1]).long().to(table.device),
        mode="sum",
        per_sample_weights=weight.to(table.device),
    )

"""Matrix factorisation with biases as a torch module."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import Parameter

from recsys.config import FloatArray, IntArray
from recsys.training.loop import Network, shuffled

SPREAD = 0.01


class MfNetwork(Network):
    """b_u + b_i + p_u · q_i for standardised values, squared error, L2 on what each row touches."""

    def __init__(
        self,
        rows: tuple[IntArray, IntArray, FloatArray],
        sizes: tuple[int, int, int],
        regularization: float,
        batch_size: int,
        generator: torch.Generator,
    ) -> None:
        """rows: user, item and standardised value, (n,) each. sizes: users, items, factors."""
        super().__init__()
        n_users, n_items, size = sizes
        self.users = Parameter(torch.empty(n_users, size).normal_(0, SPREAD, generator=generator))
        self.items = Parameter(torch.empty(n_items, size).normal_(0, SPREAD, generator=generator))
        self.user_biases = Parameter(torch.zeros(n_users))
        self.item_biases = Parameter(torch.zeros(n_items))
        self.regularization, self.batch_size = regularization, batch_size
        user, item, value = rows
        self.user, self.item = torch.as_tensor(user).long(), torch.as_tensor(item).long()
        self.value = torch.as_tensor(value).float()
        with torch.no_grad():  # of an item without rows nothing is learned
            self.items[torch.bincount(self.item, minlength=n_items) == 0] = 0

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All rows once, in a random order."""
        yield from shuffled(len(self.value), self.batch_size, generator)

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """Squared error and regularisation, summed over the rows of the batch."""
        user, item = self.user[batch].to(self.device), self.item[batch].to(self.device)
        p, q, of_user, of_item = self.users[user], self.items[item], self.user_biases[user], self.item_biases[item]
        error = self.value[batch].to(self.device) - of_user - of_item - (p * q).sum(dim=1)
        size = p.square().sum() + q.square().sum() + of_user.square().sum() + of_item.square().sum()
        return error.square().sum() + self.regularization * size, len(batch)

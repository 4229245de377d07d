"""The steps of an epoch: of a process that trains alone, and of several that train together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from recsys.training.devices import mixed_precision
from recsys.training.peers import Peers

if TYPE_CHECKING:
    from recsys.training.loop import Network


class Steps(Protocol):
    """Takes the steps of epoch `number`, and yields of each the loss before it, summed over its terms, and how many
    those are."""

    def epoch(self, number: int) -> Iterator[tuple[float, int]]: ...


class Alone:
    """Each batch is a step."""

    def __init__(self, network: Network, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        self._network, self._optimizer, self._generator = network, optimizer, generator

    def epoch(self, number: int) -> Iterator[tuple[float, int]]:
        for batch in self._network.batches(self._generator):
            loss, count = _loss(self._network, batch, self._generator)
            self._optimizer.zero_grad()
            (loss / max(count, 1)).backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            yield float(loss.detach()), count


class Together:
    """As many batches as there are processes are a step: that of one process with a batch of all their rows.

    All have the same order of batches and the same parameters, and process r takes every size-th batch from the r-th
    on. What else is random is its own, and is drawn anew for each epoch, so that a fit that goes on from a checkpoint
    draws the same.

    Not torch's DistributedDataParallel: that means the gradients of all processes, whatever each one's terms, asks each
    for a batch in every step and for a gradient of every parameter, and would take a second exchange for loss and
    count. Here one sum holds all of it, and a process without a batch adds nothing.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        peers: Peers,
        seed: int,
    ) -> None:
        self._network, self._optimizer, self._generator = network, optimizer, generator
        self._peers, self._seed = peers, seed
        network.processes = peers.size
        parameters = list(network.parameters())
        # What backward fills in lies in one row, behind it the loss and the number of its terms.
        self._sums = torch.zeros(sum(each.numel() for each in parameters) + 2, device=network.device)
        begin = 0
        for each in parameters:
            each.grad = self._sums[begin : begin + each.numel()].view_as(each)
            begin += each.numel()

    def epoch(self, number: int) -> Iterator[tuple[float, int]]:
        for tensor in self._network.state_dict().values():
            self._peers.follow(tensor)
        own = np.random.SeedSequence((self._seed, number, self._peers.rank)).generate_state(1)
        noise = torch.Generator().manual_seed(int(own[0]))
        batches = self._network.batches(self._generator)
        while group := list(islice(batches, self._peers.size)):
            self._sums.zero_()
            if self._peers.rank < len(group):
                loss, count = _loss(self._network, group[self._peers.rank], noise)
                loss.backward()  # type: ignore[no-untyped-call]
                self._sums[-2], self._sums[-1] = loss.detach(), count
            self._peers.add(self._sums)
            total, terms = self._sums[-2:].tolist()
            self._sums /= max(terms, 1)
            self._optimizer.step()
            yield total, int(terms)


def _loss(network: Network, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
    with mixed_precision(network.device):
        return network.loss(batch, generator)

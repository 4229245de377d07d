"""The one loop that trains every torch model."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from recsys.errors import RunError
from recsys.training import checkpoint
from recsys.training.checkpoint import Reached
from recsys.training.devices import device_of, torch_threads
from recsys.training.run import FitRun, Progress, Scorer
from recsys.training.steps import Alone, Steps, Together

Optimizer = Literal["adagrad", "adam"]
# A loss this many times that before the first step, or 1 where it was smaller, says that training has lost its way:
# steps that are too long need not end in infinity.
EXPLODED = 1e4


class Network(torch.nn.Module, ABC):
    """Parameters that learn. All randomness comes from the generator, which lives on the CPU whatever the device.

    processes: how many train it together; so many batches make a step, and each process computes the loss of its own.
    """

    processes = 1

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @abstractmethod
    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """The batches of one epoch in a random order, as index tensors on the CPU."""

    @abstractmethod
    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """The loss summed over what the batch holds, and how many terms that sum has."""


def shuffled(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """0..n-1 in a random order, in batches of `size`; the last one may be smaller."""
    order = torch.randperm(n, generator=generator)
    for start in range(0, n, size):
        yield order[start : start + size]


@dataclass(frozen=True)
class Plan:
    """How to train. name: of the model, for messages. patience: epochs without a gain on the validation part after
    which training ends. belongs_to: the identity of the fit, for its checkpoint."""

    name: str
    epochs: int
    learning_rate: float
    optimizer: Optimizer
    patience: int
    belongs_to: str


def generator_of(run: FitRun) -> torch.Generator:
    """A generator of this run's seed; the global one of torch is never used."""
    return torch.Generator().manual_seed(run.seed)


def train(network: Network, plan: Plan, run: FitRun, generator: torch.Generator, scorer: Callable[[], Scorer]) -> int:
    """Train, and return the best epoch, whose parameters the network then holds on the CPU.

    With a validation part that is the epoch with the best value there, else the last one. scorer: the model as it
    stands, asked for after each epoch where there is a validation part. Of several processes that train together the
    first one is asked, and tells and keeps what there is; all return the same. Raises RunError where the loss explodes,
    PartedError where another process is lost.
    """
    peers = run.peers
    with torch_threads(run.threads):
        network.to(device_of(run.device))
        optimizer = _optimizer(network, plan)
        reached = Reached()
        if run.checkpoint is not None:
            if peers is not None:
                peers.follow_file(run.checkpoint / checkpoint.NAME)
            reached = checkpoint.restore(run.checkpoint, plan.belongs_to, network, optimizer, generator)
        steps: Steps = Alone(network, optimizer, generator)
        if peers is not None:
            steps = Together(network, optimizer, generator, peers, run.seed)
        leads = peers is None or peers.leads
        written, start = time.monotonic(), math.nan
        while reached.epoch < plan.epochs and not _exhausted(reached, plan, run):
            reached.epoch += 1
            network.train()
            loss, first = _means(steps.epoch(reached.epoch))
            start = first if math.isnan(start) else start
            _refuse_explosion(loss, start, plan, reached.epoch)
            metrics = {"loss": loss}
            if run.validation is not None:
                value = run.validation(scorer()) if leads else math.nan
                value = value if peers is None else peers.follow_value(value)
                metrics[run.validation.name] = value
                if _better(value, reached.best_value, run.validation.higher_is_better):
                    reached.best_epoch, reached.best_value = reached.epoch, value
                    reached.best = {name: part.detach().clone() for name, part in network.state_dict().items()}
            if not leads:
                continue
            run.tell(Progress(reached.epoch, plan.epochs, metrics))
            if run.checkpoint is not None and time.monotonic() - written >= run.checkpoint_seconds:
                checkpoint.save(run.checkpoint, plan.belongs_to, reached, network, optimizer, generator)
                written = time.monotonic()
        if reached.best:
            network.load_state_dict(reached.best)
        network.to("cpu")
    return reached.best_epoch or reached.epoch


def _optimizer(network: Network, plan: Plan) -> torch.optim.Optimizer:
    kinds = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam}
    return kinds[plan.optimizer](network.parameters(), lr=plan.learning_rate, fused=network.device.type == "cpu")


def _exhausted(reached: Reached, plan: Plan, run: FitRun) -> bool:
    return run.validation is not None and reached.epoch - reached.best_epoch >= plan.patience


def _better(value: float, best: float | None, higher_is_better: bool) -> bool:
    return best is None or (value > best if higher_is_better else value < best)


def _means(steps: Iterator[tuple[float, int]]) -> tuple[float, float]:
    """The mean loss of an epoch's terms, and that of its first step, before any."""
    total, terms, first = 0.0, 0, 0.0
    for loss, count in steps:
        if not terms:
            first = loss / max(count, 1)
        total += loss
        terms += count
    return total / max(terms, 1), first


def _refuse_explosion(loss: float, start: float, plan: Plan, epoch: int) -> None:
    """Raise RunError where the mean loss of an epoch is not finite, or far above `start`, that of the first batch."""
    remedy = f"lower learning_rate (now {plan.learning_rate:g})"
    if not math.isfinite(loss):
        raise RunError(f"model '{plan.name}'", f"the loss is {loss} in epoch {epoch}", remedy)
    if loss > EXPLODED * max(start, 1.0):
        message = f"the loss has grown from {start:.3g} to {loss:.3g} in epoch {epoch}"
        raise RunError(f"model '{plan.name}'", message, remedy)

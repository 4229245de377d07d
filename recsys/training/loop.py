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

Optimizer = Literal["adagrad", "adam"]
# A loss this many times that before the first step, or 1 where it was smaller, says that training has lost its way:
# steps that are too long need not end in infinity.
EXPLODED = 1e4


class Network(torch.nn.Module, ABC):
    """Parameters that learn. All randomness comes from the generator, which lives on the CPU whatever the device."""

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
    stands, asked for after each epoch where there is a validation part. Raises RunError where the loss explodes.
    """
    with torch_threads(run.threads):
        network.to(device_of(run.device))
        optimizer = _optimizer(network, plan)
        reached = Reached()
        if run.checkpoint is not None:
            reached = checkpoint.restore(run.checkpoint, plan.belongs_to, network, optimizer, generator)
        written, start = time.monotonic(), math.nan
        while reached.epoch < plan.epochs and not _exhausted(reached, plan, run):
            reached.epoch += 1
            loss, first = _epoch(network, optimizer, generator)
            start = first if math.isnan(start) else start
            _refuse_explosion(loss, start, plan, reached.epoch)
            metrics = {"loss": loss}
            if run.validation is not None:
                metrics[run.validation.name] = value = run.validation(scorer())
                if _better(value, reached.best_value, run.validation.higher_is_better):
                    reached.best_epoch, reached.best_value = reached.epoch, value
                    reached.best = {name: part.detach().clone() for name, part in network.state_dict().items()}
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


def _epoch(network: Network, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> tuple[float, float]:
    """Train for one epoch and return the mean loss, and that of its first batch, before any step."""
    network.train()
    total, terms = torch.zeros((), dtype=torch.float64), 0
    first = 0.0
    for batch in network.batches(generator):
        loss, count = network.loss(batch, generator)
        if not terms:
            first = float(loss.detach()) / max(count, 1)
        optimizer.zero_grad()
        (loss / max(count, 1)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach().double().cpu()
        terms += count
    return float(total) / max(terms, 1), first


def _refuse_explosion(loss: float, start: float, plan: Plan, epoch: int) -> None:
    """Raise RunError where the mean loss of an epoch is not finite, or far above `start`, that of the first batch."""
    remedy = f"lower learning_rate (now {plan.learning_rate:g})"
    if not math.isfinite(loss):
        raise RunError(f"model '{plan.name}'", f"the loss is {loss} in epoch {epoch}", remedy)
    if loss > EXPLODED * max(start, 1.0):
        message = f"the loss has grown from {start:.3g} to {loss:.3g} in epoch {epoch}"
        raise RunError(f"model '{plan.name}'", message, remedy)

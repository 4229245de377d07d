"""How every model of a torch network is trained: as its settings say, by the one loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from recsys.data.interactions import Interactions
from recsys.training.run import FitRun, Scorer

if TYPE_CHECKING:
    import torch

    from recsys.training.loop import Network

Shape = TypeVar("Shape")


def shape_of(kind: type[Shape], settings: Any) -> Shape:
    """A dataclass of a network's settings, each the model's setting of the same name."""
    return kind(**{name: getattr(settings, name) for name in kind.__dataclass_fields__})  # type: ignore[attr-defined]


def learn(
    network: Network,
    settings: Any,
    train: Interactions,
    run: FitRun,
    generator: torch.Generator,
    taken: Callable[[], Scorer],
) -> int:
    """Train a network and take over what it learned; the best epoch, whose parameters it holds then.

    settings: of the model: epochs, learning_rate, patience, and the optimizer where it can be chosen (else Adam).
    taken: makes the model one of the parameters that the network has at that moment.
    """
    from recsys.training.checkpoint import identity
    from recsys.training.loop import Plan
    from recsys.training.loop import train as train_network

    plan = Plan(
        name=settings.name,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        optimizer=getattr(settings, "optimizer", "adam"),
        patience=settings.patience,
        belongs_to=identity(settings.settings(), run.seed, train),
    )
    best_epoch = train_network(network, plan, run, generator, taken)
    taken()
    return best_epoch

"""What tuning may choose for a setting, written beside it: `Annotated[PositiveFloat, Between(0.01, 1.0, log=True)]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from recsys.models.base import ModelConfig


@dataclass(frozen=True)
class Between:
    """A number from low to high, both possible; a whole one where both ends are. log: small and large equally often.

    of_time: searched only where the test is later than what models learn from; else it can but seem to be of use.
    """

    low: float
    high: float
    log: bool = False
    of_time: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True, init=False)
class OneOf:
    """One of some values. of_time: as in Between."""

    choices: tuple[Any, ...]
    of_time: bool

    def __init__(self, *choices: Any, of_time: bool = False) -> None:
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "of_time", of_time)

    def __contains__(self, value: object) -> bool:
        return value in self.choices


Space: TypeAlias = Between | OneOf


def space_of(kind: type[ModelConfig], in_time: bool = True) -> dict[str, Space]:
    """The settings of a model that can be tuned, by name; empty where there is nothing to tune.

    in_time: whether the test is later than what models learn from.
    """
    return {
        name: found
        for name, field in kind.model_fields.items()
        for found in field.metadata
        if isinstance(found, Between | OneOf) and (in_time or not found.of_time)
    }

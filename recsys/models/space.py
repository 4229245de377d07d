"""What tuning may choose for a setting, written beside it: `Annotated[PositiveFloat, Between(0.01, 1.0, log=True)]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from recsys.models.base import ModelConfig


@dataclass(frozen=True)
class Between:
    """A number from low to high, both possible; a whole one where both ends are. log: small and large equally often."""

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True, init=False)
class OneOf:
    """One of some values."""

    choices: tuple[Any, ...]

    def __init__(self, *choices: Any) -> None:
        object.__setattr__(self, "choices", choices)

    def __contains__(self, value: object) -> bool:
        return value in self.choices


Space: TypeAlias = Between | OneOf


def space_of(kind: type[ModelConfig]) -> dict[str, Space]:
    """The settings of a model that can be tuned, by name; empty where there is nothing to tune."""
    return {
        name: found
        for name, field in kind.model_fields.items()
        for found in field.metadata
        if isinstance(found, Between | OneOf)
    }

"""What every typed configuration shares, and the array types used everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

IntArray: TypeAlias = NDArray[np.integer[Any]]
FloatArray: TypeAlias = NDArray[np.floating[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]
# Every generator of random numbers takes a seed of 32 bits.
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**32)]


def wrong(message: str, remedy: str, place: str = "", others: tuple[str, ...] = ()) -> PydanticCustomError:
    """A finding of our own inside a validator; place, others: keys below the one that is being validated."""
    context = {"message": message, "remedy": remedy, "place": place, "others": others}
    return PydanticCustomError("wrong", "{message}; {remedy}", context)


class Config(BaseModel):
    """A frozen, hashable configuration that refuses unknown keys, and true or false where a number is needed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _no_number_is_true(cls, values: Any) -> Any:
        """YAML reads `yes`, `on` and `true` alike, and pydantic reads them all as 1."""
        for key, value in values.items() if isinstance(values, dict) else ():
            given = [one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, bool)]
            if given and key in cls.model_fields and _takes_numbers(cls.model_fields[key].annotation):
                raise wrong(f"is {str(given[0]).lower()}", "a number is needed", key)
        return values

    def as_json(self) -> dict[str, Any]:
        """The settings as plain JSON values, defaults included."""
        return self.model_dump(mode="json")


def _takes_numbers(annotation: Any) -> bool:
    types = set(_types(annotation))
    return bool(types & {int, float}) and bool not in types


def _types(annotation: Any) -> Iterator[Any]:
    """A type and all types inside it."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from _types(inner)

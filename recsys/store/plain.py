"""JSON that describes what was stored: every key once, and the number of its format."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


class KeyTwiceError(ValueError):
    """A mapping that has a key twice: which one counts is nobody's guess."""


def plain_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises KeyTwiceError, or ValueError where the text is no JSON or nests without end.

    >>> plain_json('{"format": 1, "format": 2}')
    Traceback (most recent call last):
    recsys.store.plain.KeyTwiceError: the key 'format' stands twice
    """
    try:
        return json.loads(text, object_pairs_hook=_mapping)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def is_format(found: object, known: int) -> bool:
    """Whether what a description says of its format is this number, and no other value that Python takes for it.

    >>> is_format(1, 1), is_format(True, 1), is_format(1.0, 1)
    (True, False, False)
    """
    return type(found) is int and found == known


def _mapping(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise KeyTwiceError(f"the key {key[:100]!r} stands twice")
        found[key] = value
    return found

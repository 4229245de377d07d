"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

# Called with what is going on, how much of it is done and how much there is (None: not known), in bytes.
Progress: TypeAlias = Callable[[str, int, int | None], None]


def silent(what: str, done: int, total: int | None) -> None:
    """The progress that nobody watches."""

"""Settings as MLflow takes them: one level of names, and texts that are not too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_PARAM = 500


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists of mappings as one level, keys joined by dots.

    >>> flatten({"split": {"kind": "random"}, "models": [{"name": "ease"}]})
    {'split.kind': 'random', 'models.0.name': 'ease'}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
            value = {str(i): entry for i, entry in enumerate(value)}
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def short(value: Any) -> str:
    """A value as text, cut off where MLflow would refuse it."""
    text = str(value)
    return text if len(text) <= MAX_PARAM else text[: MAX_PARAM - 1] + "…"

"""Fixtures that several folders of tests share; their conftest imports them by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from made.models import NAMES, Watcher
from recsys.models import registry


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The models of made.models, installed under their names."""
    for name, kind in NAMES.items():
        monkeypatch.setitem(registry.BUILT_IN, name, f"made.models:{kind}")
    registry.installed.cache_clear()
    Watcher.fits.clear()
    yield
    monkeypatch.undo()
    registry.installed.cache_clear()

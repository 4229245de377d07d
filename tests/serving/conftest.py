"""Bundles of small models, a state that serves them, a client for it, and databases to publish to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster import Database, cluster
from kitchen import Pointer, bundle_of, client_of, small_vectors
from made.homes import new_database, settings

from recsys.serving.bundle import Bundle, open_bundle
from recsys.serving.state import Serving

__all__ = ["cluster", "new_database", "settings"]


@pytest.fixture(scope="session")
def ease(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of EASE on the made world, whose items have titles."""
    return bundle_of(tmp_path_factory.mktemp("ease"), "ease", titles=True)


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of vectors of 2,000 items, with an index."""
    return small_vectors(tmp_path_factory.mktemp("vectors"))


@pytest.fixture
def bundle(ease: Path) -> Bundle:
    return open_bundle(ease)


@pytest.fixture
def pointer(ease: Path) -> Pointer:
    """What is current; a test may point it elsewhere."""
    return Pointer("1", ease)


@pytest.fixture
def state(pointer: Pointer) -> Iterator[Serving]:
    """A started state whose watcher looks ten times a second."""
    serving = Serving(pointer, every=0.1)
    serving.start()
    yield serving
    serving.stop()


@pytest.fixture
def client(state: Serving):
    """A client of the application over the state."""
    return client_of(state)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An empty database of either kind, at RECSYS_SQL_URL."""
    if request.param == "sqlite":
        found = Database(str(tmp_path / "shop.db"))
    else:
        running = request.getfixturevalue("cluster")
        found = Database(running.empty(), running)
    monkeypatch.setenv("RECSYS_SQL_URL", found.url)
    return found

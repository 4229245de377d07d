"""Bundles of small models, a state that serves them, a client for it, and databases to publish to."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from kitchen import Pointer, bundle_of, client_of, small_vectors

from recsys.serving.bundle import Bundle, open_bundle
from recsys.serving.state import Serving
from recsys.settings import Settings
from recsys.tracking.database import ensure_database

if TYPE_CHECKING:
    from cluster import Cluster, Database

POSTGRES = (pytest.mark.postgres, pytest.mark.xdist_group("postgres"))


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


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server; only for tests marked `postgres`."""
    from cluster import programs, running

    with running(programs()) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=POSTGRES)])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An empty database of either kind, at RECSYS_SQL_URL."""
    from cluster import Database

    if request.param == "sqlite":
        found = Database(str(tmp_path / "shop.db"))
    else:
        running = request.getfixturevalue("cluster")
        found = Database(running.empty(), running)
    monkeypatch.setenv("RECSYS_SQL_URL", found.url)
    return found


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a new home."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    ensure_database(settings)
    return settings.database


@pytest.fixture
def settings(home: Path, new_database: Path) -> Settings:
    """A home of the test's own, with its database."""
    home.mkdir()
    found = Settings()
    shutil.copyfile(new_database, found.database)
    return found

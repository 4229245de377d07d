"""Databases to read from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster import Cluster, Database

POSTGRES = pytest.mark.postgres


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server; only for tests marked `postgres`."""
    from cluster import programs, running

    with running(programs()) as server:
        yield server


@pytest.fixture
def postgres(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An empty database of PostgreSQL, at RECSYS_SQL_URL."""
    from cluster import Database

    database = Database(cluster.empty(), cluster)
    database.table("x INTEGER", [], "spare")
    monkeypatch.setenv("RECSYS_SQL_URL", database.url)
    return database


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An empty database of SQLite, at RECSYS_SQL_URL."""
    from cluster import Database

    database = Database(str(tmp_path / "shop.db"))
    database.table("x INTEGER", [], "spare")
    monkeypatch.setenv("RECSYS_SQL_URL", database.url)
    return database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=POSTGRES)])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database of either kind, at RECSYS_SQL_URL."""
    return request.getfixturevalue(request.param)

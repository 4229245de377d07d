"""Databases to read from."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster import Cluster, Database, cluster

__all__ = ["cluster"]


@pytest.fixture
def postgres(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An empty database of PostgreSQL, at RECSYS_SQL_URL."""
    database = Database(cluster.empty(), cluster)
    database.table("x INTEGER", [], "spare")
    monkeypatch.setenv("RECSYS_SQL_URL", database.url)
    return database


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An empty database of SQLite, at RECSYS_SQL_URL."""
    database = Database(str(tmp_path / "shop.db"))
    database.table("x INTEGER", [], "spare")
    monkeypatch.setenv("RECSYS_SQL_URL", database.url)
    return database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database of either kind, at RECSYS_SQL_URL."""
    return request.getfixturevalue(request.param)

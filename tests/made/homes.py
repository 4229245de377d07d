"""Fixtures: a home with a real database of MLflow, made once by the one way there is and copied for every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recsys.settings import Settings
from recsys.tracking.database import ensure_database


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

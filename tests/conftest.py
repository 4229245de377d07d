"""What all tests share: a home of their own, the real data, and what to do where something is missing."""

from __future__ import annotations

import os
from pathlib import Path

# Before NumPy is imported: tests run side by side, and threads that wait for each other's cores take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings
from installed import browser, postgres

# How long an example takes is what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REQUIRED = set(filter(None, os.environ.get("RECSYS_REQUIRE", "").split(",")))


def _missing(marker: str) -> str | None:
    """Why tests with this marker cannot run here, or None."""
    if marker == "data" and not os.environ.get("RECSYS_DATA_DIR"):
        return "RECSYS_DATA_DIR names no folder with real data sets"
    if marker == "chromium" and browser() is None:
        return "no Chromium browser is installed"
    if marker == "postgres" and postgres() is None:
        return "no PostgreSQL server is installed"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what cannot run here, with the reason; under RECSYS_REQUIRE it fails instead. Soak runs only when named."""
    asked = config.getoption("-m") or ""
    reasons = {marker: _missing(marker) for marker in ("data", "chromium", "postgres")}
    for item in items:
        if item.get_closest_marker("soak") and "soak" not in asked:
            item.add_marker(pytest.mark.skip(reason="long: run by make soak"))
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker) and marker not in REQUIRED:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose surroundings are required and missing."""
    for marker in REQUIRED:
        reason = _missing(marker) if item.get_closest_marker(marker) else None
        if reason:
            pytest.fail(f"required, but {reason}", pytrace=False)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and nothing of the caller's servers."""
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def data_dir() -> Path:
    """The folder with the real data sets; only for tests marked `data`."""
    return Path(os.environ["RECSYS_DATA_DIR"])

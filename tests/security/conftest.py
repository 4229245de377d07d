"""Names the fixtures of other folders that tests of security need: a browser, boards, databases, a home."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from cluster import cluster
from faults.fixtures import databases, shared
from made.homes import new_database, settings
from report.conftest import boards, browser, chromium, made, opened, shown

__all__ = [
    "boards",
    "browser",
    "chromium",
    "cluster",
    "databases",
    "made",
    "new_database",
    "opened",
    "settings",
    "shared",
    "shown",
]

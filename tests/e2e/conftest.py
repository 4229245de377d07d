"""Puts `tests/` on the path, where the harness is, and names the fixtures that take long to make."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.fixtures import databases, place, server, shared, undisturbed

__all__ = ["databases", "place", "server", "shared", "undisturbed"]

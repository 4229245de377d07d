"""Names the fixtures that take long to make."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from faults.fixtures import databases, place, prefect, records, server, shared, undisturbed

__all__ = ["databases", "place", "prefect", "records", "server", "shared", "undisturbed"]

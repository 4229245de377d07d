"""The made data sets and models as fixtures; a Prefect server, and databases to begin a home with."""

from __future__ import annotations

from faults.fixtures import databases, prefect, server, shared
from made.fixtures import models

__all__ = ["databases", "models", "prefect", "server", "shared"]

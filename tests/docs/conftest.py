"""Names the fixtures that take long to make."""

from __future__ import annotations

from faults.fixtures import databases, prefect, server, shared

__all__ = ["databases", "prefect", "server", "shared"]

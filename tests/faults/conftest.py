"""Names the fixtures that take long to make."""

from __future__ import annotations

from faults.fixtures import databases, place, prefect, records, server, shared, undisturbed

__all__ = ["databases", "place", "prefect", "records", "server", "shared", "undisturbed"]

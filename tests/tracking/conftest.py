"""The made data sets and models as fixtures; a home with a real database of MLflow."""

from __future__ import annotations

from made.fixtures import models
from made.homes import new_database, settings

__all__ = ["models", "new_database", "settings"]

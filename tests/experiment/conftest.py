"""The made data sets and models as fixtures."""

from __future__ import annotations

from made.fixtures import models

__all__ = ["models"]

"""Puts `tests/` on the path, where the made data sets and models are."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from made.fixtures import models

__all__ = ["models"]

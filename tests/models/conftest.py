"""Puts this folder on the path, so that every model's test class can inherit the shared behaviour."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

"""Where the figures are written, and on what they were measured."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil

from recsys.processes import cores

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
LIBRARIES = ("prefect", "mlflow", "torch", "numpy", "scipy", "pandas", "pyarrow", "rectools-lightfm")


def machine() -> Iterator[str]:
    """The day, the machine and the versions, as Markdown."""
    memory = psutil.virtual_memory().total / 1e9
    yield f"- {time.strftime('%Y-%m-%d')}, {platform.system()} {platform.machine()}, {cores()} cores, {memory:.0f} GB"
    yield f"- Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)

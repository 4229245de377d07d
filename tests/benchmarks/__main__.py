"""Measure everything and write docs/benchmarks.md."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil

from recsys.processes import cores
from tests.benchmarks import commands, library, publish, serving
from tests.benchmarks.measure import Figure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
LIBRARIES = ("prefect", "mlflow", "torch", "numpy", "scipy", "pandas", "pyarrow", "rectools-lightfm")


def main() -> None:
    """Measure, and write the page."""
    lines = list(_head())
    parts = (
        ("Commands", commands.figures()),
        ("Serving", serving.figures()),
        ("Publishing", publish.figures(n_users=100_000)),
        # Last: Linux counts the memory of this process as that of the ones it starts.
        ("Inner loops", library.figures()),
    )
    for title, figures in parts:
        lines += ["", f"## {title}", "", *_table(figures)]
    PAGE.write_text("\n".join(lines) + "\n")


def _head() -> Iterator[str]:
    memory = psutil.virtual_memory().total / 1e9
    yield "# Benchmarks"
    yield ""
    yield "Written by `make bench`; nothing here is typed by hand. Medians where there are several runs. Wall times"
    yield "depend on what else the machine does: compare CPU seconds, ratios. *load* is the load average at its start."
    yield ""
    yield f"- {time.strftime('%Y-%m-%d')}, {platform.system()} {platform.machine()}, {cores()} cores, {memory:.0f} GB"
    yield f"- Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def _table(figures: Iterator[Figure]) -> Iterator[str]:
    yield "| what | wall s | CPU s | peak MB of a process | aim | runs | load | |"
    yield "|---|---|---|---|---|---|---|---|"
    for figure in figures:
        print(figure, flush=True)
        memory = f"{figure.memory:,.0f}" if figure.memory else ""
        cpu = f"{figure.cpu:.3g}" if figure.cpu else ""
        shown = (figure.what, f"{figure.wall:.3g}", cpu, memory, figure.target, str(figure.runs), f"{figure.load:.1f}")
        yield "| " + " | ".join([*shown, figure.note]) + " |"


if __name__ == "__main__":
    main()

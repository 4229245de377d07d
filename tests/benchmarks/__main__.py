"""Measure everything and write docs/benchmarks.md; with `--compare`, hold it against what stands there.

Beside the page, docs/benchmarks.json keeps the CPU seconds of each figure in yardsticks: a fixed piece of work, done
before and after it. `--compare` writes nothing, names what takes over a fifth more, and ends with status 1 then.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil

from recsys.processes import cores
from tests.benchmarks import commands, library, publish, serving, trust
from tests.benchmarks.measure import Figure, slower, yardstick

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
KEPT = PAGE.with_suffix(".json")
LIBRARIES = ("prefect", "mlflow", "torch", "numpy", "scipy", "pandas", "pyarrow", "rectools-lightfm")


def main() -> int:
    """Measure, and write the page or compare; the exit status."""
    lines = list(_head())
    parts = (
        ("Commands", commands.figures()),
        ("Serving", serving.figures()),
        ("Publishing", publish.figures(n_users=100_000)),
        # Last: Linux counts the memory of this process as that of the ones it starts.
        ("Comparisons", trust.figures()),
        ("Inner loops", library.figures()),
    )
    now: dict[str, float] = {}
    for title, figures in parts:
        lines += ["", f"## {title}", "", *_table(figures, now)]
    if "--compare" not in sys.argv[1:]:
        PAGE.write_text("\n".join(lines) + "\n")
        KEPT.write_text(json.dumps(now, indent=1) + "\n")
        return 0
    found = slower(now, json.loads(KEPT.read_text()))
    for what, times in found.items():
        print(f"{times:.2f} times as long as in {KEPT.name}: {what}")
    return int(bool(found))


def _head() -> Iterator[str]:
    memory = psutil.virtual_memory().total / 1e9
    yield "# Benchmarks"
    yield ""
    yield "Written by `make bench`; nothing here is typed by hand. Medians where there are several runs. Wall times"
    yield "depend on what else the machine does: compare CPU seconds, ratios. *load* is the load average at its start."
    yield "`make bench-compare` measures anew, and ends with status 1 where CPU seconds in yardsticks grew by a fifth."
    yield ""
    yield f"- {time.strftime('%Y-%m-%d')}, {platform.system()} {platform.machine()}, {cores()} cores, {memory:.0f} GB"
    yield f"- Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def _table(figures: Iterator[Figure], now: dict[str, float]) -> Iterator[str]:
    """The lines of a section; `now` gets its figures in yardsticks."""
    yield "| what | wall s | CPU s | peak MB of a process | aim | runs | load | |"
    yield "|---|---|---|---|---|---|---|---|"
    before = yardstick()
    for figure in figures:
        print(figure, flush=True)
        after = yardstick()
        if figure.cpu:
            now[figure.what] = round(2 * figure.cpu / (before + after), 4)
        before = after
        memory = f"{figure.memory:,.0f}" if figure.memory else ""
        cpu = f"{figure.cpu:.3g}" if figure.cpu else ""
        shown = (figure.what, f"{figure.wall:.3g}", cpu, memory, figure.target, str(figure.runs), f"{figure.load:.1f}")
        yield "| " + " | ".join([*shown, figure.note]) + " |"


if __name__ == "__main__":
    sys.exit(main())

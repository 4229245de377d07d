"""Measure everything and write docs/benchmarks.md; with `--compare`, hold it against what stands there.

Beside the page, docs/benchmarks.json keeps the CPU seconds of each figure in yardsticks: a fixed piece of work, done
before and after it. `--compare` writes nothing, names what takes over a fifth more, and ends with status 1 then. With
titles of sections these are measured alone; the others stay as they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

from tests.benchmarks import commands, epochs, library, publish, reading, serving, tables, trust
from tests.benchmarks.measure import Figure, slower, yardstick
from tests.benchmarks.page import PAGE, machine

KEPT = PAGE.with_suffix(".json")


SECTIONS: dict[str, Callable[[], Iterator[Figure]]] = {
    "Commands": commands.figures,
    "Serving": serving.figures,
    "Publishing": lambda: publish.figures(n_users=100_000),
    # From here on in this process: Linux counts its memory as that of the ones it starts.
    "Comparisons": trust.figures,
    "Reading": reading.figures,
    "Inner loops": library.figures,
    "Metrics": tables.figures,
    "Epochs": epochs.figures,
}


def main() -> int:
    """Measure, and write the page or compare; the exit status."""
    asked = [word for word in sys.argv[1:] if word != "--compare"]
    written = _written()
    now: dict[str, float] = {}
    for title, figures in SECTIONS.items():
        if title in asked or not asked:
            written[title] = [f"## {title}", "", *_table(figures(), now)]
    then = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if "--compare" in sys.argv[1:]:
        found = slower(now, then)
        for what, times in found.items():
            print(f"{times:.2f} times as long as in {KEPT.name}: {what}")
        return int(bool(found))
    sections = [line for title in SECTIONS if title in written for line in ("", *written[title])]
    PAGE.write_text("\n".join([*_head(), *sections]) + "\n")
    KEPT.write_text(json.dumps((then | now) if asked else now, indent=1) + "\n")
    return 0


def _written() -> dict[str, list[str]]:
    """The sections that the page has, by title."""
    if not PAGE.exists():
        return {}
    parts = PAGE.read_text().split("\n## ")[1:]
    return {part.splitlines()[0]: f"## {part}".rstrip().splitlines() for part in parts}


def _head() -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield "Written by `make bench`; nothing here is typed by hand. Medians where there are several runs. Wall times"
    yield "depend on what else the machine does: compare CPU seconds, ratios. *load* is the load average at its start."
    yield "What comparisons of many rows take is in [large.md](large.md), what a model costs in [costs.md](costs.md)."
    yield "`make bench-compare` measures anew, and ends with status 1 where CPU seconds in yardsticks grew by a fifth."
    yield ""
    yield from machine()


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

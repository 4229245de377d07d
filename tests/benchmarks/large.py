"""Comparisons of many rows on one machine: what the stages, the models and the whole took. Writes docs/large.md.

    python -m tests.benchmarks.large FOLDER [NAME]...          takes hours; what FOLDER has finished is not run again

Each comparison has a home of its own in FOLDER, which wants some 10 GB of disk. Sections of others stay in the page.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

from recsys.models.base import Recommender
from recsys.models.registry import model_class
from recsys.models.requirements import bytes_before
from tests.benchmarks.commands import STAGES, board, stage_seconds
from tests.benchmarks.measure import command
from tests.benchmarks.page import PAGE, machine

LARGE = PAGE.with_name("large.md")
SPECS: dict[str, dict[str, Any]] = {
    "ml-20m-shape": {
        "data": {"source": "synthetic", "seed": 20, "users": 138_000, "items": 27_000, "interactions": 20_000_000},
        "split": {"kind": "random", "test": 0.1, "validation": 0},
        "models": [
            *("popularity", "item-knn", "rp3beta", "ials", "ease"),
            {"name": "lightfm-warp", "epochs": 3},
            {"name": "two-tower", "epochs": 5},
            {"name": "sasrec", "loss": "gbce", "epochs": 1},
        ],
        "evaluation": {"k": [10, 100]},
        "runner": {"workers": 1},
    },
    "hundred-million": {
        "data": {"source": "synthetic", "seed": 100, "users": 10**6, "items": 10**5, "interactions": 10**8},
        "split": {"kind": "random", "test": 0.001, "validation": 0},
        "models": ["popularity", {"name": "ials", "epochs": 5}, {"name": "two-tower", "epochs": 1}],
        "evaluation": {"k": [10]},
        "runner": {"workers": 1},
    },
}
INDEXED = {"hundred-million": "two-tower"}
"""The model of a comparison that an index is built for."""
HEADER = ("model", "settings", "fit s", "lists s", "CPU s", "CPU s by its law", "peak MB", "by its law", "NDCG@10")


def main() -> int:
    """Run what is asked for and not finished, and write the page of all that is."""
    folder, names = Path(sys.argv[1]).absolute(), sys.argv[2:] or list(SPECS)
    for name in names:
        run(name, folder / name)
    sections = dict(part.split("\n", 1) for part in LARGE.read_text().split("\n## ")[1:])
    for name in SPECS:
        if (folder / name / "whole.json").exists():
            sections[name] = "\n".join(section(name, folder / name)) + "\n"
    written = [f"\n## {name}\n{sections[name]}" for name in SPECS if name in sections]
    LARGE.write_text("\n".join(_head()) + "\n" + "".join(written))
    return 0


def run(name: str, folder: Path) -> None:
    """Compare, then build the index of the model that is to have one; each leaves a file when it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "spec.yaml"
    spec.write_text(yaml.safe_dump({"name": name, **SPECS[name]}, sort_keys=False))
    recsys = str(Path(sys.executable).with_name("recsys"))
    words = [recsys, "compare", str(spec), "--out", str(folder / "out")]
    _measured(words, {"RECSYS_HOME": str(folder / "home")}, folder / "whole.json")
    if name in INDEXED:
        words = [sys.executable, "-m", "tests.benchmarks.large_index", str(folder), INDEXED[name]]
        _measured(words, {}, folder / "index.json")


def _measured(words: Sequence[str], env: dict[str, str], kept: Path) -> None:
    """Run a command, and keep its seconds, CPU seconds and the most memory that all its processes held together."""
    if kept.exists():
        return
    peak, done = [0], threading.Event()
    watching = threading.Thread(target=_watch, args=(peak, done))
    watching.start()
    try:
        taken = command(kept.stem, words, "", cwd=PAGE.parents[1], env=env)
    finally:
        done.set()
        watching.join()
    figures = {"wall": taken.wall, "cpu": taken.cpu, "memory": peak[0], "load": taken.load}
    kept.write_text(json.dumps(figures | {"machine": list(machine())}))


def _watch(peak: list[int], done: threading.Event) -> None:
    """Note the most that all processes below this one hold, what they share counted once."""
    while not done.wait(1):
        peak[0] = max(peak[0], sum(_held()))


def _held() -> Iterator[int]:
    for process in psutil.Process().children(recursive=True):
        try:
            yield process.memory_full_info().pss
        except psutil.Error:  # it has ended meanwhile
            continue


def _head() -> Iterator[str]:
    yield "# Many rows on one machine"
    yield ""
    yield "Written by `python -m tests.benchmarks.large FOLDER`; nothing here is typed by hand. The worlds are"
    yield "made, every item is ranked for every test user, one model at a time on all cores. *Peak* of"
    yield "a model is that of its process; that of the whole counts what processes share once. Laws: [costs](costs.md)."


def section(name: str, folder: Path) -> Iterator[str]:
    """What one comparison took, as Markdown."""
    whole = json.loads((folder / "whole.json").read_text())
    shape, rows = _shape(folder / "out")
    yield from ("", *whole["machine"], "")
    yield f"{shape[0]:,} users × {shape[1]:,} items, {rows:,} training rows. {_words(whole)}."
    yield from ("", "```yaml", *(folder / "spec.yaml").read_text().splitlines(), "```", "")
    yield "| stage | s |"
    yield "|---|---|"
    for stage in STAGES:
        yield f"| {stage} | {stage_seconds(folder / 'home', stage):,.0f} |"
    yield ""
    yield f"| {' | '.join(HEADER)} |"
    yield f"|{'---|' * len(HEADER)}"
    settings = {model["name"]: model for model in SPECS[name]["models"] if isinstance(model, dict)}
    for row in board(folder / "out"):
        asked = settings.get(row["model"], {"name": row["model"]})
        yield f"| {' | '.join(_cells(row, asked, (*shape, rows)))} |"
    if (folder / "index.json").exists():
        found = json.loads((folder / "found.json").read_text())
        index = _words(json.loads((folder / "index.json").read_text()))
        yield ""
        yield f"The bundle of `{INDEXED[name]}` with an index of its {found['items']:,} items: {index}. {found['said']}"


def _words(taken: dict[str, float]) -> str:
    minutes, gigabytes = taken["wall"] / 60, taken["memory"] / 1e9
    return (
        f"{minutes:,.0f} minutes, {taken['cpu'] / 60:,.0f} of CPU, {gigabytes:.1f} GB of all processes together at the "
        f"peak, load {taken['load']:.1f} at the start"
    )


def _shape(out: Path) -> tuple[tuple[int, int], int]:
    train = json.loads((out / "manifest.json").read_text())["split"]["folds"][0]["train"]
    return (train["users"], train["items"]), train["rows"]


def _cells(row: dict[str, str], settings: dict[str, Any], size: tuple[int, int, int]) -> Iterator[str]:
    kind = model_class(settings["name"])
    model: Recommender = kind(kind.Config(**settings))
    said = ", ".join(f"{key} {value}" for key, value in settings.items() if key != "name")
    yield from (f"`{row['model']}`", said)
    yield from (f"{float(row[column]):,.0f}" for column in ("fit_seconds", "recommend_seconds", "cpu_seconds"))
    yield f"{model.seconds(*size):,.0f}"
    yield f"{float(row['peak_memory_mb']):,.0f}"
    yield f"{(bytes_before(size[2]) + model.memory(*size)) / 1e6:,.0f}"
    yield f"{float(row['ndcg@10']):.3f}"


if __name__ == "__main__":
    sys.exit(main())

"""Holds the laws of time and memory of the models against measurements, and draws both in docs/costs.md.

    python scripts/cost_laws.py                            print how far each law is off
    python scripts/cost_laws.py --measure [MODEL]...       fit on made worlds of several shapes and keep what it took
    python scripts/cost_laws.py --from DIR                 keep what the fits of a comparison took, DIR its --out
    python scripts/cost_laws.py --write                    draw the figures, and put the table into docs/costs.md

What is measured stands in docs/costs.json. A law is what `Recommender.seconds` and `Recommender.memory` of a model say,
and what `recsys doctor SPEC`, `recsys compare SPEC --dry-run` and the refusal of a fit that is too large go by.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import yaml

from recsys.data.interactions import Interactions
from recsys.models.base import Recommender
from recsys.models.list_maker import ListMaker
from recsys.models.registry import BUILT_IN, model_class
from recsys.models.requirements import bytes_before
from recsys.processes import peak_memory

PAGE = Path(__file__).resolve().parents[1] / "docs" / "costs.md"
MEASURED = PAGE.with_suffix(".json")
FIGURES = {name: PAGE.parent / "images" / f"costs-{name}.png" for name in ("seconds", "megabytes")}
BEGIN, END = "<!-- costs: scripts/cost_laws.py --write -->", "<!-- /costs -->"
SHAPES = {
    "ML-100K": (943, 1_682, 100_000),
    "ML-1M": (6_040, 3_700, 1_000_000),
    "wide": (50_000, 20_000, 1_000_000),
}
ALONG = (*((943, 1_682, 100_000), (6_040, 3_700, 1_000_000)), (138_000, 27_000, 20_000_000), (10**6, 10**5, 10**8))
"""Shapes that the lines of the figures run through: MovieLens of three sizes, and a hundred million rows."""
# Epochs are as many as the law lets fit into so many seconds, one at least; a fit above the limit is left out.
SECONDS, LIMIT = 20, 120
LEAST = {"seconds": 1.0, "megabytes": 250.0}
MODELS = tuple(name for name in BUILT_IN if not issubclass(model_class(name), ListMaker))
HEADER = (
    "model",
    "seconds: measured / law",
    "least to greatest",
    "memory: measured / law",
    "least to greatest",
    "fits",
)


def model_of(name: str, settings: dict[str, Any]) -> Recommender:
    """A model with its settings, those left out as they come."""
    kind = model_class(name)
    return kind(kind.Config(name=name, **settings))


def settings_for(name: str, shape: tuple[int, int, int]) -> dict[str, Any] | None:
    """What a model is measured with; None where one epoch takes too long."""
    fields = model_class(name).Config.model_fields
    if "epochs" not in fields:
        return {} if model_of(name, {}).seconds(*shape) <= LIMIT else None
    most = fields["epochs"].default
    one, all_of_them = (model_of(name, {"epochs": epochs}).seconds(*shape) for epochs in (1, most))
    if one > LIMIT:
        return None
    an_epoch = (all_of_them - one) / max(most - 1, 1)
    return {"epochs": int(np.clip(1 + (SECONDS - one) // max(an_epoch, 1e-9), 1, most))}


def measure(names: list[str]) -> Iterator[dict[str, Any]]:
    """What each model takes on each shape, in a process of its own."""
    for shape in SHAPES.values():
        train = rows_of(shape)
        for name in names:
            settings = settings_for(name, shape)
            if settings is not None:
                taken = in_process(lambda name=name, settings=settings, train=train: fit(name, settings, train))
                size = (train.n_users, train.n_items, len(train))
                found = {"model": name, "shape": size, "settings": settings, **taken}
                print(found, flush=True)
                yield found


def rows_of(shape: tuple[int, int, int]) -> Interactions:
    """A made world of this shape as a training part."""
    from recsys.data.config import SyntheticData
    from recsys.data.interactions import training_view
    from recsys.data.load import load
    from recsys.settings import Settings

    users, items, interactions = shape
    config = SyntheticData(source="synthetic", seed=1, users=users, items=items, interactions=interactions)
    data = load(config, None, Settings())
    return training_view(data, np.arange(len(data)), None, None)


def fit(name: str, settings: dict[str, Any], train: Interactions) -> dict[str, float]:
    """CPU seconds of a fit and ten items for every user, and the megabytes that the fit took at its peak."""
    import importlib

    from recsys.retrieval.lists import recommend
    from recsys.training.run import FitRun

    model = model_of(name, settings)
    for library in model.libraries:
        importlib.import_module(library)
    Path("/proc/self/clear_refs").write_text("5")
    before, began = peak_memory(), time.process_time()
    model.learn(train, FitRun())
    grown = peak_memory() - before
    recommend(model, train, np.arange(train.n_users), 10)
    return {"seconds": round(time.process_time() - began, 2), "megabytes": round(grown / 1e6, 1)}


def in_process(body: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What the body returns, computed by a fork of this process: it shares the rows and leaves nothing behind."""
    reading, writing = multiprocessing.Pipe(duplex=False)

    def work() -> None:
        writing.send(body())

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    writing.close()
    try:
        return dict(reading.recv())
    finally:
        process.join()


def from_comparison(folder: Path) -> Iterator[dict[str, Any]]:
    """What the fits of a comparison took, all their threads together; memory less what a child takes before it fits."""
    spec = yaml.safe_load((folder / "spec.yaml").read_text())
    parts = json.loads((folder / "manifest.json").read_text())["split"]["folds"][0]
    rows = parts["train"]["rows"] + parts["validation"]["rows"] * spec["refit"]
    shape = (parts["train"]["users"], parts["train"]["items"], rows)
    models = {model.get("label") or model["name"]: model for model in spec["models"]}
    with (folder / "leaderboard.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            model = models.get(row["model"], {"name": row["model"]})
            settings = {key: value for key, value in model.items() if key not in ("name", "label")}
            megabytes = float(row["peak_memory_mb"]) - bytes_before(rows) / 1e6
            taken = {"seconds": round(float(row["cpu_seconds"]), 2), "megabytes": round(megabytes, 1)}
            yield {"model": model["name"], "shape": shape, "settings": settings, **taken}


def ratios(rows: list[dict[str, Any]], what: str) -> np.ndarray:
    """Measured over law of each row; what: seconds or megabytes."""
    laws = np.array([law(row, what) for row in rows])
    return np.array([row[what] for row in rows]) / laws


def law(row: dict[str, Any], what: str) -> float:
    """What the law says of a measured fit."""
    model = model_of(row["model"], row["settings"])
    return model.seconds(*row["shape"]) if what == "seconds" else model.memory(*row["shape"]) / 1e6


def table(rows: list[dict[str, Any]]) -> str:
    """The laws against what was measured, as Markdown."""
    lines = [HEADER, ("---",) * len(HEADER)]
    for name in MODELS:
        mine = [row for row in rows if row["model"] == name]
        if mine:
            cells = [cell for what in ("seconds", "megabytes") for cell in off(mine, what)]
            lines.append((f"`{name}`", *cells, str(len(mine))))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def off(rows: list[dict[str, Any]], what: str) -> tuple[str, str]:
    """How far the law of a model is off: the geometric mean of measured over law, and its least and greatest."""
    found = ratios(long_enough(rows, what), what)
    if not len(found):
        return "", ""
    return f"{np.exp(np.log(found).mean()):.2f}", f"{found.min():.2f}–{found.max():.2f}"


def long_enough(rows: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    """Those whose figure is more than the overhead of measuring it."""
    return [row for row in rows if row[what] >= LEAST[what]]


def draw(rows: list[dict[str, Any]]) -> None:
    """A panel a model: its law along the shapes of ALONG a line, what was measured dots, the law of these rings."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    for what, place in FIGURES.items():
        figure, panels = plt.subplots(4, 6, figsize=(15, 9), sharex=True, sharey=True, layout="constrained")
        for panel, name in zip(panels.flat, MODELS, strict=False):
            mine = [row for row in rows if row["model"] == name]
            along = [{"model": name, "shape": shape, "settings": {}} for shape in ALONG]
            panel.plot([shape[2] for shape in ALONG], [law(row, what) for row in along], color="0.6", lw=1)
            at = [row["shape"][2] for row in mine]
            panel.plot(at, [law(row, what) for row in mine], "o", mfc="none", color="0.4", ms=6)
            panel.plot(at, [row[what] for row in mine], "o", color="#b0413e", ms=3.5)
            panel.set(title=name, xscale="log", yscale="log")
            panel.grid(alpha=0.25)
        for panel in panels.flat[len(MODELS) :]:
            panel.axis("off")
        figure.supxlabel("interactions")
        figure.supylabel({"seconds": "CPU seconds", "megabytes": "MB at the peak of the fit"}[what])
        figure.savefig(place, dpi=80)
        plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="The laws of cost of the models.")
    parser.add_argument("names", nargs="*", metavar="MODEL", help="what to measure; default: all")
    parser.add_argument("--measure", action="store_true", help="fit on made worlds, keep what it takes")
    parser.add_argument("--from", dest="folder", type=Path, metavar="DIR", help="keep what a comparison took")
    parser.add_argument("--write", action="store_true", help="draw, and write the table to docs/costs.md")
    asked = parser.parse_args()
    rows = read_measured()
    if asked.measure or asked.folder:
        found = measure(asked.names or list(MODELS)) if asked.measure else from_comparison(asked.folder)
        for row in found:
            rows = [other for other in rows if not same(other, row)] + [row]
            MEASURED.write_text(written_rows(rows))
    elif asked.write:
        draw(rows)
        from models_table import written

        PAGE.write_text(written(PAGE.read_text(), table(rows), BEGIN, END))
    else:
        print(table(rows))


def read_measured() -> list[dict[str, Any]]:
    """What was measured so far."""
    return list(json.loads(MEASURED.read_text())) if MEASURED.exists() else []


def written_rows(rows: list[dict[str, Any]]) -> str:
    """The rows as JSON, a line each."""
    rows = sorted(rows, key=lambda row: (row["model"], row["shape"][2], row["shape"][0]))
    return "[\n" + ",\n".join(f" {json.dumps(row)}" for row in rows) + "\n]\n"


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two fits are of the same model and shape: the later one counts."""
    return one["model"] == other["model"] and list(one["shape"]) == list(other["shape"])


if __name__ == "__main__":
    main()

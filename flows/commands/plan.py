"""What a spec will do: its stages, what of them is done, and what the rest takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from flows.command import Speech
from recsys.data.dataset import Dataset
from recsys.data.load import inputs, load
from recsys.experiment.cells import expected_seconds
from recsys.experiment.locate import Located
from recsys.experiment.spec import Experiment
from recsys.experiment.trials import tunable
from recsys.models.registry import model_class
from recsys.models.requirements import bytes_before, free_memory
from recsys.settings import Settings
from recsys.splits.account import account
from recsys.splits.splitting import split
from recsys.store import Store
from tasks.context import width

# What the process of a model takes before it fits anything: interpreter and libraries.
CHILD_SECONDS = 1.5


def plan_of(spec: Path, overrides: list[str], settings: Settings) -> dict[str, Any]:
    """The plan as plain JSON. Reads and splits the data to count them; fits and stores nothing.

    Raises InputError where spec or data are wrong.
    """
    experiment = Experiment.load(spec, overrides)
    found = inputs(experiment.data, experiment.predefined, settings)
    workers, threads = width(experiment)
    located = Located(experiment, found, Store(settings.store), threads)
    done = located.dataset is not None
    data = (
        Dataset.load(located.dataset.folder)
        if located.dataset
        else load(experiment.data, experiment.predefined, settings)
    )
    folds = split(data, experiment.split)
    counts = account(data, folds[0], experiment.positive, experiment.refit)
    rows = len(data) - counts["test"]["rows"]
    cells = [
        _cell(experiment, data, rows, located, model, seed, fold.number)
        for fold in folds
        for model, seed in experiment.compared()
    ]
    left = [cell for cell in cells if not cell["done"]]
    tuning = _tuning(experiment, left)
    return {
        "name": experiment.name,
        "data": {"rows": len(data), "users": len(data.users), "items": len(data.items), "done": done},
        "split": {
            "folds": len(folds),
            "done": located.split is not None,
            **{part: counts[part]["rows"] for part in ("train", "validation", "test")},
        },
        "tuning": tuning,
        "fits": cells,
        "workers": workers,
        "threads": threads,
        "seconds": (sum(cell["seconds"] for cell in left) + (tuning["seconds"] if tuning else 0.0)) / workers,
        "memory": sum(sorted((cell["memory"] for cell in left), reverse=True)[:workers]),
        "memory_free": free_memory(),
    }


def _tuning(experiment: Experiment, left: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What searching for settings takes before the fits that are left, at most; None where nothing is tuned."""
    budget = experiment.tuning
    if budget is None:
        return None
    one = {cell["model"]: cell["seconds"] for cell in left}
    models = [model.row for model in experiment.models if model.row in one and tunable(experiment, model)]
    seconds = sum(min(budget.trials * one[row], budget.seconds) for row in models)
    return {"models": models, "trials": budget.trials, "seconds": seconds}


def _cell(
    experiment: Experiment, data: Dataset, rows: int, located: Located, model: Any, seed: int, fold: int
) -> dict[str, Any]:
    kind = model_class(model.name)
    fitted = located.fit(model, seed, fold)
    size = (len(data.users), len(data.items), rows)
    recommender = kind(model)
    seconds = CHILD_SECONDS + expected_seconds(experiment, model, size)
    memory = bytes_before(rows) + recommender.memory(*size)
    if fitted is not None:
        measured = json.loads((fitted.folder / "measured.json").read_text())
        seconds, memory = measured["cpu_seconds"], int(measured["peak_memory_mb"] * 1e6)
    return {
        "model": model.row,
        "seed": seed,
        "fold": fold,
        "done": fitted is not None,
        "seconds": seconds,
        "memory": memory,
    }


def say_plan(plan: dict[str, Any], speech: Speech) -> None:
    """The plan for people."""
    data, parts = plan["data"], plan["split"]
    size = f"{data['rows']:,} rows, {data['users']:,} users, {data['items']:,} items"
    speech.say(f"\n{plan['name']}: {size}{_done(data['done'])}")
    shown = ", ".join(f"{parts[part]:,} {part}" for part in ("train", "validation", "test"))
    folds = f"{parts['folds']} folds, the first with " if parts["folds"] > 1 else ""
    speech.say(f"split: {folds}{shown}{_done(parts['done'])}")
    if plan["tuning"]:
        tuning = plan["tuning"]
        work = f"about {tuning['seconds']:,.0f} s of work"
        speech.say(f"tuning: {tuning['trials']} trials of each of {len(tuning['models'])} models, {work}")
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2))
    for column in ("fit", "seed", "fold", "about s", "about MB", ""):
        table.add_column(column, justify="left" if column in ("fit", "") else "right")
    for cell in plan["fits"]:
        numbers = (f"{cell['seconds']:,.0f}", f"{cell['memory'] / 1e6:,.0f}")
        state = "done before" if cell["done"] else "more than is free" if cell["memory"] > plan["memory_free"] else ""
        table.add_row(cell["model"], str(cell["seed"]), str(cell["fold"]), *numbers, state)
    speech.console.print(table)
    at_once = f"{plan['workers']} at once, {plan['threads']} thread{'s' if plan['threads'] > 1 else ''} each"
    speech.say(
        f"about {plan['seconds']:,.0f} s of fitting left, {at_once}; about {plan['memory'] / 1e9:.1f} GB of "
        f"{plan['memory_free'] / 1e9:.1f} GB free"
    )


def _done(done: bool) -> str:
    return " (done before)" if done else ""

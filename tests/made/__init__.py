"""Small data sets, folds, experiments and models whose right answer is known; a package, so that models can live here.

A test's conftest puts `tests/` on the path and imports the fixtures it shares from `made.fixtures`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.comparison.assemble import CellResult
from recsys.comparison.evaluation import evaluate_lists
from recsys.data.dataset import Dataset, Entities
from recsys.data.interactions import DAY
from recsys.experiment.cells import job_of
from recsys.experiment.fit import fit_and_recommend
from recsys.experiment.job import Job
from recsys.experiment.spec import Experiment
from recsys.splits.fold import Fold


def entities(ids: Sequence[Any], **features: Any) -> Entities:
    """Users or items with these ids, ascending, and features such as title=[…]."""
    array = np.array(ids, dtype=object if isinstance(ids[0], str) else np.int64)
    frame = pd.DataFrame(features, index=range(len(ids)))
    return Entities(array, frame, dict.fromkeys(features, "text"))


def dataset(
    rows: Iterable[tuple[Any, ...]],
    *,
    users: Sequence[Any] = (),
    items: Sequence[Any] = (),
    timestamps: Sequence[int] | None = None,
    sessions: pd.DataFrame | None = None,
    **features: Any,
) -> Dataset:
    """A data set of rows (user, item) or (user, item, value) in people's ids; users, items: more than the rows name.

    features: of items, in the order of their ids.
    """
    rows = list(rows)
    user_ids = sorted({row[0] for row in rows} | set(users))
    item_ids = sorted({row[1] for row in rows} | set(items))
    return Dataset(
        user=np.array([user_ids.index(row[0]) for row in rows], dtype=np.int32),
        item=np.array([item_ids.index(row[1]) for row in rows], dtype=np.int32),
        value=np.array([row[2] for row in rows], dtype=np.float32) if len(rows[0]) > 2 else None,
        timestamp=None if timestamps is None else np.array(timestamps, dtype=np.int64) * DAY,
        part=None,
        users=entities(user_ids),
        items=entities(item_ids, **features),
        sessions=sessions,
        clock="time",
        account={"read": len(rows), "kept": len(rows)},
    )


def fold(data: Dataset, test: Sequence[int], validation: Sequence[int] = (), history: Sequence[int] = ()) -> Fold:
    """The fold with these rows in its parts, and the rest for training."""
    test, validation, history = (np.array(part, dtype=np.int64) for part in (test, validation, history))
    return Fold.of(len(data), test=test, validation=validation, history=history)


def world(n_users: int = 60, n_items: int = 12, seed: int = 0, strings: bool = False) -> tuple[Dataset, Fold]:
    """Users with six items each, values 1 to 5: the last is for testing, the last but one for validation."""
    random = np.random.default_rng(seed)
    rows = [
        (f"u{user:03}" if strings else user + 1000, f"i{item:02}" if strings else item + 50, int(random.integers(1, 6)))
        for user in range(n_users)
        for item in random.permutation(n_items)[:6]
    ]
    data = dataset(rows, timestamps=range(len(rows)))
    return data, fold(data, test=range(5, len(rows), 6), validation=range(4, len(rows), 6))


def spec(**changes: Any) -> Experiment:
    """An experiment on a made world with one model; changes: of its sections."""
    return Experiment.parse({"name": "made", "data": {"source": "synthetic"}, "models": ["popularity"], **changes})


def stored(folder: Path, data: Dataset, part: Fold) -> tuple[Path, Path]:
    """The folders of a data set and a fold, written below this one."""
    places = folder / "dataset", folder / "fold"
    for place, content in zip(places, (data, part), strict=True):
        place.mkdir(parents=True)
        content.save(place)
    return places


def job(folder: Path, data: Dataset, part: Fold, experiment: Experiment, seed: int = 42, **changes: Any) -> Job:
    """The job of an experiment's first model on these data, stored below the folder where they are not yet."""
    places = (folder / "dataset", folder / "fold") if (folder / "dataset").exists() else stored(folder, data, part)
    found = job_of(experiment, experiment.models[0], seed, *places, threads=1)
    return found.model_copy(update=changes)


def cells(
    folder: Path, experiment: Experiment, data: Dataset, parts: Sequence[Fold], controls: bool = False
) -> list[CellResult]:
    """Every cell of an experiment fitted and evaluated in this process, below the folder; run ids are `run 0`, …

    controls: with those that a comparison adds.
    """
    done: list[CellResult] = []
    for number, part in enumerate(parts):
        place = folder / f"part {number}"
        dataset_at, fold_at = stored(place, data, replace(part, number=number))
        for model, seed in experiment.compared() if controls else experiment.candidates():
            fit, evaluation = place / f"{model.row} {seed} fit", place / f"{model.row} {seed} evaluation"
            fit.mkdir()
            evaluation.mkdir()
            work = job_of(experiment, model, seed, dataset_at, fold_at, threads=1)
            fit_and_recommend(work, fit, place / "checkpoint", lambda step: None)
            measured = json.loads((fit / "measured.json").read_text())
            (fit / "measured.json").write_text(json.dumps({**measured, "cpu_seconds": 1.5, "peak_memory_mb": 64.0}))
            evaluate_lists(experiment, dataset_at, fold_at, fit, evaluation)
            done.append(CellResult(model.row, seed, number, fit, evaluation, f"run {len(done)}"))
    return done

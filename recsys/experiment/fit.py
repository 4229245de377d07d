"""Fit one model and write its lists: what a child process does from start to end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recsys.config import IntArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions, serving_view, training_view
from recsys.experiment.candidates import candidate_mask
from recsys.experiment.job import Job
from recsys.experiment.lists import Lists
from recsys.models.base import Recommender
from recsys.models.registry import model_class
from recsys.retrieval.lists import recommend
from recsys.splits.account import positives
from recsys.splits.fold import Fold, training_rows
from recsys.training.run import FitRun, Progress
from recsys.training.validation import validation_of

Tell = Callable[[dict[str, Any]], None]


def fit_and_recommend(job: Job, folder: Path, checkpoint: Path, tell: Tell) -> None:
    """Do the job and leave in `folder`: the lists, `model/`, `curves.json` and `measured.json`.

    tell: called with the progress of each epoch. Raises InputError where model and data do not fit together.
    """
    data, fold = Dataset.load(job.dataset), Fold.load(job.fold)
    curves: list[dict[str, Any]] = []
    run = FitRun(seed=job.seed, threads=job.threads, device=job.device)

    def on(phase: str) -> FitRun:
        def note(progress: Progress) -> None:
            step = {"phase": phase, "epoch": progress.epoch, "epochs": progress.epochs, **progress.metrics}
            curves.append(step)
            tell(step)

        place = checkpoint / phase
        place.mkdir(parents=True, exist_ok=True)
        return replace(run, tell=note, checkpoint=place)

    model, train, measured = _fitted(job, data, fold, on)
    started = time.perf_counter()
    lists = make_lists(job, data, fold, model, train)
    measured["recommend_seconds"] = time.perf_counter() - started
    lists.save(folder)
    (folder / "model").mkdir()
    model.save(folder / "model")
    measured["model_bytes"] = sum(path.stat().st_size for path in (folder / "model").iterdir())
    (folder / "curves.json").write_text(json.dumps(curves))
    (folder / "measured.json").write_text(json.dumps(measured))


def _fitted(
    job: Job, data: Dataset, fold: Fold, on: Callable[[str], FitRun]
) -> tuple[Recommender, Interactions, dict[str, Any]]:
    """The final model, what it was fitted on, and what the fit took.

    A model that watches the validation part is first fitted on train alone, to choose its epochs; the final fit, on
    train and validation, then runs for that many. Without refit the first fit is the final one.
    """

    def view(rows: IntArray) -> Interactions:
        return training_view(data, rows, job.positive, job.weight, job.candidates == "catalogue")

    config, kind = job.model, model_class(job.model.name)
    measured: dict[str, Any] = {}
    train = None
    if kind.watches_validation and len(fold.validation):
        started = time.perf_counter()
        train = view(fold.train)
        model = kind(config)
        validation = validation_of(data, train, fold.validation, job.positive, job.primary, kind.predicts_values)
        model.learn(train, replace(on("validation"), validation=validation))
        measured["best_epoch"] = model.best_epoch
        measured["validation_seconds"] = time.perf_counter() - started
        config = config.model_copy(update={"epochs": model.best_epoch})
    started = time.perf_counter()
    if train is None or job.refit:
        train = view(training_rows(data, fold, job.refit))
        model = kind(config)
        model.learn(train, on("fit"))
        measured["fit_seconds"] = time.perf_counter() - started
    else:
        measured["fit_seconds"] = measured["validation_seconds"]
    return model, train, measured


def make_lists(job: Job, data: Dataset, fold: Fold, model: Recommender, train: Interactions) -> Lists:
    """The lists of every user with a test positive, known to the model or not."""
    truth = positives(data, fold.test, job.positive)
    users = np.unique(data.user[truth])
    known = train.users.positions(data.users.ids[users])
    warm = known >= 0
    allowed = candidate_mask(job.candidates, data, train, users)
    back = np.append(data.items.positions(train.items.ids), -1).astype(np.int32)
    items = np.full((len(users), job.length), -1, dtype=np.int32)
    scores = np.full((len(users), job.length), -np.inf, dtype=np.float32)

    def fill(rows: IntArray, source: Interactions, positions: IntArray, is_known: bool) -> None:
        if len(rows):
            mask = allowed[rows] if allowed is not None else None
            found, scored = recommend(
                model,
                source,
                positions,
                job.length,
                exclude_seen=job.exclude_seen,
                candidates=mask,
                known=is_known,
            )
            items[rows], scores[rows] = back[found], scored

    fill(np.flatnonzero(warm), train, known[warm], True)
    strangers = serving_view(data, train, users[~warm], fold.history, job.positive, job.weight)
    fill(np.flatnonzero(~warm), strangers, np.arange(strangers.n_users), False)
    return Lists(users, warm, items, scores, _predicted(job, data, fold, model, train))


def _predicted(job: Job, data: Dataset, fold: Fold, model: Recommender, train: Interactions) -> np.ndarray | None:
    if not (job.predict and model.predicts_values and data.value is not None):
        return None
    user = train.users.positions(data.users.ids[data.user[fold.test]])
    item = train.items.positions(data.items.ids[data.item[fold.test]])
    return np.asarray(model.predict(user, item), dtype=np.float32)

"""Fit one model and write its lists: what a child process does from start to end."""

from __future__ import annotations

import importlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recsys.config import BoolArray, IntArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions, known_view, serving_view, training_view
from recsys.errors import NotANumberError, RunError
from recsys.experiment.candidates import candidate_mask
from recsys.experiment.job import Job
from recsys.experiment.lists import Lists
from recsys.experiment.places import Places
from recsys.experiment.steps import Steps
from recsys.metrics.evaluate import require_finite
from recsys.models.base import ModelConfig, Recommender
from recsys.models.list_maker import ListMaker, ListRequest
from recsys.models.registry import model_class, open_model
from recsys.retrieval.lists import block_size, recommend
from recsys.splits.account import positives
from recsys.splits.fold import Fold, training_rows
from recsys.training.peers import Peers
from recsys.training.run import FitRun
from recsys.training.validation import validation_of

NOBODY = (0, 0)
Tell = Callable[[dict[str, Any]], None]


def fit_and_recommend(job: Job, folder: Path, checkpoint: Path, tell: Tell) -> None:
    """Do the job and leave in the empty `folder`: the lists, `model/`, `curves.json` and `measured.json`.

    checkpoint: a folder that outlives a kill. tell: called with each epoch. Raises InputError where model and data do
    not fit together, RunError where training explodes.
    """
    try:
        _do(job, folder, checkpoint, tell)
    except NotANumberError as error:
        remedy = "it has diverged, or cannot use these values: lower learning_rate, where it has one"
        raise RunError(f"model '{job.model.name}'", str(error), remedy) from error


def _do(job: Job, folder: Path, checkpoint: Path, tell: Tell) -> None:
    data, fold = Dataset.load(job.dataset), Fold.load(job.fold)
    if job.fitted is not None:
        _serve_share(job, data, fold, job.fitted, folder)
        return
    steps = Steps(checkpoint, tell)
    model = model_class(job.model.name)(job.model)
    if isinstance(model, ListMaker):
        lists, measured = _asked_for_lists(job, data, fold, model, steps)
        lists.save(folder)
    else:
        for name in model.libraries:
            importlib.import_module(name)
        peers = _met(job)
        model, train, measured = _fitted(job, data, fold, steps, peers)
        if peers is not None and not peers.leads:
            (folder / "measured.json").write_text(json.dumps({}))
            return
        if job.share != NOBODY:
            measured |= _served(job, data, fold, model, train, folder)
    (folder / "model").mkdir()
    model.save(folder / "model")
    if not isinstance(model, ListMaker):
        measured["model_bytes"] = sum(path.stat().st_size for path in (folder / "model").iterdir())
    (folder / "curves.json").write_text(json.dumps(steps.all))
    (folder / "measured.json").write_text(json.dumps(measured))


def _serve_share(job: Job, data: Dataset, fold: Fold, fitted: Path, folder: Path) -> None:
    """Leave in the folder the lists that a model of this very job makes for the job's share of the users."""
    train = _view(job, data, training_rows(data, fold, job.refit))
    (folder / "measured.json").write_text(json.dumps(_served(job, data, fold, open_model(fitted), train, folder)))


def _served(
    job: Job, data: Dataset, fold: Fold, model: Recommender, train: Interactions, folder: Path
) -> dict[str, float]:
    """Leave the lists in the folder; the seconds they took."""
    started = time.perf_counter()
    make_lists(job, data, fold, model, train).save(folder)
    return {"recommend_seconds": time.perf_counter() - started}


def _met(job: Job) -> Peers | None:
    """The processes that fit the model together, once all are there; None where it is one alone."""
    if job.peer is None:
        return None
    peer = job.peer
    return Peers(peer.rank, job.processes, peer.meet, peer.own, peer.listening)


def _fitted(
    job: Job, data: Dataset, fold: Fold, steps: Steps, peers: Peers | None
) -> tuple[Recommender, Interactions, dict[str, Any]]:
    """The final model, what it was fitted on, and what the fit took.

    A model that watches the validation part is first fitted on train alone, to choose its epochs; the final fit, on
    train and validation, then runs for that many. Without refit the first fit is the final one.
    """
    config = job.model
    measured: dict[str, Any] = {}
    if model_class(config.name).watches_validation and len(fold.validation):
        model, train, seconds = _learnt(job, config, data, fold, "validation", steps, peers)
        measured = {"best_epoch": model.best_epoch, "validation_seconds": seconds}
        if not job.refit:
            return model, train, measured | {"fit_seconds": seconds}
        config = config.model_copy(update={"epochs": model.best_epoch})
        del model, train  # two training parts at once would be the peak of memory
    model, train, seconds = _learnt(job, config, data, fold, "fit", steps, peers)
    return model, train, measured | {"fit_seconds": seconds}


def _learnt(
    job: Job,
    config: ModelConfig,
    data: Dataset,
    fold: Fold,
    phase: Literal["validation", "fit"],
    steps: Steps,
    peers: Peers | None,
) -> tuple[Recommender, Interactions, float]:
    """A fitted model, the training part it was fitted on, and the seconds it took."""
    started = time.perf_counter()
    watching = phase == "validation"
    rows = fold.train if watching else training_rows(data, fold, job.refit)
    train = _view(job, data, rows)
    model = model_class(config.name)(config)
    with steps.phase(phase) as (checkpoint, tell):
        run = FitRun(job.seed, job.threads, job.device, checkpoint=checkpoint, peers=peers, tell=tell)
        if watching:
            part = validation_of(data, train, fold.validation, job.positive, job.primary, model.predicts_values)
            run = replace(run, validation=part)
        model.learn(train, run)
    return model, train, time.perf_counter() - started


def _view(job: Job, data: Dataset, rows: IntArray) -> Interactions:
    """These rows as the job's model is to see them."""
    return training_view(data, rows, job.positive, job.weight, job.candidates == "catalogue")


def lists_of_stored(job: Job, folder: Path) -> Lists:
    """What a model that was fitted before gives the users of the fold's test part; folder: of the stored model.

    It is asked as it serves: whom it knows by their place in its training, others by their history, everybody with the
    rows before the test part as what they have seen.
    """
    data, fold, model = Dataset.load(job.dataset), Fold.load(job.fold), open_model(folder)
    rows = training_rows(data, fold, refit=True)
    seen = known_view(data, model.users, model.items, rows, job.positive, job.weight)
    return make_lists(job, data, replace(fold, history=rows), model, seen)


def make_lists(job: Job, data: Dataset, fold: Fold, model: Recommender, train: Interactions) -> Lists:
    """The lists of every user with a test positive, known to the model or not, or of the job's share of them."""
    users, known, strangers = _to_serve(job, data, fold, train)
    warm = known >= 0
    shares = {is_warm: _share(np.flatnonzero(warm == is_warm), job, train) for is_warm in (True, False)}
    allowed = candidate_mask(job.candidates, data, train, users)
    back = np.append(data.items.positions(train.items.ids), -1).astype(np.int32)
    items = np.full((len(users), job.length), -1, dtype=np.int32)
    scores = np.full((len(users), job.length), -np.inf, dtype=np.float32)
    places = Places(job, data, fold, users, train) if job.ranks else None
    alike = _alike(model, strangers) if allowed is None else None
    for is_warm, whom in shares.items():
        source = train if is_warm else strangers
        rows = known[whom] if is_warm else np.cumsum(~warm)[whom] - 1
        found, scores[whom] = recommend(
            model,
            source,
            rows,
            job.length,
            exclude_seen=job.exclude_seen,
            candidates=None if allowed is None else allowed[whom],
            known=is_warm,
            alike=None if is_warm or alike is None else alike[rows],
            look=None if places is None else places.of(whom),
        )
        items[whom] = back[found]
    ranks = {} if places is None else places.arrays()
    mine = np.sort(np.concatenate(list(shares.values())))
    if "n_candidates" in ranks:
        ranks["n_candidates"] = ranks["n_candidates"][mine]
    predicted = _predicted(job, data, fold, model, train) if job.share[0] == 0 else None
    return Lists(users[mine], warm[mine], items[mine], scores[mine], predicted, **ranks)


def _alike(model: Recommender, strangers: Interactions) -> BoolArray | None:
    """Which strangers have no row, and so get the scores of every other one of them, (n,); None where each gets its
    own."""
    return np.bincount(strangers.user, minlength=strangers.n_users) == 0 if model.strangers_alike else None


def _share(whom: IntArray, job: Job, train: Interactions) -> IntArray:
    """The job's share of these users: whole blocks of those that are scored at once, as without shares."""
    size, (number, of) = block_size(train.n_items), job.share
    blocks = -(-len(whom) // size)
    return whom[blocks * number // of * size : blocks * (number + 1) // of * size]


def _to_serve(job: Job, data: Dataset, fold: Fold, train: Interactions) -> tuple[IntArray, IntArray, Interactions]:
    """Users with a test positive, their positions in training or -1, and what may be shown of those without one."""
    users = np.unique(data.user[positives(data, fold.test, job.positive)])
    known = train.users.positions(data.users.ids[users])
    return users, known, serving_view(data, train, users[known < 0], fold.history, job.positive, job.weight)


def _asked_for_lists(
    job: Job, data: Dataset, fold: Fold, model: ListMaker, steps: Steps
) -> tuple[Lists, dict[str, Any]]:
    """The lists that a model makes itself, and the seconds that took."""
    started = time.perf_counter()
    train = _view(job, data, training_rows(data, fold, job.refit))
    users, known, strangers = _to_serve(job, data, fold, train)
    with steps.phase("fit") as (checkpoint, tell):
        run = FitRun(seed=job.seed, threads=job.threads, device=job.device, checkpoint=checkpoint, tell=tell)
        model.learn(train, run)
        request = ListRequest(
            train=train,
            positive=job.positive,
            users=data.users.take(users),
            known=known,
            histories=strangers,
            k=job.length,
            exclude_seen=job.exclude_seen,
            candidates=candidate_mask(job.candidates, data, train, users),
            folder=_emptied(checkpoint / "lists"),
        )
        items, scores = model.lists(request, run)
    back = np.append(data.items.positions(train.items.ids), -1).astype(np.int32)
    return Lists(users, known >= 0, back[items], scores), {"fit_seconds": time.perf_counter() - started}


def _emptied(folder: Path) -> Path:
    """The folder, new: what an earlier try left there is no answer to this question."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _predicted(job: Job, data: Dataset, fold: Fold, model: Recommender, train: Interactions) -> np.ndarray | None:
    if not (job.predict and model.predicts_values and data.value is not None):
        return None
    user = train.users.positions(data.users.ids[data.user[fold.test]])
    item = train.items.positions(data.items.ids[data.item[fold.test]])
    predicted = np.asarray(model.predict(user, item), dtype=np.float32)
    require_finite(predicted)
    return predicted

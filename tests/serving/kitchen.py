"""Makes the bundles that the tests serve."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.vectors import made as made_vectors
from made import job, spec, world

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import training_view
from recsys.experiment.fit import fit_and_recommend
from recsys.experiment.lists import Lists
from recsys.experiment.spec import Experiment
from recsys.serving.about import Facts
from recsys.serving.answers import Answer
from recsys.serving.app import create_app
from recsys.serving.bundle import write_bundle
from recsys.serving.settings import ServeSettings
from recsys.serving.state import Serving
from recsys.splits.fold import training_rows

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for another client than the one that is there
    from starlette.testclient import TestClient

N_USERS = 120


class Pointer:
    """Tells what is current, as a registry would."""

    def __init__(self, version: str, folder: Path) -> None:
        self.version, self.folder, self.fails = version, folder, False

    def __call__(self) -> tuple[str, Path]:
        if self.fails:
            raise ConnectionError("the registry is away")
        return self.version, self.folder


def experiment(model: Any, **changes: Any) -> Experiment:
    return spec(models=[model], evaluation={"metrics": ["ndcg"], "k": [10]}, **changes)


def titled(data: Dataset) -> Dataset:
    """The data with a title for each item, one of them a script."""
    from dataclasses import replace

    features = data.items.features.assign(title=[f"<script>alert({item})</script>" for item in data.items.ids])
    return replace(data, items=replace(data.items, features=features, kinds={"title": "text"}))


def evaluated(folder: Path, model: Any, *, strings: bool = False, titles: bool = False, **changes: Any):
    """A model fitted and evaluated as a comparison does: data, fold, training part, lists, folder of the fit."""
    data, part = world(N_USERS, 40, strings=strings)
    data = titled(data) if titles else data
    chosen = experiment(model, **changes)
    work, place = job(folder, data, part, chosen), folder / "fit"
    place.mkdir()
    fit_and_recommend(work, place, folder / "checkpoint", lambda step: None)
    rows = training_rows(data, part, chosen.refit)
    train = training_view(data, rows, chosen.positive, chosen.data.weight)
    return data, part, train, Lists.load(place), place


def bundle_of(folder: Path, model: Any, *, facts: dict[str, Any] | None = None, **more: Any) -> Path:
    """The bundle of a model fitted on the made world."""
    _, _, train, _, place = evaluated(folder, model, **more)
    given = {"name": "made", "passport": "abc", "digests": {"data": "d1"}, "notes": {"ndcg@5": 0.25}, **(facts or {})}
    write_bundle(folder / "bundle", place / "model", train, Facts(**given))
    return folder / "bundle"


def same_list(items: IntArray, scores: FloatArray, answer: Answer) -> None:
    """The same list but for the order of scores that are the same to 1e-5."""
    kept = items >= 0
    assert np.allclose(scores[kept], answer.scores, rtol=1e-5, atol=1e-6)
    differ = items[kept] != answer.items
    assert np.allclose(scores[kept][differ], answer.scores[differ], rtol=1e-5, atol=1e-6)
    assert differ.mean() < 0.05


def small_vectors(folder: Path, n_users: int = 300, n_items: int = 2_000, seed: int = 0) -> Path:
    """The bundle of a two-tower model with an index."""
    model, train = made_vectors(n_users, n_items, size=16, seed=seed)
    (folder / "model").mkdir(parents=True)
    model.save(folder / "model")
    write_bundle(folder / "bundle", folder / "model", train, Facts(name="vectors"), index=True)
    return folder / "bundle"


def client_of(state: Serving, page: Path | None = None, **settings: Any) -> TestClient:
    app = create_app(state, ServeSettings(**settings), page=page)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)

"""An epoch of the torch models, and of other libraries' beside it: the same rows, widths and batches, one thread."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recsys.config import IntArray
from recsys.data.config import DataConfig, MovieLensData, SyntheticData
from recsys.data.interactions import Interactions, training_view
from recsys.data.load import load
from recsys.models.registry import model_class
from recsys.settings import Settings
from recsys.training.run import FitRun, Progress
from tests.benchmarks.measure import Figure, beside
from tests.benchmarks.peers import elsewhere

EPOCHS = 3
SASREC = {"embedding_size": 64, "blocks": 2, "heads": 2, "length": 100, "dropout": 0.2, "batch_size": 128}
TWO_TOWER = {"embedding_size": 64, "batch_size": 4096}


def figures() -> Iterator[Figure]:
    """All of them, in the order of the page."""
    train, where = _rows()
    order = np.lexsort((np.arange(len(train)), train.timestamp, train.user))
    ours = _epoch("sasrec", train, where, loss="softmax", **SASREC)
    asked = {**SASREC, "epochs": EPOCHS}
    theirs = elsewhere("rectools", "rectools_sasrec.py", sequence=_pairs(train)[order], asked=asked)
    their_words = "the same by RecTools, which takes the last 101 rows of a user and no others"
    yield from beside(ours, "", (their_words, theirs.get("cpu")))
    # A batch of ours is users with all that they have, one of TFRS is rows: as many rows.
    users = round(TWO_TOWER["batch_size"] * train.n_users / len(train))
    settings = {"history": False, "user_id": True, "embedding_size": TWO_TOWER["embedding_size"], "batch_size": users}
    ours = _epoch("two-tower", train, where, **settings)
    theirs = elsewhere("tfrs", "tfrs_epoch.py", rows=_pairs(train), asked={**TWO_TOWER, "epochs": EPOCHS})
    yield from beside(ours, "≥ 3 times TFRS", ("the same by TFRS, 4,096 rows a batch", theirs.get("cpu")))


def _rows() -> tuple[Interactions, str]:
    """MovieLens-1M where it is at hand, else a made world of its size."""
    config: DataConfig = SyntheticData(source="synthetic", users=6_040, items=3_700, interactions=1_000_000)
    where = "a made world of a million rows"
    root = os.environ.get("RECSYS_DATA_DIR")
    if root and (Path(root) / "ml-1m").exists():
        config, where = MovieLensData(source="movielens-1m"), "MovieLens-1M"
    data = load(config, None, Settings())
    return training_view(data, np.arange(len(data)), None, None, False), where


def _pairs(train: Interactions) -> IntArray:
    return np.column_stack([train.user, train.item])


def _epoch(name: str, train: Interactions, where: str, **settings: Any) -> Figure:
    """The fastest of a few epochs, in CPU seconds."""
    at: list[float] = []

    def tell(progress: Progress) -> None:
        at.append(time.process_time())

    kind, load_average = model_class(name), os.getloadavg()[0]
    kind(kind.Config(epochs=EPOCHS, **settings)).learn(train, FitRun(tell=tell))
    said = ", ".join(f"{key} {value}" for key, value in settings.items() if key != "history")
    spent = float(np.diff(at).min())
    return Figure(f"an epoch of {name} on {where}: {said}", spent, spent, "", None, "", load_average, EPOCHS)

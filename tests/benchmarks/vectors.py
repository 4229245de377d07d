"""A made two-tower model of any size, as a bundle: vectors in clusters, biases that fall with rank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Entities
from recsys.data.interactions import Interactions
from recsys.models.two_tower import TwoTower
from recsys.serving.about import Facts
from recsys.serving.bundle import write_bundle

CLUSTERS = 300
TASTES = 3
TEMPERATURE = 0.2


def unit(vectors: FloatArray) -> FloatArray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def made(n_users: int, n_items: int, size: int = 64, seed: int = 0) -> tuple[TwoTower, Interactions]:
    """A fitted two-tower model and its training part: each user takes 5 to 100 items of three clusters."""
    rng = np.random.default_rng(seed)
    clusters = min(CLUSTERS, n_items // 20)
    cluster = np.sort(rng.integers(0, clusters, n_items))
    own = unit(rng.standard_normal((clusters, size)))[cluster]
    vectors = unit(own + 0.8 * unit(rng.standard_normal((n_items, size))))
    counts = np.clip(rng.lognormal(3, 0.8, n_users), 5, 100).astype(int)
    n = int(counts.sum())
    user = np.repeat(np.arange(n_users, dtype=np.int32), counts)
    taste = rng.integers(0, clusters, (n_users, TASTES))[user, rng.integers(0, TASTES, n)]
    first, last = np.searchsorted(cluster, taste), np.searchsorted(cluster, taste, side="right")
    item = np.minimum(first + rng.random(n) * (last - first), n_items - 1).astype(np.int32)
    train = all_positive(np.column_stack([user, item]), n_users, n_items)
    model = TwoTower(TwoTower.Config(embedding_size=size, temperature=TEMPERATURE))
    model.users, model.items = train.users, train.items
    model.popularity = train.popularity.astype(np.float32)
    model.history_vectors = vectors
    model.item_vectors = vectors / np.float32(TEMPERATURE)
    model.item_biases = (-0.3 * np.log(1 + rng.permutation(n_items))).astype(np.float32)
    model.vectors = np.empty((0, size), dtype=np.float32)
    return model, train


def all_positive(rows: IntArray, n_users: int, n_items: int) -> Interactions:
    """Pairs of user and item, (n, 2) from 0, as a training part."""
    user, item = rows.T.astype(np.int32)
    return Interactions(
        user=user,
        item=item,
        value=None,
        timestamp=None,
        positive=np.ones(len(rows), dtype=bool),
        weight=np.ones(len(rows), dtype=np.float32),
        users=entities(n_users),
        items=entities(n_items),
    )


def entities(n: int) -> Entities:
    return Entities(np.arange(1, n + 1, dtype=np.int64), pd.DataFrame(index=range(n)), {})


def bundle(
    folder: Path, n_users: int, n_items: int, *, threads: int = 2, seed: int = 0, index: bool | None = None
) -> Path:
    """The bundle of such a model, below this folder."""
    model, train = made(n_users, n_items, seed=seed)
    (folder / "model").mkdir(parents=True)
    model.save(folder / "model")
    write_bundle(folder / "bundle", folder / "model", train, Facts(name="benchmark"), index=index, threads=threads)
    return folder / "bundle"

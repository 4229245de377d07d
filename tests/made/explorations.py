"""Small data sets to explore, and what is told of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys.data.build import build
from recsys.data.config import DataOptions
from recsys.data.dataset import Dataset
from recsys.data.interactions import DAY
from recsys.data.raw import Raw
from recsys.experiment.exploring import exploration
from recsys.experiment.spec import Experiment
from recsys.splits.splitting import split


def dataset(rows: list[tuple[Any, ...]], options: DataOptions | None = None, **more: Any) -> Dataset:
    """The data set of rows (user, item, value, timestamp), the last ones left out where they have fewer places."""
    names = ["user", "item", "value", "timestamp"][: len(rows[0])]
    return build(Raw(pd.DataFrame(rows, columns=names), **more), options or DataOptions())


def shop(n_users: int = 60, n_items: int = 30, days: int = 400, values: int = 5, title: str = "Item") -> Dataset:
    """People who rate a third of all items over some days; items come in three genres, of one nothing is known."""
    random = np.random.default_rng(1)
    user, item = np.nonzero(random.random((n_users, n_items)) < np.linspace(0.8, 0.05, n_items))
    times = random.integers(0, days * DAY, len(user)) + 9_000 * DAY
    rating = random.integers(1, values + 1, len(user)).astype(float)
    table = {
        "item": np.arange(n_items),
        "title": [f"{title} {number}" for number in range(n_items)],
        "genres": [None, *(("a|b", "b", "a|c")[number % 3] for number in range(1, n_items))],
    }
    rows = list(zip(user.tolist(), item.tolist(), rating.tolist(), times.tolist(), strict=True))
    return dataset(rows, items=pd.DataFrame(table))


def told(data: Dataset, name: str = "shop", **split_settings: Any) -> dict[str, Any]:
    """What is told of the data under a split."""
    document: dict[str, Any] = {"name": name, "data": {"source": "synthetic"}, "models": ["popularity"]}
    spec = Experiment.parse(document | ({"split": split_settings} if split_settings else {}))
    return exploration(spec, data, split(data, spec.split))

"""The lists that a comparison left, fold by fold, beside what their users wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy import sparse

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import DAY
from recsys.metrics.hits import hits_of
from recsys.metrics.truth import truth_of
from recsys.splits.account import positives
from recsys.splits.fold import Fold, shown_rows, training_rows


@dataclass(frozen=True, eq=False)
class FoldLists:
    """The lists of every model in one fold.

    users: (n,) ascending positions of the users with test positives. counted: (n,) who has values in per_user.parquet.
    truth: (n, n_items) ones. lists: by label and seed, (n, k) items, -1 where a list ends early. fitted, shown: row
    numbers of the final fit, and those with what a model reads when it serves.
    """

    data: Dataset
    number: int
    users: IntArray
    counted: BoolArray
    truth: sparse.csr_array
    lists: Mapping[tuple[str, int], IntArray]
    fitted: IntArray
    shown: IntArray

    @cached_property
    def hits(self) -> dict[tuple[str, int], BoolArray]:
        """Whether each listed item was wanted, in the shape of the lists."""
        return {key: hits_of(items, self.truth) for key, items in self.lists.items()}

    @cached_property
    def rows(self) -> IntArray:
        """Training rows of each user of the data, (n_users of the data,)."""
        return np.bincount(self.data.user[self.fitted], minlength=len(self.data.users))

    @cached_property
    def age(self) -> FloatArray | None:
        """Days from each user's first row to the newest row of all, in training, (n_users of the data,); NaN for the
        rest. None where users share no clock."""
        if self.data.timestamp is None or self.data.clock != "time" or not len(self.fitted):
            return None
        time = np.asarray(self.data.timestamp[self.fitted])
        first = np.full(len(self.data.users), np.iinfo(np.int64).max)
        np.minimum.at(first, self.data.user[self.fitted], time)
        return np.where(self.rows > 0, (time.max() - first.astype(np.float64)) / DAY, np.nan)

    def first(self, label: str) -> IntArray:
        """A model's lists under its first seed."""
        return next(items for (own, _), items in self.lists.items() if own == label)


def fold_lists(
    folder: Path, per_user: pd.DataFrame, data: Dataset, fold: Fold, k: int, positive: float | None, refit: bool
) -> FoldLists:
    """What the recommendations.parquet in `folder` holds of a fold, cut at k.

    per_user: as in per_user.parquet. positive, refit: of the experiment.
    """
    wanted = positives(data, fold.test, positive)
    users = np.flatnonzero(np.bincount(data.user[wanted], minlength=len(data.users)))
    own = per_user[per_user["fold"] == fold.number]
    counted = np.zeros(len(data.users), dtype=bool)
    counted[data.users.positions(own["user"].unique())] = True
    cells = [
        (str(label), int(seed)) for label, seed in own[["model", "seed"]].drop_duplicates().itertuples(index=False)
    ]
    return FoldLists(
        data=data,
        number=fold.number,
        users=users,
        counted=counted[users],
        truth=truth_of(data.user[wanted], data.item[wanted], users, len(data.items)),
        lists={
            (str(label), int(seed)): _read(folder, data, users, k, label, seed, fold.number) for label, seed in cells
        },
        fitted=training_rows(data, fold, refit),
        shown=shown_rows(data, fold, refit),
    )


def _read(folder: Path, data: Dataset, users: IntArray, k: int, label: str, seed: int, fold: int) -> IntArray:
    filters = [("model", "==", label), ("seed", "==", seed), ("fold", "==", fold), ("rank", "<=", k)]
    table = pq.read_table(folder / "recommendations.parquet", columns=["user", "item", "rank"], filters=filters)
    place = np.full(len(data.users), -1)
    place[users] = np.arange(len(users))
    row = place[data.users.positions(table["user"].to_pandas())]
    lists = np.full((len(users), k), -1, dtype=np.int32)
    lists[row, table["rank"].to_numpy() - 1] = data.items.positions(table["item"].to_pandas())
    return lists

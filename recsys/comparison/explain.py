"""The lists of a finished run under the definitions of other libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.comparison.stored_run import StoredRun
from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.errors import RunError
from recsys.experiment.rebuild import Rebuilt
from recsys.metrics.elsewhere import LIBRARIES, OURS, Judged, elliot_gain
from recsys.metrics.hits import hits_of
from recsys.metrics.truth import truth_of
from recsys.splits.account import positives

CLOSE = 1e-9


@dataclass(frozen=True)
class Line:
    """A metric of a model at length k. values: by library, the mean over seeds and folds; None where it has none."""

    model: str
    metric: str
    k: int
    values: Mapping[str, float | None]

    @property
    def spread(self) -> float:
        """The largest value of the same lists minus the smallest."""
        there = [value for value in self.values.values() if value is not None]
        return max(there) - min(there)


def explain(run: StoredRun, rebuilt: Rebuilt) -> list[Line]:
    """Every metric of hits, at every length of the experiment, of every model of the run, best model first.

    Each seed and fold is evaluated on its own. Raises RunError where our own values are not those that the run noted.
    """
    data, ks = rebuilt.data, sorted(set(run.spec.evaluation.k))
    listed = dict(iter(run.recommendations.groupby(["model", "seed", "fold"], sort=False)))
    found: dict[tuple[str, int, str], list[dict[str, float | None]]] = {}
    for key, counted in run.per_user.groupby(["model", "seed", "fold"], sort=False):
        label, fold = str(counted["model"].iloc[0]), int(counted["fold"].iloc[0])
        lists = listed.get(key, run.recommendations[:0])
        cell = _Cell.of(run, data, rebuilt.fold(fold).test, counted["user"], lists)
        for k in ks:
            judged = cell.judged(k)
            for metric in OURS:
                found.setdefault((label, k, metric), []).append(_values(judged, metric))
                _refuse_another(counted, f"{metric}@{k}", OURS[metric](judged), label)
    order = [label for label in run.leaderboard["model"] if (label, ks[0], "ndcg") in found]
    return [Line(label, metric, k, _mean(found[label, k, metric])) for label in order for metric in OURS for k in ks]


def _values(judged: Judged, metric: str) -> dict[str, float | None]:
    values = {name: own[metric](judged) if metric in own else None for name, own in LIBRARIES.items()}
    return {name: value if value is None or np.isfinite(value) else None for name, value in values.items()}


def _mean(cells: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """By library, over seeds and folds; None where one of them has no value."""
    mean = {}
    for name in LIBRARIES:
        values = [value for cell in cells if (value := cell[name]) is not None]
        mean[name] = float(np.mean(values)) if len(values) == len(cells) else None
    return mean


def _refuse_another(counted: pd.DataFrame, column: str, value: float, label: str) -> None:
    if column not in counted:
        return
    noted = float(counted[column].mean())
    if abs(noted - value) > CLOSE:
        message = f"{column} of {label} is {value:.6f} from its lists, and the run noted {noted:.6f}"
        raise RunError("metrics", message, "they were computed by other code: see the run's manifest.json")


@dataclass(frozen=True, eq=False)
class _Cell:
    """The lists of one model, seed and fold, in the codes of the data.

    lists: (n, longest) items, -1 where a list ends early. truth: (n, n_items) ones. gains: (n_pairs,) what a hit gains
    in Elliot, in the order of the truth's entries.
    """

    lists: IntArray
    truth: sparse.csr_array
    gains: FloatArray

    @classmethod
    def of(cls, run: StoredRun, data: Dataset, test: IntArray, users: pd.Series, lists: pd.DataFrame) -> _Cell:
        """The lists of these users, who have test positives; others may have lists too, such as cold ones."""
        counted = np.sort(data.users.positions(users))
        user, item = data.users.positions(lists["user"]), data.items.positions(lists["item"])
        row, own = _rows(user, counted)
        places = np.full((len(counted), max(run.spec.evaluation.k)), -1, dtype=np.int64)
        places[row, lists["rank"].to_numpy()[own] - 1] = item[own]
        rows = positives(data, test, run.spec.positive)
        truth = truth_of(data.user[rows], data.item[rows], counted, len(data.items))
        return cls(places, truth, _gains(data, rows, counted, run.spec.positive))

    def judged(self, k: int) -> Judged:
        """What definitions read of the first k items."""
        lists, n_items = self.lists[:, :k], self.truth.shape[1]
        hits = hits_of(lists, self.truth)
        wanted_by = np.repeat(np.arange(len(lists)), np.diff(self.truth.indptr))
        gains, best = np.zeros(lists.shape), np.zeros(lists.shape)
        row, place = np.nonzero(hits)
        pairs = wanted_by * n_items + self.truth.indices
        gains[row, place] = self.gains[np.searchsorted(pairs, row * n_items + lists[row, place])]
        order = np.lexsort((-self.gains, wanted_by))
        rank = np.arange(len(order)) - self.truth.indptr[wanted_by]
        best[wanted_by[rank < k], rank[rank < k]] = self.gains[order][rank < k]
        return Judged(hits, np.count_nonzero(lists >= 0, axis=1), np.diff(self.truth.indptr), gains, best)


def _gains(data: Dataset, rows: IntArray, users: IntArray, positive: float | None) -> FloatArray:
    """What each pair of these users and rows gains, by user and item: by its value above the threshold of relevance,
    which is 0 where the experiment has none. A pair that stands twice counts as it stands there last."""
    row, own = _rows(data.user[rows], users)
    value = np.ones(len(row)) if data.value is None else np.asarray(data.value[rows])[own]
    pairs = row * len(data.items) + data.item[rows][own]
    _, last = np.unique(pairs[::-1], return_index=True)
    return elliot_gain(value, positive or 0.0)[::-1][last]


def _rows(user: IntArray, users: IntArray) -> tuple[IntArray, BoolArray]:
    """Places among the ascending `users` of those who are there, and a mask of them, (len(user),)."""
    row = np.searchsorted(users, user)
    own = np.append(users, -1)[row] == user
    return row[own], own

"""Every model by segment: kinds of users, and kinds of items, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from recsys.comparison.bootstrap import bootstrap
from recsys.comparison.listed import FoldLists
from recsys.comparison.segments import by_activity, by_age, by_popularity
from recsys.comparison.users import UserValues, user_values
from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.metrics.registry import parse_column
from recsys.metrics.training_context import named_genres_of
from recsys.metrics.value_errors import PLAIN, Pool
from recsys.splits.account import positives

# A tenth of the leaderboard's: the bounds are read off a figure.
RESAMPLES = 1000
MOST_GENRES = 20
COLD: Final = "cold"

Values = tuple[FloatArray, FloatArray]


def breakdown(
    folds: Sequence[FoldLists], per_user: pd.DataFrame, labels: Sequence[str], primary: str, positive: float | None
) -> list[dict[str, Any]]:
    """The primary metric by segments of users, and recall by segments of items, as plain JSON.

    per_user: as in per_user.parquet, with the test rows of each user as `rows`. labels: the models. Returns
    [{"kind", "metric", "segments": [{"name", "users", "values": {label: [mean, low, high]}}]}]; the bounds are None
    with fewer than 30 users. A user's rows and age are means over the folds that count the user. Recall is that of the
    segment's items: hits on them among the first k, over the relevant ones of them, averaged over the users who have
    such. Segments without users are left out, as are kinds without segments.
    """
    _, k = parse_column(primary)
    values = user_values(per_user, labels, [primary])
    found = []
    kinds = {"activity": _by_activity, "age of account": _by_age}
    for kind, groups in kinds.items():
        pool = parse_column(primary)[0].pool
        parts = [_segment(labels, name, *each, pool) for name, each in groups(folds, values, labels, primary)]
        found.append({"kind": kind, "metric": primary, "segments": parts})
    k = k or folds[0].first(labels[0]).shape[1]
    for kind, masks in _item_kinds(folds, positive).items():
        parts = [_segment(labels, name, *_recall(folds, labels, own), None) for name, own in masks.items()]
        found.append({"kind": kind, "metric": f"recall@{k}", "segments": parts})
    for each in found:
        each["segments"] = [part for part in each["segments"] if part is not None]
    return [each for each in found if each["segments"]]


def _segment(
    labels: Sequence[str], name: str, values: FloatArray, weights: FloatArray, pool: Pool | None
) -> dict[str, Any] | None:
    """One segment, or None where it has nobody. values, weights: (n_users, models); weight 0: no value."""
    there, counted = np.any(weights > 0, axis=0), np.any(weights > 0, axis=1)
    if not counted.any():
        return None
    values, weights = values[counted][:, there], weights[counted][:, there]
    sample = bootstrap(values, RESAMPLES, weights=None if np.all(weights == 1) else weights)
    bounds = (pool or PLAIN).back(sample.intervals())
    models = [label for label, own in zip(labels, there.tolist(), strict=True) if own]
    return {
        "name": name,
        "users": int(np.count_nonzero(counted)),
        "values": {
            label: [float(each) if np.isfinite(each) else None for each in row]
            for label, row in zip(models, bounds, strict=True)
        },
    }


def _by_activity(
    folds: Sequence[FoldLists], values: UserValues, labels: Sequence[str], primary: str
) -> Iterator[tuple[str, Values]]:
    users = folds[0].data.users.positions(values.users)
    rows = _mean_over_folds(folds, users, [fold.rows for fold in folds])
    cold = _cold_values(folds, labels, primary)
    if cold is not None:
        yield COLD, cold
    for name, mask in {COLD: rows == 0, **by_activity(np.rint(rows))}.items():
        yield name, _of(values, primary, mask)


def _by_age(
    folds: Sequence[FoldLists], values: UserValues, labels: Sequence[str], primary: str
) -> Iterator[tuple[str, Values]]:
    ages = [fold.age for fold in folds]
    users = folds[0].data.users.positions(values.users)
    if all(age is not None for age in ages):
        for name, mask in by_age(_mean_over_folds(folds, users, ages)).items():  # type: ignore[arg-type]
            yield name, _of(values, primary, mask)


def _of(values: UserValues, primary: str, mask: BoolArray) -> Values:
    return values.values[primary][mask], values.weights[primary][mask]


def _mean_over_folds(folds: Sequence[FoldLists], users: IntArray, of: Sequence[FloatArray | IntArray]) -> FloatArray:
    """What these users have on average, over the folds that count them; (len(users),)."""
    sums, folds_of = np.zeros(len(folds[0].data.users)), np.zeros(len(folds[0].data.users))
    for fold, each in zip(folds, of, strict=True):
        counted = fold.users[fold.counted]
        sums[counted] += each[counted]
        folds_of[counted] += 1
    return sums[users] / np.maximum(folds_of[users], 1)


def _cold_values(folds: Sequence[FoldLists], labels: Sequence[str], primary: str) -> Values | None:
    """The primary metric of the users who are not counted, by the models' fallbacks; None where it needs more than
    their lists, or everybody is counted."""
    metric, k = parse_column(primary)
    if metric.needs != "hits" or all(fold.counted.all() for fold in folds):
        return None

    def each(fold: FoldLists, hits: BoolArray, items: IntArray) -> FloatArray:
        relevant = np.diff(fold.truth.indptr)
        return np.where(fold.counted, np.nan, metric.compute(hits, relevant, k))

    return _averaged(folds, labels, each)


def _recall(folds: Sequence[FoldLists], labels: Sequence[str], masks: Sequence[BoolArray]) -> Values:
    """Recall of some items. masks: (n_items,) which, a fold each."""
    of_fold = {fold.number: (mask, fold.truth @ mask.astype(np.int64)) for fold, mask in zip(folds, masks, strict=True)}

    def each(fold: FoldLists, hits: BoolArray, items: IntArray) -> FloatArray:
        mask, wanted = of_fold[fold.number]
        got = np.count_nonzero(hits & np.append(mask, False)[items], axis=1)
        return np.divide(got, wanted, out=np.full(len(got), np.nan), where=(wanted > 0) & fold.counted)

    return _averaged(folds, labels, each)


def _averaged(folds: Sequence[FoldLists], labels: Sequence[str], value: Any) -> Values:
    """What `value` gives for each user of a fold's lists, NaN where nothing, averaged over seeds and folds:
    (n_users of the data, models), and 1 where there is a value."""
    shape = len(folds[0].data.users), len(labels)
    sums, counts = np.zeros(shape), np.zeros(shape)
    for fold in folds:
        for (label, _), hits in fold.hits.items():
            if label in labels:
                found, column = value(fold, hits, fold.lists[label, _]), labels.index(label)
                there = np.isfinite(found)
                sums[fold.users[there], column] += found[there]
                counts[fold.users[there], column] += 1
    return sums / np.maximum(counts, 1), (counts > 0).astype(np.float64)


def _item_kinds(folds: Sequence[FoldLists], positive: float | None) -> dict[str, Mapping[str, list[BoolArray]]]:
    """Segments of items by kind and name, a mask for each fold."""
    data = folds[0].data
    masks = [by_popularity(_popularity(data, fold, positive)) for fold in folds]
    kinds: dict[str, Mapping[str, list[BoolArray]]] = {
        "popularity of items": {name: [each[name] for each in masks] for name in masks[0]}
    }
    genres = named_genres_of(data.items)
    if genres is not None:
        ones, names = genres
        wanted = sum(fold.truth.sum(axis=0) for fold in folds) @ ones
        most = np.argsort(-wanted, kind="stable")[:MOST_GENRES]
        columns = ones.tocsc()
        of_items = {names[number]: columns[:, [number]].toarray().ravel() > 0 for number in most if wanted[number] > 0}
        kinds["genre"] = {name: [mask] * len(folds) for name, mask in of_items.items()}
    return kinds


def _popularity(data: Dataset, fold: FoldLists, positive: float | None) -> IntArray:
    return np.bincount(data.item[positives(data, fold.fitted, positive)], minlength=len(data.items))

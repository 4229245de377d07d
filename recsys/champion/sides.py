"""What one model reached on the window: its lists as values a user, ready to be held against another's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.comparison.bootstrap import FEWEST_USERS, Interval, bootstrap
from recsys.comparison.evaluation import scores_of_ranks
from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.experiment.lists import Lists
from recsys.experiment.spec import Experiment
from recsys.metrics.evaluate import evaluate, evaluate_values
from recsys.metrics.registry import parse_column
from recsys.metrics.training_context import context_of
from recsys.metrics.truth import truth_of
from recsys.metrics.value_errors import PLAIN, Pool
from recsys.splits.account import positives
from recsys.splits.fold import Fold, shown_rows, training_rows


@dataclass(frozen=True, eq=False)
class Side:
    """One model on the window, by user.

    primary: the column. users: (n,) positions in the data of all users with a positive in the window. before: (n,) rows
    each had before it, 0 for a cold one. counted: (n,) whom the experiment's metric counts. values: (n,) of the primary
    column; NaN where a user has none. rows: (n,) rows in the window. k: the length at which lists are looked at.
    novelty: (n,). coverage: share of the candidates. items: (n, k), -1 where a list ends early. milliseconds: to make
    the lists, a user. megabytes: the stored model; both NaN where nothing was measured.
    """

    primary: str
    users: IntArray
    before: IntArray
    counted: BoolArray
    values: FloatArray
    rows: IntArray
    k: int
    novelty: FloatArray
    coverage: float
    items: IntArray
    milliseconds: float = float("nan")
    megabytes: float = float("nan")

    @property
    def higher_is_better(self) -> bool:
        return parse_column(self.primary)[0].higher_is_better


@dataclass(frozen=True)
class Pairing:
    """Two sides on the same users: the value of each and the gain, all with 95 % intervals from one bootstrap.

    gain: challenger minus champion, positive where the challenger is better, whatever the metric. users: how many.
    """

    column: str
    users: int
    challenger: Interval
    champion: Interval
    gain: Interval

    @property
    def enough(self) -> bool:
        """Whether there are users enough to decide."""
        return self.users >= FEWEST_USERS


def side_of(
    spec: Experiment, data: Dataset, fold: Fold, lists: Lists, measured: Mapping[str, Any] | None = None
) -> Side:
    """What these lists reach on the fold of the window.

    Who is cold, how popular an item is and what could have been recommended is taken from the rows before the window,
    for both sides alike, whatever each was fitted on. measured: what the fit wrote to measured.json.
    """
    metric, k = parse_column(spec.evaluation.primary)
    k = k or max(spec.evaluation.k)
    fitted = training_rows(data, fold, refit=True)
    before = np.bincount(data.user[fitted], minlength=len(data.users))[lists.users]
    counted = before > 0 if spec.users == "warm" else np.ones(len(before), dtype=bool)
    truth_rows = positives(data, fold.test, spec.positive)
    truth = truth_of(data.user[truth_rows], data.item[truth_rows], lists.users, len(data.items))
    items = np.asarray(lists.items)[:, :k]
    context = context_of(
        data,
        fitted,
        shown_rows(data, fold, refit=True),
        np.asarray(lists.users),
        metric.reads,
        positive=spec.positive,
        catalogue=spec.evaluation.candidates == "catalogue",
        exclude_seen=spec.evaluation.exclude_seen,
    )
    found = evaluate(items, truth, {"novelty", metric.name}, [k], context)
    shown = evaluate(items[counted], truth[counted], ["coverage"], [k], context).overall[f"coverage@{k}"]
    values = found.per_user.get(spec.evaluation.primary)
    if metric.needs == "values":
        values = _errors(data, fold, lists, metric.name)
    elif values is None:
        ranked = scores_of_ranks(spec, data, fold, lists, np.ones(len(counted), dtype=bool))
        values = ranked.per_user.get(spec.evaluation.primary, np.full(len(counted), np.nan))
    seconds, size = (float((measured or {}).get(name, np.nan)) for name in ("recommend_seconds", "model_bytes"))
    return Side(
        primary=spec.evaluation.primary,
        users=np.asarray(lists.users),
        before=before,
        counted=counted,
        values=values,
        rows=np.bincount(data.user[fold.test], minlength=len(data.users))[lists.users],
        k=k,
        novelty=found.per_user[f"novelty@{k}"],
        coverage=shown,
        items=items,
        milliseconds=1000 * seconds / max(1, len(lists.users)),
        megabytes=size / 1e6,
    )


def pair(challenger: Side, champion: Side) -> Pairing:
    """Both sides on the users that count, with one joint bootstrap. Raises ValueError for different users."""
    refuse_different(challenger, champion)
    kept = challenger.counted & np.isfinite(challenger.values) & np.isfinite(champion.values)
    n = int(kept.sum())
    if not n:
        nothing = Interval(*[float("nan")] * 3)
        return Pairing(challenger.primary, 0, nothing, nothing, nothing)
    pool: Pool | None = parse_column(challenger.primary)[0].pool
    both = np.stack([challenger.values[kept], champion.values[kept]], axis=1)
    weights = challenger.rows[kept, None].astype(np.float64) if pool else None
    drawn = bootstrap((pool or PLAIN).into(both), weights=weights)
    back, sign = (pool or PLAIN).back, 1 if challenger.higher_is_better else -1
    observed, resampled = back(drawn.observed), back(drawn.resampled)
    return Pairing(
        column=challenger.primary,
        users=n,
        challenger=_interval(observed[0], resampled[:, 0]),
        champion=_interval(observed[1], resampled[:, 1]),
        gain=_interval(sign * (observed[0] - observed[1]), sign * (resampled[:, 0] - resampled[:, 1])),
    )


def refuse_different(challenger: Side, champion: Side) -> None:
    """Raise ValueError where the two were not evaluated on the same users under the same metric."""
    if challenger.primary != champion.primary or not np.array_equal(challenger.users, champion.users):
        raise ValueError("challenger and champion were evaluated on different windows or metrics")


def _interval(observed: FloatArray, resampled: FloatArray) -> Interval:
    """The middle 95 % of the resamples around the value, NaN where there are none."""
    if not np.isfinite(resampled).any():
        return Interval(float(observed), float("nan"), float("nan"))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(float(observed), float(low), float(high))


def _errors(data: Dataset, fold: Fold, lists: Lists, metric: str) -> FloatArray:
    """Each user's error of predicted values; NaN for all where the model predicts none."""
    if lists.predicted is None or data.value is None:
        return np.full(len(lists.users), np.nan)
    found = evaluate_values(
        np.asarray(lists.predicted), data.value[fold.test], data.user[fold.test], len(data.users), [metric]
    )
    return found.per_user[metric][lists.users]

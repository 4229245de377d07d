"""The metrics of one model's lists, a value a user, with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from recsys.comparison.bootstrap import bootstrap
from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.data.text import count
from recsys.errors import InputError
from recsys.experiment.lists import Lists
from recsys.experiment.spec import Experiment
from recsys.metrics.context import Context
from recsys.metrics.evaluate import Scores, evaluate, evaluate_ranks, evaluate_values
from recsys.metrics.ranks import Ranks
from recsys.metrics.registry import METRICS, parse_column, reads
from recsys.metrics.training_context import context_of, features_of, genres_of
from recsys.metrics.truth import truth_of
from recsys.models.list_maker import ListMaker
from recsys.models.registry import model_class
from recsys.splits.account import positives
from recsys.splits.fold import Fold, shown_rows, training_rows


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one model reached on one fold.

    users: (n,) positions in the data set of the users counted. rows: (n,) test rows of each. per_user: (n,) values by
    column; NaN where a user has none. overall: by column. intervals: low and high of 95 % by column, where there are
    users enough; note: why there are none. n_cold: users with a test positive who are unknown to the model. cold:
    their means by column, but for errors of predicted values.
    """

    users: IntArray
    rows: IntArray
    per_user: dict[str, FloatArray]
    overall: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    n_cold: int
    cold: dict[str, float]
    note: str | None

    def save(self, folder: Path) -> None:
        """Write to an empty folder."""
        np.savez(folder / "per_user.npz", users=self.users, rows=self.rows, **self.per_user)  # type: ignore[arg-type]
        summary = {name: getattr(self, name) for name in ("overall", "intervals", "n_cold", "cold", "note")}
        (folder / "summary.json").write_text(json.dumps(summary | {"n_users": len(self.users)}))

    @classmethod
    def load(cls, folder: Path) -> Evaluation:
        """Read a stored evaluation."""
        summary = json.loads((folder / "summary.json").read_text())
        del summary["n_users"]
        with np.load(folder / "per_user.npz", allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
        return cls(users=columns.pop("users"), rows=columns.pop("rows"), per_user=columns, **summary)


def refuse_nobody(spec: Experiment, data: Dataset, fold: Fold) -> None:
    """Raise InputError where the experiment counts no user of this fold: all with test positives are cold; and where
    its primary metric has no value on these data."""
    _refuse_unmeasured(spec, data)
    users = np.unique(data.user[positives(data, fold.test, spec.positive)])
    known = np.bincount(data.user[training_rows(data, fold, spec.refit)], minlength=len(data.users)) > 0
    if spec.users == "warm" and not known[users].any():
        raise InputError(
            f"split, {fold.name}" if fold.name else "split",
            f"none of the {count(len(users), 'user')} with test positives is in training",
            "choose another split, or count cold users too: evaluation.users: all",
        )


def _refuse_unmeasured(spec: Experiment, data: Dataset) -> None:
    """Raise InputError where nothing can have a value in the primary metric: the data lack what it reads, or no model
    says where all items stand."""
    place, primary = "evaluation.primary", spec.evaluation.primary
    metric, _ = parse_column(primary)
    known = ", ".join(f"{name} ({kind})" for name, kind in data.items.kinds.items()) or "nothing"
    if "features" in metric.reads and features_of(data.items) is None:
        message = f"{primary} needs features of items beside text, and these data have none (known of items: {known})"
        raise InputError(place, message, "name a file of items in data.items, or choose another primary")
    if "genres" in metric.reads and genres_of(data.items) is None:
        message = (
            f"{primary} needs a column of labels or categories of items, and these data have none (known: {known})"
        )
        raise InputError(place, message, "name a file of items in data.items, or choose another primary")
    if metric.needs in ("ranks", "row ranks") and all(
        issubclass(model_class(model.name), ListMaker) for model in spec.models
    ):
        message = f"{primary} needs to know where every item stands, and the models leave lists alone"
        raise InputError(place, message, "choose another primary, such as ndcg@10")


def evaluate_lists(spec: Experiment, dataset: Path, fold: Path, fit: Path, folder: Path) -> None:
    """Evaluate the lists in `fit` as the experiment says, and write the Evaluation to `folder`."""
    evaluation_of(spec, Dataset.load(dataset), Fold.load(fold), Lists.load(fit)).save(folder)


def value_on(spec: Experiment, dataset: Path, fold: Path, fit: Path) -> float | None:
    """The primary metric of the lists in `fit`, without anything beside it; None where they have none."""
    scored = _scored(spec, Dataset.load(dataset), Fold.load(fold), Lists.load(fit))
    return scored.overall.get(spec.evaluation.primary)


@dataclass(frozen=True, eq=False)
class _Scored:
    """Metrics of the users who count. truth: (n, n_items) of all users with lists. users: positions of the counted."""

    users: IntArray
    warm: BoolArray
    truth: sparse.csr_array
    context: Context
    per_user: dict[str, FloatArray]
    overall: dict[str, float]


def _scored(spec: Experiment, data: Dataset, fold: Fold, lists: Lists) -> _Scored:
    """Raises InputError where nobody is counted, ValueError where a list is no list."""
    refuse_nobody(spec, data, fold)
    asked = spec.evaluation
    truth_rows = positives(data, fold.test, spec.positive)
    truth = truth_of(data.user[truth_rows], data.item[truth_rows], lists.users, len(data.items))
    context = _context(spec, data, fold, lists.users)
    warm = np.asarray(lists.warm)
    counted = warm if spec.users == "warm" else np.ones(len(warm), dtype=bool)
    users = np.asarray(lists.users[counted])
    scores = evaluate(lists.items[counted], truth[counted], asked.metrics, asked.k, context.of(counted))
    ranked = scores_of_ranks(spec, data, fold, lists, counted)
    per_user, overall = scores.per_user | ranked.per_user, scores.overall | ranked.overall
    if lists.predicted is not None:
        values = _values(data, fold, lists.predicted, users, asked.metrics)
        overall = overall | values.overall
        per_user = per_user | {name: column[users] for name, column in values.per_user.items()}
    return _Scored(users, warm, truth, context, per_user, overall)


def evaluation_of(spec: Experiment, data: Dataset, fold: Fold, lists: Lists) -> Evaluation:
    """The metrics of lists. Raises InputError where nobody is counted, ValueError where a list is no list."""
    scored, asked = _scored(spec, data, fold, lists), spec.evaluation
    users, warm, truth, context = scored.users, scored.warm, scored.truth, scored.context
    per_user = {name: scored.per_user[name] for name in asked.columns if name in scored.per_user}
    rows = np.bincount(data.user[fold.test], minlength=len(data.users))[users]
    intervals, note = _intervals(per_user, rows)
    cold: dict[str, float] = {}
    if not warm.all():
        cold = evaluate(lists.items[~warm], truth[~warm], asked.metrics, asked.k, context.of(~warm)).overall
        cold |= scores_of_ranks(spec, data, fold, lists, ~warm).overall
    return Evaluation(
        users=users,
        rows=rows,
        per_user=per_user,
        overall={name: scored.overall[name] for name in asked.columns if name in scored.overall},
        intervals=intervals,
        n_cold=int(np.count_nonzero(~warm)),
        cold=cold,
        note=note,
    )


def _context(spec: Experiment, data: Dataset, fold: Fold, users: IntArray) -> Context:
    return context_of(
        data,
        training_rows(data, fold, spec.refit),
        shown_rows(data, fold, spec.refit),
        np.asarray(users),
        reads(spec.evaluation.metrics),
        positive=spec.positive,
        catalogue=spec.evaluation.candidates == "catalogue",
        exclude_seen=spec.evaluation.exclude_seen,
    )


def scores_of_ranks(spec: Experiment, data: Dataset, fold: Fold, lists: Lists, counted: BoolArray) -> Scores:
    """Metrics of where the test items stand, a value for each counted user; nothing where the model left no ranks.

    counted: (n,) of the users of the lists.
    """
    place = np.full(len(data.users), -1)
    place[lists.users[counted]] = np.arange(np.count_nonzero(counted))
    user, item = place[data.user[fold.test]], np.asarray(data.item[fold.test])
    ranks = row_ranks = None
    if lists.ranks is not None and lists.n_candidates is not None:
        wanted = np.zeros(len(data), dtype=bool)
        wanted[positives(data, fold.test, spec.positive)] = True
        kept = np.flatnonzero((user >= 0) & wanted[fold.test])
        kept = kept[np.unique(user[kept] * len(data.items) + item[kept], return_index=True)[1]]
        ranks = Ranks(lists.ranks[kept], user[kept], np.asarray(lists.n_candidates[counted]))
    if lists.row_ranks is not None:
        rows = user >= 0
        row_ranks = Ranks(lists.row_ranks[rows], user[rows], np.zeros(np.count_nonzero(counted), dtype=np.int64))
    return evaluate_ranks(ranks, row_ranks, spec.evaluation.metrics, spec.evaluation.k)


def _values(data: Dataset, fold: Fold, predicted: FloatArray, users: IntArray, metrics: Iterable[str]) -> Scores:
    """Errors of predicted values over the test rows of these users, positive or not."""
    counted = np.zeros(len(data.users), dtype=bool)
    counted[users] = True
    user = data.user[fold.test]
    kept = counted[user]
    actual = data.value[fold.test][kept]  # type: ignore[index]
    return evaluate_values(predicted[kept], actual, user[kept], len(data.users), metrics)


def _intervals(per_user: dict[str, FloatArray], rows: IntArray) -> tuple[dict[str, tuple[float, float]], str | None]:
    """95 % intervals of the columns: means over users, or over rows where the metric is a pooled one."""
    if not per_user:
        return {}, None
    pools = [METRICS[parse_column(name)[0].name].pool for name in per_user]
    columns = [pool.into(each) if pool else each for pool, each in zip(pools, per_user.values(), strict=True)]
    values = np.stack(columns, axis=1)
    weights = np.stack([rows if pool else np.ones(len(rows)) for pool in pools], axis=1).astype(np.float64)
    weights[np.isnan(values)] = 0
    sample = bootstrap(values, weights=None if np.all(weights == 1) else weights)
    bounds = {}
    for name, pool, (_, *ends) in zip(per_user, pools, sample.intervals(), strict=True):
        if np.isfinite(ends).all():
            low, high = pool.back(np.array(ends)) if pool else ends
            bounds[name] = (float(low), float(high))
    return bounds, sample.note

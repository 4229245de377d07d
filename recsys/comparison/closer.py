"""A closer look at a comparison: segments, agreement between models, and single users."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.comparison.agreement import PERSISTENCE, agreement
from recsys.comparison.breakdown import breakdown
from recsys.comparison.leaderboard import OK
from recsys.comparison.listed import FoldLists, fold_lists
from recsys.comparison.reasons import whys
from recsys.comparison.result import read_leaderboard
from recsys.comparison.segments import by_activity
from recsys.comparison.shown import choose, shown_users
from recsys.comparison.users import with_test_rows
from recsys.data.dataset import Dataset
from recsys.experiment.spec import Experiment
from recsys.metrics.registry import parse_column
from recsys.splits.fold import Fold

CLOSER = "closer.json"
# The longest lists that are held against one another and shown.
LONGEST = 20


def closer_look(
    folder: Path, spec: Experiment, dataset: Path, folds: Mapping[int, Path], fits: Mapping[str, Path]
) -> None:
    """Write closer.json to the folder of a comparison, beside what `recsys.comparison.assemble` wrote.

    dataset, folds: stored; folds by number. fits: stored fits by label, of the first fold and the model's first seed:
    the models that can say why.
    {"segments": as `breakdown` gives them, "agreement": as `agreements`, "users": as `shown_users`}; empty where no
    model has a result.
    """
    primary = spec.evaluation.primary
    data, per_user = Dataset.load(dataset), pd.read_parquet(folder / "per_user.parquet")
    board = read_leaderboard(folder / "leaderboard.csv")
    board = board[(board["status"] == OK) & board["model"].isin(per_user["model"].unique())]
    labels = [str(label) for label in board["model"]]
    found: dict[str, Any] = {}
    if labels:
        opened = [Fold.load(path) for number, path in sorted(folds.items()) if number in set(per_user["fold"])]
        k = parse_column(primary)[1] or max(spec.evaluation.k)
        whole = [fold_lists(folder, per_user, data, each, k, spec.positive, spec.refit) for each in opened]
        short = [_shortened(fold) for fold in whole]
        models = [str(label) for label in board["model"][~board["control"]]] or labels
        roles = choose(short[0], per_user, models, primary)
        told = whys(spec, opened[0], short[0], fits, list(roles))
        found = {
            "segments": breakdown(whole, with_test_rows(per_user, data, opened), labels, primary, spec.positive),
            "agreement": agreements(short, labels),
            "users": shown_users(folder, short[0], per_user, labels, roles, primary, told),
        }
    (folder / CLOSER).write_text(json.dumps(found, allow_nan=False))


def agreements(folds: Sequence[FoldLists], labels: Sequence[str]) -> dict[str, Any]:
    """How far each pair of models agrees, each under its first seed, over the users counted in all folds.

    {"k", "persistence", "segments": {name: users}, "pairs": [{"model", "other", "values": {segment: [overlap, Jaccard,
    rank-biased overlap]}}]}; the first segment is `all`, the others are those of activity that have anybody.
    """
    pairs = list(combinations(labels, 2))
    masks = [_segments(fold) for fold in folds]
    users = {name: sum(int(mask[name].sum()) for mask in masks) for name in masks[0]}
    there = [name for name, n in users.items() if n]
    sums = np.zeros((len(pairs), len(there), 3))
    for fold, mask in zip(folds, masks, strict=True):
        counted = np.stack([mask[name] for name in there]).astype(np.float64)
        lists = {label: fold.first(label)[fold.counted] for label in labels}
        for number, (one, other) in enumerate(pairs):
            sums[number] += counted @ np.stack(agreement(lists[one], lists[other]), axis=1)
    means = sums / np.array([users[name] for name in there])[:, None]
    return {
        "k": folds[0].first(labels[0]).shape[1],
        "persistence": PERSISTENCE,
        "segments": {name: users[name] for name in there},
        "pairs": [
            {"model": one, "other": other, "values": dict(zip(there, own.tolist(), strict=True))}
            for (one, other), own in zip(pairs, means, strict=True)
        ],
    }


def _segments(fold: FoldLists) -> dict[str, Any]:
    rows = fold.rows[fold.users[fold.counted]]
    return {"all": np.ones(len(rows), dtype=bool), **by_activity(rows)}


def _shortened(fold: FoldLists) -> FoldLists:
    return replace(fold, lists={key: items[:, :LONGEST] for key, items in fold.lists.items()})

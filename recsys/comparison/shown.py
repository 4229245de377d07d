"""Users to look at, one by one: their history, what every model listed for them, and how far the models agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from recsys.comparison.agreement import agreement
from recsys.comparison.listed import FoldLists
from recsys.comparison.reasons import Whys
from recsys.comparison.segments import by_activity
from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Dataset, in_time
from recsys.data.features import titles
from recsys.data.shown import short_title
from recsys.experiment.why import plain
from recsys.metrics.registry import parse_column

# Ids of users who are shown wherever the data have them: those of the documents on MovieLens.
ALWAYS = ("196", "200", "250", "42")
NEWEST = 20


def choose(fold: FoldLists, per_user: pd.DataFrame, models: Sequence[str], primary: str) -> dict[int, list[str]]:
    """Users of a fold worth a look: position in the data -> what for.

    Those of ALWAYS; the one that the models serve best on average and the one they serve worst; the most active one,
    and a casual one drawn with a fixed seed. models: those whose values are averaged. Equal users: the more active,
    then the first. The same tables give the same users.
    """
    users = fold.users[fold.counted]
    if not len(users):
        return {}
    found: dict[int, list[str]] = {}
    for text in ALWAYS:
        position = fold.data.users.parse(text)
        if position in users:
            found.setdefault(position, []).append("chosen")
    rows = fold.rows[users]
    served = _served(fold, per_user, models, primary, users)
    if np.isfinite(served).any():
        best, worst = (int(users[np.lexsort((-rows, sign * served))[0]]) for sign in (-1, 1))
        found.setdefault(best, []).append("best served")
        found.setdefault(worst, []).append("worst served")
    found.setdefault(int(users[np.argmax(rows)]), []).append("most active")
    casual = users[by_activity(rows)["casual"]]
    if len(casual):
        found.setdefault(int(np.random.default_rng(0).choice(casual)), []).append("drawn among the casual ones")
    return found


def _served(
    fold: FoldLists, per_user: pd.DataFrame, models: Sequence[str], primary: str, users: IntArray
) -> FloatArray:
    """Each user's mean of the primary metric over models, higher being better; (len(users),), NaN without one."""
    own = per_user[(per_user["fold"] == fold.number) & per_user["model"].isin(models)]
    mean = own.groupby("user", sort=False)[primary].mean()
    sign = 1 if parse_column(primary)[0].higher_is_better else -1
    values = np.full(len(fold.data.users), np.nan)
    values[fold.data.users.positions(mean.index)] = sign * mean.to_numpy()
    return values[users]


def shown_users(
    folder: Path,
    fold: FoldLists,
    per_user: pd.DataFrame,
    labels: Sequence[str],
    roles: Mapping[int, list[str]],
    primary: str,
    whys: Whys,
) -> list[dict[str, Any]]:
    """The users of `choose` as plain JSON, lists under each model's first seed.

    labels: the models, in the order to show. whys: as `whys` gives them. Each:
    {"user", "roles", "rows", "relevant", "history": [title], "wanted": [title], "values": {label}, "lists": {label:
    [{"item", "title", "score", "hit", "why"}]}, "pairs": [[label, label, overlap, Jaccard, rank-biased overlap]]}.
    """
    names, data = titles(fold.data.items), fold.data
    scores = _scores(folder, fold, list(roles), fold.first(labels[0]).shape[1])
    own = per_user[(per_user["fold"] == fold.number)]
    found = []
    for position, why_shown in roles.items():
        row, user = int(np.searchsorted(fold.users, position)), plain(data.users.ids[position])
        wanted = fold.truth.indices[fold.truth.indptr[row] : fold.truth.indptr[row + 1]]
        values = own[own["user"] == user].drop_duplicates("model").set_index("model")[primary]
        found.append(
            {
                "user": user,
                "roles": why_shown,
                "rows": int(fold.rows[position]),
                "relevant": len(wanted),
                "history": [short_title(names[item]) for item in _newest(data, fold, position)],
                "wanted": [short_title(names[item]) for item in wanted[:NEWEST]],
                "values": {label: plain(values.get(label)) for label in labels},
                "lists": {label: list(_lines(fold, label, row, names, scores, whys)) for label in labels},
                "pairs": list(_pairs(fold, labels, row)),
            }
        )
    return found


def _newest(data: Dataset, fold: FoldLists, user: int) -> IntArray:
    """The items that a user had before the test, newest first."""
    rows = fold.shown[data.user[fold.shown] == user]
    order = in_time(None if data.timestamp is None else data.timestamp[rows], len(rows))
    return data.item[rows[order[::-1]]][:NEWEST]


def _scores(folder: Path, fold: FoldLists, users: Sequence[int], k: int) -> dict[tuple[str, str, str], float]:
    """Scores of these users' lists by model, user and item as text, under each model's first seed."""
    ids = [plain(each) for each in fold.data.users.ids[list(users)]]
    columns = ["model", "seed", "user", "item", "score"]
    filters = [("fold", "==", fold.number), ("user", "in", ids), ("rank", "<=", k)]
    table = pq.read_table(folder / "recommendations.parquet", columns=columns, filters=filters).to_pandas()
    seeds = dict(list(fold.lists)[::-1])
    table = table[table["seed"] == table["model"].map(seeds)]
    return {
        (str(line.model), str(line.user), str(line.item)): float(line.score) for line in table.itertuples(index=False)
    }


def _lines(
    fold: FoldLists,
    label: str,
    row: int,
    names: np.ndarray,
    scores: Mapping[tuple[str, str, str], float],
    whys: Whys,
) -> Iterator[dict[str, Any]]:
    """A user's list."""
    ids, user, items = fold.data.items.ids, fold.users[row], fold.first(label)[row]
    wanted = fold.truth[[row]].indices
    for item in items[items >= 0]:
        yield {
            "item": plain(ids[item]),
            "title": short_title(names[item]),
            "score": scores.get((label, str(fold.data.users.ids[user]), str(ids[item]))),
            "hit": bool(item in wanted),
            "why": whys.get((label, int(user), int(item)), []),
        }


def _pairs(fold: FoldLists, labels: Sequence[str], row: int) -> Iterator[list[Any]]:
    for one, other in combinations(labels, 2):
        found = agreement(fold.first(one)[[row]], fold.first(other)[[row]])
        yield [one, other, *(float(each[0]) for each in found)]

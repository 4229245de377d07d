"""Why stored models list what they list for single users, in a few words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from recsys.comparison.listed import FoldLists
from recsys.data.features import titles
from recsys.data.interactions import training_view
from recsys.data.shown import short_title
from recsys.experiment.ask import asker_of
from recsys.experiment.spec import Experiment
from recsys.models.base import ABOUT, WEIGHTS, Recommender
from recsys.models.explanation import Explanation
from recsys.models.registry import model_class, open_model
from recsys.splits.fold import Fold

# Larger stored models are not opened: it would take longer than the rest of the report.
LARGEST = 500_000_000
PARTS = 2

# By model, position of the user and of the item.
Whys = Mapping[tuple[str, int, int], list[str]]


def whys(
    spec: Experiment, part: Fold, fold: FoldLists, fits: Mapping[str, Path], users: Sequence[int]
) -> dict[tuple[str, int, int], list[str]]:
    """The strongest items of the history, or the words shared with it, behind each item of these users' lists.

    part, fold: the same fold. fits: stored fits by label; models that give no reasons are passed over.
    """
    able = {label: fit / "model" for label, fit in fits.items() if _has_reasons(fit / "model")}
    if not able or not users:
        return {}
    data = fold.data
    catalogue = spec.evaluation.candidates == "catalogue"
    train = training_view(data, fold.fitted, spec.positive, spec.data.weight, catalogue)
    askers = {user: asker_of(str(data.users.ids[user]), spec, data, part, train) for user in users}
    names = titles(train.items)
    found = {}
    for label, folder in able.items():
        model, lists = open_model(folder), fold.first(label)
        for user, asker in askers.items():
            items = lists[np.searchsorted(fold.users, user)]
            items = items[items >= 0]
            batch = asker.source.batch(np.array([asker.position]), asker.known)
            told = model.explain(batch, train.items.positions(data.items.ids[items])) if len(items) else None
            if told is not None:
                found.update({(label, user, int(item)): _strongest(told, at, names) for at, item in enumerate(items)})
    return found


def _has_reasons(model: Path) -> bool:
    if not (model / ABOUT).is_file():
        return False
    family = model_class(json.loads((model / ABOUT).read_text())["family"])
    return family.explain is not Recommender.explain and (model / WEIGHTS).stat().st_size <= LARGEST


def _strongest(told: Explanation, at: int, names: np.ndarray) -> list[str]:
    """What speaks for the item at this place, the strongest first."""
    if told.terms and told.terms[at]:
        return [f"“{word}”" for word, part in list(told.terms[at].items())[:PARTS] if part > 0]
    parts = told.parts[at]
    return [short_title(names[told.history[i]]) for i in np.argsort(-parts, kind="stable")[:PARTS] if parts[i] > 0]

"""What stored models recommend to given users, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Dataset, Entities
from recsys.data.interactions import Interactions, history_view, serving_view, training_view
from recsys.errors import InputError
from recsys.experiment.documents import is_unicode
from recsys.experiment.spec import Experiment
from recsys.experiment.why import named, plain, reasons
from recsys.models.registry import open_model
from recsys.retrieval.lists import recommend
from recsys.splits.fold import Fold, training_rows


@dataclass(frozen=True)
class Question:
    """Users by their ids as text, or one new user with a history of item ids; explain: say why, too."""

    users: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    k: int = 5
    explain: bool = False


def ask(question: Question, spec: Experiment, dataset: Path, fold: Path, fits: Mapping[str, Path]) -> dict[str, Any]:
    """Lists of each model for each user, and how far the models agree.

    fits: stored fits by label. Returns {"recommendations": [{model, user, item, rank, score, known, features…}],
    "overlap": [{user, model, other, overlap, jaccard}]}; explained ones have a "why", as `reasons` gives it. Raises
    InputError where an item of the history is unknown, or an id is no text.
    """
    _refuse_no_text("--user", question.users)
    _refuse_no_text("--history", question.history)
    data, part = Dataset.load(dataset), Fold.load(fold)
    rows = training_rows(data, part, spec.refit)
    train = training_view(data, rows, spec.positive, spec.data.weight, spec.evaluation.candidates == "catalogue")
    if question.history:
        askers = [Asker("new", history_view(train, _positions(question.history, train.items)), 0, known=False)]
    else:
        askers = [asker_of(text, spec, data, part, train) for text in dict.fromkeys(question.users)]
    found: list[dict[str, Any]] = []
    for label, fit in fits.items():
        model = open_model(fit / "model")
        for asker in askers:
            items, scores = recommend(
                model,
                asker.source,
                np.array([asker.position]),
                question.k,
                exclude_seen=spec.evaluation.exclude_seen,
                known=asker.known,
            )
            lines = _lines(label, asker, items[0], scores[0], train.items)
            if question.explain:
                batch, there = asker.source.batch(np.array([asker.position]), asker.known), items[0] >= 0
                told = reasons(model, batch, items[0][there], scores[0][there])
                lines = [{**line, "why": why} for line, why in zip(lines, told, strict=True)]
            found += lines
    return {"recommendations": found, "overlap": _overlap(found, question.k)}


class Asker(NamedTuple):
    """A user who asks. source, position: where the history is read. known: in training."""

    user: Any
    source: Interactions
    position: int
    known: bool


def asker_of(text: str, spec: Experiment, data: Dataset, part: Fold, train: Interactions) -> Asker:
    """The user with this id: of training, of the rest of the data with what may be shown of it, or a new one."""
    position, place = train.users.parse(text), data.users.parse(text)
    if position >= 0:
        return Asker(train.users.ids[position], train, position, known=True)
    if place >= 0:
        view = serving_view(data, train, np.array([place]), part.history, spec.positive, spec.data.weight)
        return Asker(data.users.ids[place], view, 0, known=False)
    return Asker(text, history_view(train, np.array([], dtype=np.int64)), 0, known=False)


def _refuse_no_text(place: str, ids: Sequence[str]) -> None:
    """Raise InputError for an id that no data set can have."""
    for each in ids:
        if not is_unicode(each):
            raise InputError(place, f"{each!r} is not UTF-8 text", "write the id as the data have it")


def _positions(items: Sequence[str], known: Entities) -> IntArray:
    positions = known.positions(list(items))
    for item, position in zip(items, positions, strict=True):
        if position < 0:
            raise InputError("--history", f"no item '{item}' in training", "name items that the models have seen")
    return positions


def _lines(label: str, asker: Asker, items: IntArray, scores: FloatArray, entities: Entities) -> list[dict[str, Any]]:
    lines = []
    for rank, (item, score) in enumerate(zip(items, scores, strict=True), start=1):
        if item >= 0:
            about = named(entities, item)
            ids = {"model": label, "user": plain(asker.user), "item": about.pop("item")}
            lines.append({**ids, "rank": rank, "score": float(score), "known": asker.known, **about})
    return lines


def _overlap(found: Sequence[Mapping[str, Any]], k: int) -> list[dict[str, Any]]:
    """For each user and pair of models, the items that both lists hold, and the Jaccard index of the two sets."""
    lists: dict[Any, dict[str, set[Any]]] = {}
    for line in found:
        lists.setdefault(line["user"], {}).setdefault(line["model"], set()).add(line["item"])
    return [
        {
            "user": user,
            "model": one,
            "other": other,
            f"overlap@{k}": len(own[one] & own[other]),
            "jaccard": len(own[one] & own[other]) / len(own[one] | own[other]),
        }
        for user, own in lists.items()
        for one, other in combinations(own, 2)
    ]

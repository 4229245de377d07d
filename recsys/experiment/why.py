"""Why a model recommends its items, as plain values beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Entities
from recsys.data.features import TITLE
from recsys.data.interactions import UserBatch
from recsys.models.base import Recommender

# How far apart a score and the sum of its parts may be: both are float32, added up in another order.
TOLERANCE = 1e-3


def reasons(model: Recommender, user: UserBatch, items: IntArray, scores: FloatArray) -> list[dict[str, Any] | None]:
    """For each item of a user's list {"additive", "history", "terms"}, or None where the model looks at no history.

    user: a batch of one. scores: of the items, (len(items),). additive: the parts of the history sum to the score.
    history: {"item", "part", features…}, the strongest first. terms: what each word adds, by word.
    """
    found = model.explain(user, items) if len(items) else None
    if found is None:
        return [None] * len(items)
    largest = np.abs(scores).max()
    told: list[dict[str, Any] | None] = []
    for place, (parts, score) in enumerate(zip(found.parts, scores, strict=True)):
        order = np.argsort(-parts, kind="stable")
        is_sum = len(parts) > 0 and abs(parts.sum(dtype=np.float64) - score) <= TOLERANCE * largest
        history = [{**named(model.items, found.history[at]), "part": float(parts[at])} for at in order]
        terms = found.terms[place] if found.terms else {}
        told.append(
            {
                "additive": bool(found.additive and is_sum),
                "history": history,
                "terms": {word: float(part) for word, part in terms.items()},
            }
        )
    return told


def named(items: Entities, position: int | np.integer) -> dict[str, Any]:
    """The id of an item and what people know it by."""
    shown = [name for name, kind in items.kinds.items() if name == TITLE or kind in ("labels", "category")]
    about = {name: plain(items.features[name].iloc[position]) for name in shown}
    return {"item": plain(items.ids[position]), **about}


def plain(value: Any) -> Any:
    """A value as JSON takes it; None where it is missing."""
    if value is None or value != value:
        return None
    return value.item() if isinstance(value, np.generic) else value

"""Lists for one user: what a bundle answers. Nothing here knows HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import UserBatch
from recsys.errors import InputError
from recsys.models.vectors import VectorRecommender
from recsys.retrieval.ann import Allowed
from recsys.retrieval.topk import top_k
from recsys.serving.bundle import Bundle

Source = Literal["user", "history", "fallback", "item"]


@dataclass(frozen=True)
class Answer:
    """A list. source: what it was made from. items: positions, best first; scores beside them."""

    source: Source
    items: IntArray
    scores: FloatArray

    def lines(self, bundle: Bundle) -> list[dict[str, Any]]:
        """The list as JSON takes it: item, rank, score, and title where there are titles."""
        found = []
        scores = self.scores.tolist()
        for place, item in enumerate(self.items.tolist()):
            line = {"item": bundle.item_ids[item], "rank": place + 1, "score": scores[place]}
            if bundle.titles is not None:
                line["title"] = bundle.titles[item]
            found.append(line)
        return found


def for_user(bundle: Bundle, user: int, k: int, allowed: Allowed | None = None) -> Answer:
    """The list of the training user at this position; the same as in the evaluation, through the index nearly so."""
    batch = bundle.histories.batch(bundle.users, bundle.items, user, user + 1)
    return Answer("user", *_listed(bundle, batch, k, allowed))


def for_history(bundle: Bundle, history: IntArray, k: int, allowed: Allowed | None = None) -> Answer:
    """The list of a new user who has taken these items, positions, oldest first."""
    if not len(history):
        return for_nobody(bundle, k, allowed)
    return Answer("history", *_listed(bundle, bundle.histories.stranger(bundle.items, history), k, allowed))


def for_nobody(bundle: Bundle, k: int, allowed: Allowed | None = None) -> Answer:
    """The list of a user of whom nothing is known."""
    items, scores = bundle.fallback, bundle.fallback_scores
    if allowed is not None:
        kept = allowed.mask[items]
        items, scores = items[kept], scores[kept]
    return Answer("fallback", items[:k], scores[:k])


def like(bundle: Bundle, item: int, k: int, allowed: Allowed | None = None) -> Answer:
    """The items most like this one, without it: by the cosine of the vectors, else what follows from it alone.

    Raises InputError where the model knows no likeness of items.
    """
    directions = bundle.directions
    if directions is not None:
        scores = directions @ directions[item]
        if not directions[item].any():
            return Answer("item", np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))
    elif bundle.model.needs.history or bundle.model.needs.values:
        scores = np.asarray(bundle.model.scores(bundle.histories.stranger(bundle.items, np.array([item]))))[0]
    else:
        family = bundle.about.family
        raise InputError("similar", f"the model {family} knows no likeness of items", "serve one that reads histories")
    scores = scores.astype(np.float32)
    scores[item] = -np.inf
    items, best = top_k(scores[None], k, candidates=None if allowed is None else allowed.mask)
    return Answer("item", *_without_padding(items[0], best[0]))


def _listed(bundle: Bundle, batch: UserBatch, k: int, allowed: Allowed | None) -> tuple[IntArray, FloatArray]:
    exclude = bundle.facts.exclude_seen
    source = batch.source
    if bundle.index is not None and isinstance(bundle.model, VectorRecommender) and source.positive.any():
        vector = bundle.model.user_vectors(batch)[0]
        seen = source.item if exclude else None
        return _without_padding(*bundle.index.search(vector, k, seen=seen, allowed=allowed))
    scores = np.asarray(bundle.model.scores(batch))
    mask = None if allowed is None else allowed.mask
    items, best = top_k(scores, k, exclude=batch.seen if exclude else None, candidates=mask)
    return _without_padding(items[0], best[0])


def _without_padding(items: IntArray, scores: FloatArray) -> tuple[IntArray, FloatArray]:
    kept = items >= 0
    return items[kept], scores[kept]

"""Why a model recommends an item: what of the user's history speaks for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from recsys.config import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why one user gets some items.

    history: (h,) positions of the items of the user's history. parts: (len(items), h) what each of them adds to the
    score of each item, or how near it is. additive: True where the parts of an item sum to its score. terms: for each
    item, the words it shares with the history and what each adds, strongest first; empty for models without words.
    """

    history: IntArray
    parts: FloatArray
    additive: bool
    terms: list[dict[str, float]] = field(default_factory=list)

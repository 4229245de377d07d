"""What metrics about the items themselves know of the training part."""

from __future__ import annotations

from dataclasses import dataclass

from recsys.config import IntArray


@dataclass(frozen=True, eq=False)
class Context:
    """popularity: (n_items,) training users who have each item as a positive. n_users: users in training.
    n_candidates: items that a list could have held."""

    popularity: IntArray
    n_users: int
    n_candidates: int

"""What metrics about the items themselves know of the training part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recsys.config import BoolArray, IntArray

# scipy is slow to import, and reading a spec needs none of it.
if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True, eq=False)
class Context:
    """popularity: (n_items,) training users who have each item as a positive. n_users: users in training.
    n_candidates: items that a list could have held.

    Beside that, for the metrics that read it: history: (n_lists, n_items) ones, the training positives of each list's
    user. seen: (n_lists, n_items) ones, what was left out of each list. features: (n_items, n_features) and genres:
    (n_items, n_genres) ones; an item of unknown features has an empty row; None where the data have none at all.
    """

    popularity: IntArray
    n_users: int
    n_candidates: int
    history: sparse.csr_array | None = None
    seen: sparse.csr_array | None = None
    features: sparse.csr_array | None = None
    genres: sparse.csr_array | None = None

    def of(self, lists: BoolArray) -> Context:
        """The same for some of the lists; lists: (n_lists,)."""
        history, seen = (None if each is None else each[lists] for each in (self.history, self.seen))
        return replace(self, history=history, seen=seen)

"""Where the items of the test part stand in the order of all candidates."""

from __future__ import annotations

from dataclasses import dataclass

from recsys.config import IntArray


@dataclass(frozen=True, eq=False)
class Ranks:
    """One entry a test row. rank: (n_rows,) from 1 at the top; 0 for an item that no list can hold, which is behind all
    others. user: (n_rows,) whose row it is, 0..n_users-1. n_candidates: (n_users,) items that a list could hold.
    """

    rank: IntArray
    user: IntArray
    n_candidates: IntArray

    @property
    def n_users(self) -> int:
        return len(self.n_candidates)

"""Which items a list may hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse

from recsys.config import IntArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.errors import InputError
from recsys.store import file_digest

NAMED = ("train", "catalogue")


def candidates_name(candidates: str) -> str:
    """What names the candidates for good: their name, or the digest of their file.

    Raises InputError where there is no such file.
    """
    if candidates in NAMED:
        return candidates
    path = Path(candidates)
    if not path.is_file():
        where = "evaluation.candidates"
        raise InputError(
            where, f"there is no file {candidates}", "name a table of user and item, or train or catalogue"
        )
    return file_digest(path)


def candidate_mask(candidates: str, data: Dataset, train: Interactions, users: IntArray) -> sparse.csr_array | None:
    """The candidates of each user as (len(users), n_items) of the training part, or None: all its items.

    candidates: "train", "catalogue", or a table of user and item. users: positions in the data set. Items that the
    table names and training lacks cannot be scored; they stay in the truth.
    """
    if candidates in NAMED:
        return None
    from recsys.data.table import read_pairs

    pairs = read_pairs(candidates)
    user = data.users.positions(pairs["user"])
    row = np.searchsorted(users, user).clip(max=len(users) - 1)
    item = train.items.positions(pairs["item"])
    kept = (user >= 0) & (users[row] == user) & (item >= 0)
    mask = sparse.csr_array(
        (np.ones(int(kept.sum()), dtype=np.float32), (row[kept], item[kept])), shape=(len(users), train.n_items)
    )
    mask.sum_duplicates()
    return mask

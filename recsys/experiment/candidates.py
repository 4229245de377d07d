"""Which items a list may hold."""

from __future__ import annotations

import os
from pathlib import Path

from scipy import sparse

from recsys.config import IntArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.errors import InputError
from recsys.metrics.truth import truth_of
from recsys.store import file_digest

NAMED = ("train", "catalogue")


def candidates_name(candidates: str) -> str:
    """What names the candidates for good: their name, or the digest of their file.

    Raises InputError where there is no such file.
    """
    if candidates in NAMED:
        return candidates
    if not os.path.isfile(candidates):  # noqa: PTH113 -- false for a name that no file can have
        remedy = "name a table of user and item, or train or catalogue"
        raise InputError("evaluation.candidates", f"there is no file {candidates}", remedy)
    return file_digest(Path(candidates))


def sample_in_words(name: str, candidates: str) -> str | None:
    """What numbers under candidates of a file say of themselves; None for the named kinds, which are full rankings.

    name: as `candidates_name` says. candidates: as the experiment says.
    """
    if name in NAMED:
        return None
    return f"only the pairs of {candidates} (SHA-256 {name[:12]}…): a sample, never to be held against full ranking"


def candidate_mask(candidates: str, data: Dataset, train: Interactions, users: IntArray) -> sparse.csr_array | None:
    """The candidates of each user as (len(users), n_items) of the training part, or None: all its items.

    candidates: "train", "catalogue", or a table of user and item. users: positions in the data set. Items that the
    table names and training lacks cannot be scored; they stay in the truth.
    """
    if candidates in NAMED:
        return None
    from recsys.data.table import read_pairs

    pairs = read_pairs(candidates)
    user, item = data.users.positions(pairs["user"]), train.items.positions(pairs["item"])
    known = (user >= 0) & (item >= 0)
    return truth_of(user[known], item[known], users, train.n_items)

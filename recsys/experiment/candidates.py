"""Which items a list may hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from recsys.config import IntArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.text import count
from recsys.errors import InputError
from recsys.metrics.truth import truth_of
from recsys.store import file_digest

if TYPE_CHECKING:
    import pandas as pd

NAMED = ("train", "catalogue")
FIELD, REMEDY = "evaluation.candidates", "write users and items as the data name them"
# So many pairs are named in a message, each in so many letters.
SHOWN, LONGEST = 3, 80


def candidates_name(candidates: str) -> str:
    """What names the candidates for good: their name, or the digest of their file.

    Raises InputError where there is no such file.
    """
    if candidates in NAMED:
        return candidates
    if not os.path.isfile(candidates):  # noqa: PTH113 -- false for a name that no file can have
        remedy = "name a table of user and item, or train or catalogue"
        raise InputError(FIELD, f"there is no file {candidates}", remedy)
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
    table names and training lacks cannot be scored; they stay in the truth. Raises InputError where the table names
    nothing that can be scored, or a user of the data with no item of the data.
    """
    if candidates in NAMED:
        return None
    from recsys.data.table import read_pairs

    pairs = read_pairs(candidates)
    user, item = data.users.positions(pairs["user"]), train.items.positions(pairs["item"])
    known = (user >= 0) & (item >= 0)
    if not known.any():
        message = f"no pair of {candidates} names a user of the data and an item of training: {_shown(pairs)}"
        raise InputError(FIELD, message, REMEDY)
    _refuse_lost_users(candidates, data, pairs, user)
    return truth_of(user[known], item[known], users, train.n_items)


def _refuse_lost_users(candidates: str, data: Dataset, pairs: pd.DataFrame, user: IntArray) -> None:
    """Raise InputError for a user of the data whose every candidate is unknown to the data; user: of each pair."""
    here = data.items.positions(pairs["item"]) >= 0
    lost = np.setdiff1d(user[user >= 0], user[here])
    if len(lost):
        own = pairs[user == lost[0]]
        more = f", nor of {count(len(lost) - 1, 'more user')}" if len(lost) > 1 else ""
        message = f"{candidates} names no item of the data for user {own['user'].iloc[0]!s}{more}: {_shown(own)}"
        raise InputError(FIELD, message, REMEDY)


def unknown_pairs(candidates: str, data: Dataset) -> str | None:
    """What to warn of where a table of candidates names users or items that the data lack; None where it does not.

    Raises InputError where all its pairs do, or all those of a user of the data.
    """
    if candidates in NAMED:
        return None
    from recsys.data.table import read_pairs

    pairs = read_pairs(candidates)
    user = data.users.positions(pairs["user"])
    unknown = (user < 0) | (data.items.positions(pairs["item"]) < 0)
    if not unknown.any():
        return None
    if unknown.all():
        raise InputError(
            FIELD, f"no pair of {candidates} names a user and an item of the data: {_shown(pairs)}", REMEDY
        )
    _refuse_lost_users(candidates, data, pairs, user)
    share = f"{unknown.sum():,} of {count(len(pairs), 'pair')}"
    return f"{share} of {candidates} name a user or an item that the data lack: {_shown(pairs[unknown])}"


def _shown(pairs: pd.DataFrame) -> str:
    """The first pairs, in words."""
    first = pairs.head(SHOWN)
    named = [f"{user}, {item}"[:LONGEST] for user, item in zip(first["user"], first["item"], strict=True)]
    return "; ".join(named) + (" …" if len(pairs) > SHOWN else "")

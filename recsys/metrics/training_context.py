"""The context of metrics, read off the rows that a model was fitted on."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy import sparse

from recsys.config import IntArray
from recsys.data.dataset import Dataset, Entities
from recsys.data.features import one_hot
from recsys.metrics.context import Context
from recsys.metrics.truth import truth_of
from recsys.splits.account import positives


def context_of(
    data: Dataset,
    rows: IntArray,
    shown: IntArray,
    users: IntArray,
    reads: Collection[str],
    *,
    positive: float | None,
    catalogue: bool,
    exclude_seen: bool,
) -> Context:
    """What metrics know of the rows that a model was fitted on.

    rows: of the final fit. shown: those and what it reads of held-out users when it serves them. users: (n_lists,)
    ascending positions of the users whose lists are measured. reads: names of the optional parts of a Context that are
    to be there. positive: the threshold of relevance. catalogue: whether lists may hold items of no training row.
    exclude_seen: whether what a user has seen was left out of the lists.
    """
    n_items = len(data.items)
    candidates = n_items if catalogue else np.count_nonzero(np.bincount(data.item[rows]))
    history = seen = None
    if "history" in reads:
        known = positives(data, shown, positive)
        history = truth_of(data.user[known], data.item[known], users, n_items)
    if "seen" in reads:
        kept = shown if exclude_seen else shown[:0]
        seen = truth_of(data.user[kept], data.item[kept], users, n_items)
    return Context(
        popularity=_owners(data, positives(data, rows, positive)),
        n_users=max(1, int(np.count_nonzero(np.bincount(data.user[rows])))),
        n_candidates=max(1, int(candidates)),
        history=history,
        seen=seen,
        features=features_of(data.items) if "features" in reads else None,
        genres=genres_of(data.items) if "genres" in reads else None,
    )


def _owners(data: Dataset, rows: IntArray) -> IntArray:
    """How many users have each item in these rows, (n_items,); a pair that stands twice counts once."""
    n_items = len(data.items)
    pairs = data.user[rows].astype(np.int64)
    pairs *= n_items
    pairs += data.item[rows]
    pairs.sort()
    new = np.ones(len(pairs), dtype=bool)
    np.not_equal(pairs[1:], pairs[:-1], out=new[1:])
    pairs %= n_items
    return np.bincount(pairs[new], minlength=n_items)


def features_of(items: Entities) -> sparse.csr_array | None:
    """Features of items as ones, (n_items, n_features), or None where there are none: see `one_hot`."""
    found, names = one_hot(items)
    return found if names else None


def genres_of(items: Entities) -> sparse.csr_array | None:
    """Genres of items as ones, (n_items, n_genres), or None: the first column of labels, else the first of categories.

    For MovieLens these are its genres.
    """
    found = named_genres_of(items)
    return None if found is None else found[0]


def named_genres_of(items: Entities) -> tuple[sparse.csr_array, list[str]] | None:
    """The same beside the name of each genre, (n_genres,)."""
    for kind in ("labels", "category"):
        for name, found in items.kinds.items():
            if found == kind:
                ones, names = one_hot(Entities(items.ids, items.features, {name: found}))
                return (ones, [each.removeprefix(f"{name}=") for each in names]) if names else None
    return None

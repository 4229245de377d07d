"""Items that are nearly the same, one of them in training and one in the test."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from recsys.config import IntArray
from recsys.data.dataset import Dataset
from recsys.data.features import TITLE
from recsys.splits.leaks_case import Case, Finding, among

# Items of one title beyond these are no copies: `Greatest Hits`.
MOST_ALIKE: Final = 5
# Share of the users that two items have in common, and the fewest users of each.
SAME_USERS: Final = 0.9
FEWEST_USERS: Final = 10
# Two items of that share are put beside each other with a chance of more than 0.999.
BANDS, BAND = 8, 4
# Of more rows, users are not compared.
MOST_ROWS: Final = 5_000_000
SEED: Final = 42


def near_duplicates(case: Case) -> Finding | None:
    """Test positives on a copy of an item in training: of one that the user has, or of one that has all the rows.

    Copies have the same title, but for case and punctuation, and the same other features, but for texts; or nearly the
    same users.
    """
    data, truth = case.data, case.truth
    group = copies(data)
    size = np.bincount(group)
    trained = np.bincount(group[case.in_training], minlength=len(size))
    copied = size[group[data.item[truth]]] > 1
    truth = truth[copied]
    item, user = data.item[truth], data.user[truth].astype(np.int64)
    moved = ~case.in_training[item] & (trained[group[item]] > 0)
    alike = case.seen[size[group[data.item[case.seen]]] > 1]
    has_copy = among(
        user * len(size) + group[item], data.user[alike].astype(np.int64) * len(size) + group[data.item[alike]]
    )
    has_copy &= ~among(case.pairs(truth), case.pairs(alike))
    rows = truth[moved | has_copy]
    if not len(rows):
        return None
    first = rows[0]
    twins = np.flatnonzero(group == group[data.item[first]])
    return Finding(
        check="near_duplicates",
        severity="warning",
        message=f"{len(rows):,} test positives are on copies of items in training: {np.count_nonzero(has_copy):,} "
        f"of an item that the user has there, {np.count_nonzero(moved & ~has_copy):,} of one that is in training under "
        f"another id alone; such as {', '.join(_named(data, twin) for twin in twins[:2])}",
        remedy="give copies one id before the data are read",
        count=len(rows),
        rows=rows,
        removable=True,
    )


def copies(data: Dataset) -> IntArray:
    """A number for each item, (n_items,); copies have the same."""
    n = len(data.items)
    pairs = [_same_title(data), *([_same_users(data)] if len(data) <= MOST_ROWS else [])]
    one, other = np.concatenate(pairs, axis=1)
    graph = sparse.coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _named(data: Dataset, item: int) -> str:
    return f"item {data.items.ids[item]}" + (
        f" ({data.items.features[TITLE].iloc[item]})" if TITLE in data.items.features else ""
    )


def _same_title(data: Dataset) -> IntArray:
    """Pairs of items that are described alike, (2, pairs)."""
    nothing = np.empty((2, 0), dtype=np.int64)
    if TITLE not in data.items.features:
        return nothing
    title = data.items.features[TITLE].str.casefold().str.replace(r"[\W_]+", "", regex=True)
    key = title.where(title.notna() & (title != "")).dropna()
    for column, kind in data.items.kinds.items():
        if kind != "text":
            key = key + "|" + data.items.features[column].reindex(key.index).astype("str").fillna("")
    number, _ = pd.factorize(key)
    size = np.bincount(number)
    kept = (size[number] > 1) & (size[number] <= MOST_ALIKE)
    return _chained(key.index.to_numpy()[kept], number[kept])


def _chained(items: IntArray, number: IntArray) -> IntArray:
    """Neighbouring items of the same number as pairs, (2, pairs)."""
    order = np.argsort(number, kind="stable")
    same = np.diff(number[order]) == 0
    return np.stack([items[order][:-1][same], items[order][1:][same]]).astype(np.int64)


def _same_users(data: Dataset) -> IntArray:
    """Pairs of items with nearly the same users, (2, pairs).

    Broder, "On the Resemblance and Containment of Documents", 1997: the least of the users' hashes is the same for two
    items with the chance that is their share of common users. Bands of such hashes find the pairs, which are counted.
    """
    nothing = np.empty((2, 0), dtype=np.int64)
    users = sparse.csr_array(
        (np.ones(len(data), dtype=np.int32), (data.item, data.user)), shape=(len(data.items), len(data.users))
    )
    users.sum_duplicates()
    users.data[:] = 1
    enough = np.flatnonzero(np.diff(users.indptr) >= FEWEST_USERS)
    if len(enough) < 2:
        return nothing
    users = users[enough]
    random = np.random.default_rng(SEED)
    found: set[tuple[int, int]] = set()
    for _ in range(BANDS):
        band = np.zeros(len(enough), dtype=np.uint64)
        for _ in range(BAND):
            hashes = random.permutation(len(data.users)).astype(np.uint64)
            least = np.minimum.reduceat(hashes[users.indices], users.indptr[:-1])
            band = band * np.uint64(0x9E3779B97F4A7C15) + least
        found.update(map(tuple, _chained(np.arange(len(enough)), band.view(np.int64)).T.tolist()))
    if not found:
        return nothing
    one, other = np.array(sorted(found), dtype=np.int64).T
    common = np.asarray(users[one].multiply(users[other]).sum(axis=1)).ravel()
    size = np.diff(users.indptr)
    alike = common >= SAME_USERS * (size[one] + size[other] - common)
    return np.stack([enough[one[alike]], enough[other[alike]]])

"""Rows of the test part that models were told, and test parts that measure nothing."""

from __future__ import annotations

from typing import Final

import numpy as np

from recsys.config import IntArray
from recsys.data.text import count
from recsys.splits.account import positives
from recsys.splits.leaks_case import Case, Finding, among

# The share of the test positives from which a warning is worth it.
SATURATED: Final = 0.1
_REPEATS = "keep one row of each pair with data.duplicates: first, last or sum, or remove these rows from the test"


def no_positives(case: Case) -> Finding | None:
    """A test part without positives measures nothing."""
    if len(positives(case.data, case.fold.test, case.positive)):
        return None
    test, value = case.fold.test, case.data.value
    largest = f"; the largest value there is {value[test].max():g}" if value is not None and len(test) else ""
    return Finding(
        check="no_positives",
        severity="error",
        message=f"none of the {len(test):,} test rows is a positive (value {case.positive} or more){largest}",
        remedy="lower `positive`, or leave it out to count every row",
        count=len(test),
        rows=test,
    )


def rows_on_both_sides(case: Case) -> Finding | None:
    """The same event on both sides: one user, item and time. Without times the next check is all one can know."""
    repeated, timestamp = case.repeated, case.data.timestamp
    if timestamp is None or not len(repeated):
        return None
    suspects = case.seen[among(case.pairs(case.seen), case.pairs(repeated))]
    both = np.concatenate([suspects, repeated])
    event = _numbered(case.pairs(both), timestamp[both])
    rows = repeated[among(event[len(suspects) :], event[: len(suspects)])]
    if not len(rows):
        return None
    return Finding(
        check="rows_on_both_sides",
        severity="error",
        message=f"{len(rows):,} of {len(case.fold.test):,} test rows are in the training part too, with the same user, "
        f"item and time; {case.where(rows)}",
        remedy=_REPEATS,
        count=len(rows),
        rows=rows,
    )


def positives_already_seen(case: Case) -> Finding | None:
    """Under exclude_seen a pair that was seen is left out of every list, so that no model can find it."""
    if not case.exclude_seen:
        return None
    rows = positives(case.data, case.repeated, case.positive)
    if not len(rows):
        return None
    return Finding(
        check="positives_already_seen",
        severity="error",
        message=f"{len(rows):,} test positives are pairs of user and item seen in training, which "
        f"evaluation.exclude_seen leaves out of every list; {case.where(rows)}",
        remedy=f"{_REPEATS}; where users come back to items, set evaluation.exclude_seen: false",
        count=len(rows),
        rows=rows,
    )


def nothing_to_choose(case: Case) -> Finding | None:
    """Of users whose every candidate is a test positive any list is perfect, whoever made it."""
    user, n_users = case.data.user, len(case.data.users)
    n_items = np.count_nonzero(case.in_training)
    truth = case.findable
    rows = np.bincount(user[truth], minlength=n_users)
    seen = np.bincount(user[case.seen], minlength=n_users) if case.exclude_seen else np.zeros(n_users, dtype=np.int64)
    suspect = (rows > 0) & (rows + seen >= n_items)  # pairs may be there several times: only these are worth a sort
    n_wanted = _different_items(case, truth[suspect[user[truth]]])
    n_seen = _different_items(case, case.seen[suspect[user[case.seen]]]) if case.exclude_seen else seen
    found = truth[(suspect & (n_wanted + n_seen >= n_items))[user[truth]]]
    if len(found) < SATURATED * len(truth) or not len(found):
        return None
    return Finding(
        check="nothing_to_choose",
        severity="warning",
        message=f"{count(len(found), 'test positive')} of {len(truth):,} are of users whose every candidate is one: "
        f"any list of theirs is perfect, and no metric tells models apart; {case.where(found)}",
        remedy="take a smaller test part, or data with more items",
        count=len(found),
        rows=found,
    )


def _different_items(case: Case, rows: IntArray) -> IntArray:
    """How many different items each user has among these rows, (n_users,)."""
    users = np.unique(case.pairs(rows)) // len(case.data.items)
    return np.bincount(users, minlength=len(case.data.users))


def _numbered(pair: IntArray, time: IntArray) -> IntArray:
    """A number for each different (pair, time), (n,): an order of magnitude faster than np.unique over an axis."""
    order = np.lexsort((time, pair))
    changes = (np.diff(pair[order]) != 0) | (np.diff(time[order]) != 0)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.concatenate([[0], np.cumsum(changes)])
    return number

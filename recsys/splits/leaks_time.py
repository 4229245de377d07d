"""What a split does with time, and what of its test nobody can know."""

from __future__ import annotations

from typing import Final

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.text import count
from recsys.splits.choices import overlap
from recsys.splits.leaks_case import Case, Finding

# Shares from which a warning is worth it.
OVERLAP: Final = 0.01
COLD: Final = 0.1
FUTURE: Final = 0.1
TOP: Final = 10
# Users whose lists are made to see what popularity owes to the future, and the fewest of whom that is told.
USERS: Final = 1000
FEWEST: Final = 30
SEED: Final = 42


def time_overlap(case: Case) -> Finding | None:
    """Models read rows that are newer than the test rows they are asked for."""
    data = case.data
    share = overlap(data, case.seen, case.fold.test)
    if data.timestamp is None or share is None or share <= OVERLAP:
        return None
    rows = case.seen[data.timestamp[case.seen] > data.timestamp[case.fold.test].min()]
    return Finding(
        check="time_overlap",
        severity="warning",
        message=f"models learn from the future: {count(len(rows), 'training row')} are newer than the oldest test row, "
        f"and in {share:.0%} of all pairs of a training and a test row the training row is the newer one",
        remedy="split.kind: temporal or rolling tests as in production; --also split.kind=temporal shows both orders",
        count=len(rows),
        rows=rows,
    )


def popularity_from_the_future(case: Case) -> Finding | None:
    """How much of what popularity finds it owes to rows that came after the user's first test row.

    The share of the test positives among the ten items with most rows that the user has not seen: counted in all
    training rows, and in those before the user's first test row; of a thousand users, drawn at random.
    """
    share = overlap(case.data, case.seen, case.fold.test)
    truth = case.findable
    if share is None or share <= OVERLAP or not len(truth):
        return None
    users = np.unique(case.data.user[truth])
    users = np.sort(np.random.default_rng(SEED).permutation(users)[:USERS])
    if len(users) < FEWEST:
        return None
    value, closed = _found_by_popularity(case, truth, users)
    if value <= 0 or (value - closed) / value < FUTURE:
        return None
    rows = truth[np.isin(case.data.user[truth], users)]
    return Finding(
        check="popularity_from_the_future",
        severity="warning",
        message=f"popularity is taken from the future: {value:.1%} of the test positives of "
        f"{count(len(users), 'user')} are among the {TOP} most popular items; counted before each user's first test "
        f"row, {closed:.1%} are",
        remedy="nobody could have found these items then; split.kind: temporal counts the past alone",
        count=len(rows),
        rows=rows,
        values={f"test positives among the {TOP} most popular": (value, closed)},
    )


def _found_by_popularity(case: Case, truth: IntArray, users: IntArray) -> tuple[float, float]:
    """The mean share of a user's positives that popularity lists, counted in all rows seen, and in those before."""
    data = case.data
    timestamp = np.asarray(data.timestamp)
    place = np.full(len(data.users), -1)
    place[users] = np.arange(len(users))
    own, theirs = case.seen[place[data.user[case.seen]] >= 0], truth[place[data.user[truth]] >= 0]
    tested = case.fold.test[place[data.user[case.fold.test]] >= 0]
    first = np.full(len(users), np.iinfo(np.int64).max)
    np.minimum.at(first, place[data.user[tested]], timestamp[tested])
    shape = (len(users), len(data.items))
    relevant, seen = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    relevant[place[data.user[theirs]], data.item[theirs]] = True
    if case.exclude_seen:
        seen[place[data.user[own]], data.item[own]] = True
    in_time = case.seen[np.argsort(timestamp[case.seen], kind="stable")]
    whole = np.bincount(data.item[in_time], minlength=len(data.items)).astype(np.float64)
    until = np.searchsorted(timestamp[in_time], first)
    before, at = np.zeros(len(data.items)), 0
    shares = np.empty((len(users), 2))
    for user in np.argsort(until, kind="stable"):
        before += np.bincount(data.item[in_time[at : until[user]]], minlength=len(data.items))
        at = until[user]
        shares[user] = [_found(counts, seen[user], relevant[user]) for counts in (whole, before)]
    value, closed = shares.mean(axis=0)
    return float(value), float(closed)


def _found(counts: FloatArray, seen: BoolArray, relevant: BoolArray) -> float:
    """The share of the relevant items among the most popular ones that are not seen; all arrays (n_items,)."""
    order = np.argsort(np.where(seen, -1.0, counts) * -1, kind="stable")[:TOP]
    return float(relevant[order].sum() / relevant.sum())


def cold_items(case: Case) -> Finding | None:
    """Test positives on items without a training row: in no list, and a loss that all models share."""
    rows = case.truth[~case.in_training[case.data.item[case.truth]]]
    return _cold(case, rows, "cold_items", "are on items without a training row, which no list holds")


def cold_users(case: Case) -> Finding | None:
    """Test positives of users without a training row; under a split of cold users all are, and nothing is said."""
    known = np.bincount(case.data.user[case.seen], minlength=len(case.data.users)) > 0
    rows = case.truth[~known[case.data.user[case.truth]]]
    if len(rows) == len(case.truth):
        return None
    return _cold(case, rows, "cold_users", "are of users without a training row, whom models cannot tell apart")


def _cold(case: Case, rows: IntArray, check: str, what: str) -> Finding | None:
    if not len(rows) or len(rows) < COLD * len(case.truth):
        return None
    return Finding(
        check=check,
        severity="warning",
        message=f"{len(rows):,} of {len(case.truth):,} test positives ({len(rows) / len(case.truth):.0%}) {what}",
        remedy="read the values as of what can be found, or train on more of the time before the test",
        count=len(rows),
        rows=rows,
        removable=True,
    )

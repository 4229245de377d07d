"""Data as a feed brings them, night by night, and what can go wrong with a night."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.config import IntArray
from recsys.data.config import SyntheticData
from recsys.data.dataset import Dataset, Entities
from recsys.data.interactions import DAY
from recsys.data.synthetic import load

Random = np.random.Generator
Poison = Callable[[Dataset, IntArray, Random], Dataset]


def feed(user: IntArray, item: IntArray, value: IntArray | None, timestamp: IntArray) -> Dataset:
    """A data set of codes, oldest row first."""
    order = np.argsort(timestamp, kind="stable")
    return Dataset(
        user=user[order].astype(np.int32),
        item=item[order].astype(np.int32),
        value=None if value is None else value[order].astype(np.float32),
        timestamp=timestamp[order].astype(np.int64),
        part=None,
        users=entities_of(int(user.max()) + 1),
        items=entities_of(int(item.max()) + 1),
        sessions=None,
        clock="time",
        account={},
    )


def made_feed(seed: int = 0) -> Dataset:
    """The made world of this seed."""
    rows = load(SyntheticData(seed=seed)).interactions
    return feed(*(rows[column].to_numpy() for column in ("user", "item", "value", "timestamp")))


def movielens_feed(home: str) -> Dataset:
    """MovieLens-100K."""
    user, item, rating, at = np.loadtxt(Path(home) / "ml-100k" / "u.data", dtype=np.int64, unpack=True)
    return feed(user, item, rating, at * 10**6)


def nights(data: Dataset, length: int = DAY, first: int = 1, every: int = 1) -> Iterator[tuple[int, int]]:
    """Newest row of the night before, and of the night, for every night with new rows."""
    times = data.timestamp
    ends = np.searchsorted(times, np.arange(times[0] + length, times[-1] + length, length), side="left") - 1
    ends = np.unique(ends)
    for before, end in zip(ends[first - 1 :: every], ends[first::every], strict=False):
        yield int(times[before]), int(times[end])


def until(data: Dataset, time: int) -> Dataset:
    """The rows not after this time."""
    rows = slice(0, int(np.searchsorted(data.timestamp, time, side="right")))
    return replace(
        data,
        user=data.user[rows],
        item=data.item[rows],
        value=None if data.value is None else data.value[rows],
        timestamp=data.timestamp[rows],
    )


def flood(share: float, strangers: bool) -> Poison:
    """So many of the night's rows are one item's, from users with a row each: strangers, or known ones."""

    def poison(data: Dataset, new: IntArray, random: Random) -> Dataset:
        n = int(np.ceil(len(new) * share / (1 - share)))
        known = len(data.users)
        user = known + np.arange(n) if strangers else random.choice(known, n)
        return added(data, new, user, np.full(n, random.choice(data.item)), np.full(n, 5.0), random)

    return poison


def random_rows(times: int) -> Poison:
    """So many times the night's rows, drawn from all users, items and values alike."""

    def poison(data: Dataset, new: IntArray, random: Random) -> Dataset:
        n = (times - 1) * len(new)
        drawn = random.integers(0, len(data.users), n), random.integers(0, len(data.items), n), random.integers(1, 6, n)
        return added(data, new, *drawn, random)

    return poison


def values(change: Callable[[np.ndarray, Random], np.ndarray]) -> Poison:
    """The night's values are changed."""

    def poison(data: Dataset, new: IntArray, random: Random) -> Dataset:
        value = np.array(data.value)
        value[new] = change(value[new], random)
        return replace(data, value=value)

    return poison


def one_user(data: Dataset, new: IntArray, random: Random) -> Dataset:
    """All rows of the night lose their user and get the same one."""
    user = np.array(data.user)
    user[new] = random.choice(user[: new[0]])
    return replace(data, user=user)


def other_items(data: Dataset, new: IntArray, random: Random) -> Dataset:
    """All rows of the night name items as nobody did before."""
    item = np.array(data.item)
    item[new] += len(data.items)
    return replace(data, item=item, items=entities_of(2 * len(data.items)))


POISONS: dict[str, Poison] = {
    "30 % on one item by strangers": flood(0.3, strangers=True),
    "30 % on one item by known users": flood(0.3, strangers=False),
    "half on one item by strangers": flood(0.5, strangers=True),
    "values turned round": values(lambda value, random: 6 - value),
    "values shuffled": values(lambda value, random: random.permutation(value)),
    "values all 5": values(lambda value, random: np.full_like(value, 5)),
    "values all 3": values(lambda value, random: np.full_like(value, 3)),
    "values times 20": values(lambda value, random: value * 20),
    "ten times the rows": random_rows(10),
    "one user": one_user,
    "other item ids": other_items,
}


def added(data: Dataset, new: IntArray, user: IntArray, item: IntArray, value: np.ndarray, random: Random) -> Dataset:
    """The data with rows more, at times of the new ones."""
    known = max(len(data.users), int(user.max(initial=0)) + 1)
    return replace(
        data,
        user=np.concatenate([data.user, user.astype(np.int32)]),
        item=np.concatenate([data.item, item.astype(np.int32)]),
        value=np.concatenate([data.value, value.astype(np.float32)]),
        timestamp=np.concatenate([data.timestamp, random.choice(data.timestamp[new], len(user))]),
        users=entities_of(known),
    )


def entities_of(n: int) -> Entities:
    """So many without features."""
    return Entities(np.arange(n), pd.DataFrame(index=range(n)), {})

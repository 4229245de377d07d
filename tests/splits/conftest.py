"""Small data sets, made by hand or drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recsys.data.dataset import Dataset, Entities

DAY = 86_400 * 10**6


def entities(n):
    return Entities(np.arange(n) * 10, pd.DataFrame(index=range(n)), {})


def make_dataset(user, item, timestamp=None, value=None, part=None, clock="time"):
    user, item = np.asarray(user, dtype=np.int32), np.asarray(item, dtype=np.int32)
    return Dataset(
        user=user,
        item=item,
        value=None if value is None else np.asarray(value, dtype=np.float32),
        timestamp=None if timestamp is None else np.asarray(timestamp, dtype=np.int64),
        part=None if part is None else np.asarray(part, dtype=np.int8),
        users=entities(int(user.max()) + 1),
        items=entities(int(item.max()) + 1),
        sessions=None,
        clock=clock,
        account={},
    )


@pytest.fixture
def make():
    return make_dataset


@pytest.fixture(scope="session")
def world():
    """300 users, 80 items, 4,000 distinct pairs with values and many equal times, and parts."""
    random = np.random.default_rng(5)
    pairs = random.permutation(300 * 80)[:4000]
    return make_dataset(
        user=pairs // 80,
        item=pairs % 80,
        timestamp=random.integers(0, 60, size=4000) * DAY,
        value=random.integers(1, 6, size=4000),
        part=random.choice([0, 0, 0, 0, 1, 2], size=4000),
    )

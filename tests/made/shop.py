"""A shop whose users keep coming: rows for half a hundred users a day, so that each night can be judged."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np

FIRST, LAST = dt.date(2024, 3, 1), dt.date(2024, 5, 29)
N_USERS, N_GROUPS, N_ITEMS = 240, 4, 60


def write_world(path: Path) -> None:
    """Users of four tastes who take an item of theirs every third day or so, and now and then another."""
    random = np.random.default_rng(5)
    rows = ["user,item,value,timestamp"]
    taken: set[tuple[int, int]] = set()
    for day in range((LAST - FIRST).days + 1):
        begins = dt.datetime.combine(FIRST + dt.timedelta(days=day), dt.time(), dt.UTC).timestamp()
        for user in np.flatnonzero(random.random(N_USERS) < 0.35):
            group = user % N_GROUPS if random.random() < 0.9 else random.integers(N_GROUPS)
            item = int(group * N_ITEMS + N_ITEMS * random.beta(1, 2))
            if (user, item) not in taken:
                taken.add((user, item))
                rows.append(f"{user},{item},{random.integers(1, 6)},{int(begins + random.integers(86_400))}")
    path.write_text("\n".join(rows) + "\n")


def spec_of(data: dict[str, Any], model: Any = "ease", name: str = "shop", **retrain: Any) -> dict[str, Any]:
    """The experiment that is retrained on the shop's rows, with this first model; retrain: settings of that section."""
    return {
        "name": name,
        "data": {**data, "duplicates": "last"},
        "models": [model],
        "evaluation": {"metrics": ["ndcg", "coverage"], "k": [10]},
        "retrain": {"window": "7d", **retrain},
    }

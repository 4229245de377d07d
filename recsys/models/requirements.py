"""What a model asks of data and machine before it is fitted, refused with what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from recsys.data.interactions import Interactions
from recsys.errors import InputError

if TYPE_CHECKING:
    from recsys.models.base import Recommender

# What the process of a model holds before it fits: interpreter and libraries, and its training rows.
CHILD_BYTES, ROW_BYTES = 150_000_000, 45
# What a core reads fast in any order.
CACHE_BYTES = 16_000_000
COUNTS = (2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)


def require_data(model: Recommender, train: Interactions) -> None:
    """Raises InputError where the training part lacks what the model cannot do without."""
    place = f"model '{model.config.name}'"
    if model.needs.values and train.value is None:
        raise InputError(
            place,
            "needs a value, such as a rating, of every interaction, and these data have none",
            "name its column in data.columns.value, or leave this model out",
        )
    if model.needs.sessions and train.sessions is None:
        raise InputError(place, "needs sessions, and these data have none", "name their file in data.sessions")
    if not train.positive.any():
        raise InputError(
            "positive", f"none of the {len(train):,} training rows is a positive", "lower `positive`, or leave it out"
        )


def require_memory(model: Recommender, train: Interactions, free: int | None = None) -> None:
    """Raises InputError where the fit needs more memory than is free. free: bytes; None: what the machine has."""
    free = free_memory() if free is None else free
    n_users, n_items, n_rows = train.n_users, train.n_items, len(train)
    needed = model.memory(n_users, n_items, n_rows)
    if needed <= free:
        return
    items_alone = model.memory(2 * n_users, n_items, 2 * n_rows) <= 1.1 * needed
    size = f"{n_items:,} items" if items_alone else f"{n_users:,} users, {n_items:,} items and {n_rows:,} rows"
    ways = [f"use {' or '.join(names)}" for names in [_smaller(n_users, n_items, n_rows, free)] if names]
    ways += [way for way in [_fewer_items(model, train, free)] if way]
    raise InputError(
        f"model '{model.config.name}'",
        f"needs about {_gigabytes(needed)} for {size} and {_gigabytes(free)} are free",
        ", or ".join(ways) or "run it on a machine with more memory",
    )


def share_beyond_cache(n_bytes: float) -> float:
    """Share of a table of this size that is not in the processor's cache when it is read in any order.

    >>> share_beyond_cache(1_000_000), share_beyond_cache(64_000_000)
    (0.0, 0.75)
    """
    return 1 - min(1.0, CACHE_BYTES / max(n_bytes, 1))


def bytes_before(n_interactions: int) -> int:
    """Bytes that the process of a model holds before it fits; `Recommender.memory` comes on top."""
    return CHILD_BYTES + ROW_BYTES * n_interactions


def free_memory(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that can still be had: the machine's, or those of this control group where it has a lower limit.

    Cached files count as free: the kernel gives them up when memory is asked for.
    """
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = int((group / "memory.max").read_text()), int((group / "memory.current").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, min(free, limit - used + int(stat["file"])))
    except (OSError, ValueError, KeyError):  # no such group, or "max": no limit
        return free


def _smaller(n_users: int, n_items: int, n_rows: int, free: int) -> list[str]:
    """Up to two personalised models that would fit, the hungriest first."""
    from recsys.models.registry import BUILT_IN, model_class

    found = []
    for name in BUILT_IN:
        kind = model_class(name)
        if kind.control or kind.predicts_values or not kind.needs.history:
            continue
        needed = kind(kind.Config(name=name)).memory(n_users, n_items, n_rows)
        if needed <= free:
            found.append((needed, name))
    return [name for _, name in sorted(found, reverse=True)[:2]]


def _fewer_items(model: Recommender, train: Interactions, free: int) -> str | None:
    """The smallest count of rows an item must have so that the fit would fit."""
    rows = np.bincount(train.item, minlength=train.n_items)
    for least in COUNTS:
        left = int(np.count_nonzero(rows >= least))
        if left and model.memory(train.n_users, left, int(rows[rows >= least].sum())) <= free:
            return f"data.min_item_count: {least} ({left:,} items left)"
    return None


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.0f} GB" if n_bytes >= 10e9 else f"{n_bytes / 1e9:.1f} GB"

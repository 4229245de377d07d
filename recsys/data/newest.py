"""How fresh a source is: its rows up to a time, and the newest of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys.data.config import DataConfig, SqlData, TableData
from recsys.settings import Settings

if TYPE_CHECKING:
    from recsys.config import IntArray


@dataclass(frozen=True)
class Freshness:
    """Rows of interactions not later than the time asked for.

    rows: how many. newest, oldest: their extreme times, microseconds since 1970, UTC; None without rows. later: rows
    that are there and later.
    """

    rows: int
    newest: int | None
    oldest: int | None
    later: int = 0


def newest(config: DataConfig, settings: Settings, as_of: int | None = None) -> Freshness:
    """How many rows the source has up to `as_of` (microseconds since 1970, UTC, inclusive), and when the newest was.

    Duplicates and rare users count; nothing but times is looked at. PostgreSQL answers it in one query where its column
    holds times or integers; of anything else the column of times is read, which is as fast as reading goes.

    Raises InputError where the source has no times or is wrong, RunError where a database is lost.
    """
    if isinstance(config, SqlData):
        from recsys.data import sql

        return sql.newest(config, settings, as_of)
    if isinstance(config, TableData):
        from recsys.data import table

        return freshness(table.read_times(config), as_of)
    from recsys.data.as_of import refuse_no_times
    from recsys.data.load import read

    raw = read(config, None, settings)
    if raw.clock != "time":
        refuse_no_times(raw.name("interactions"), as_of, ordered=True)
    return freshness(raw.interactions["timestamp"].to_numpy(), as_of)


def freshness(timestamp: IntArray, as_of: int | None) -> Freshness:
    """What the times of all rows say. timestamp: (n,) microseconds since 1970.

    >>> import numpy as np
    >>> freshness(np.array([5, 7, 9]), as_of=7)
    Freshness(rows=2, newest=7, oldest=5, later=1)
    """
    until = timestamp if as_of is None else timestamp[timestamp <= as_of]
    if not len(until):
        return Freshness(0, None, None, len(timestamp))
    return Freshness(len(until), int(until.max()), int(until.min()), len(timestamp) - len(until))

"""What a source hands over: plain frames, before anything is checked, coded or filtered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from recsys.config import IntArray

if TYPE_CHECKING:
    import pandas as pd

# What the column `timestamp` holds: seconds that all users share, or only each user's own order. none: there is no such
# column, and the order of rows says nothing either.
Clock = Literal["time", "order", "none"]


@dataclass(frozen=True)
class Origin:
    """Where a run of rows came from: a file, and the line of that file on which each of them stands.

    rows: how many rows. line: from a row of this run (0..) to a line as a person counts them (the header is 1). order:
    what to say of the order in which they are counted, where it is not that of the file.
    """

    name: str
    rows: int
    line: Callable[[int], int]
    order: str = ""


@dataclass(frozen=True)
class Raw:
    """Tables as a source reads them.

    interactions: columns user, item and, where the source has them, value (float), timestamp (int64: microseconds since
    1970 where clock is "time", else each user's own order) and part (int8: 0 to be split, 1 test, 2 validation). Rows
    in the order of the source. items, users: an id column named item or user; all other columns are features.
    sessions: columns session, item and, where known, user; rows in the order of viewing. Ids are integers, strings or
    a categorical of either. place: names the source in error messages. origins: by table, the files its rows came from,
    in order. columns: by role, the column of the files that plays it, where they have named ones. digests: of what was
    read, as `recsys.data.load.inputs` names them, where reading and digesting see the same state of a source. The row
    order of `interactions` counts as time where there is no timestamp, unless clock is "none".
    """

    interactions: pd.DataFrame
    items: pd.DataFrame | None = None
    users: pd.DataFrame | None = None
    sessions: pd.DataFrame | None = None
    clock: Clock = "time"
    place: str = "data"
    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def locate(self, row: int, table: str = "interactions") -> tuple[str, int]:
        """The file and line of one row of a table."""
        return locate(self.origins.get(table, ()), row, self.name(table))

    def rows_of_interactions(self) -> tuple[Origin, ...]:
        """The origins of the interactions, made up where the source names none, so that others can follow."""
        made_up = Origin(self.place, len(self.interactions), lambda row: row + 1)
        return self.origins.get("interactions", (made_up,))

    def name(self, table: str) -> str:
        """A table as error messages name it: its file, or its place in the source."""
        origins = self.origins.get(table, ())
        if origins:
            return origins[0].name
        return self.place if table == "interactions" else f"{self.place}: {table}"


def locate(origins: tuple[Origin, ...], row: int, place: str = "data") -> tuple[str, int]:
    """The file and line of a row; beyond the origins it is counted from 1.

    >>> locate((Origin("a.csv", 2, lambda row: row + 2), Origin("b.csv", 9000, lambda row: row + 2)), 2002)
    ('b.csv', 2002)
    """
    start = 0
    for origin in origins:
        if row < start + origin.rows:
            return origin.name + origin.order, origin.line(row - start)
        start += origin.rows
    return place, row + 1


def origins_of(origins: tuple[Origin, ...], rows: IntArray) -> tuple[Origin, ...]:
    """The origins of some of the rows. rows: their numbers, ascending.

    >>> origins = Origin("a.csv", 2, lambda row: row + 2), Origin("b.csv", 3, lambda row: row + 2)
    >>> locate(origins_of(origins, np.array([1, 4])), 1)
    ('b.csv', 4)
    """

    def part(origin: Origin, own: IntArray) -> Origin:
        return replace(origin, rows=len(own), line=lambda row: origin.line(int(own[row])))

    starts = np.cumsum([0, *(origin.rows for origin in origins)])
    bounds = np.searchsorted(rows, starts)
    return tuple(
        part(origin, rows[bounds[index] : bounds[index + 1]] - starts[index]) for index, origin in enumerate(origins)
    )

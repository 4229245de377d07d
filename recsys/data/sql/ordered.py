"""Rows of a database in an order that their content alone decides: a table has none of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from recsys.config import IntArray
from recsys.data.raw import Origin
from recsys.data.shown import quoted
from recsys.data.sql.columns import Chunks, codes, digest_of
from recsys.data.values import Column
from recsys.errors import InputError


@dataclass(frozen=True, eq=False)
class Ordered:
    """Columns whose rows are in order.

    title: the table as messages call it. data: by name. timestamp: (n,) microseconds, or None. coded: what rows were
    ordered by, column by column: different values, and the positions of rows among them. shown: what messages say they
    are ordered by.
    """

    title: str
    data: dict[str, pa.ChunkedArray]
    timestamp: IntArray | None
    coded: dict[str, tuple[pa.Array, IntArray]]
    shown: Sequence[str]

    def __len__(self) -> int:
        return len(next(iter(self.coded.values()))[1])

    @classmethod
    def by_time(cls, title: str, chunks: Chunks, role_of: dict[str, str], timestamp: IntArray | None) -> Ordered:
        """Interactions by time, then by user, item and value. timestamp: of each row of the chunks, or None.

        Raises InputError where a column mixes bytes with other values.
        """
        shown = list(dict.fromkeys(sorted(role_of.values(), key=lambda name: name != role_of.get("timestamp"))))
        roles = {role: name for role, name in role_of.items() if role != "timestamp"}
        _refuse_some_bytes(title, chunks, list(roles.values()))
        return cls._of(title, chunks, roles, timestamp, shown)

    @classmethod
    def by_id(cls, title: str, chunks: Chunks, id_column: str) -> Ordered:
        """Items or users by their id, and where it occurs twice, by all else.

        Raises InputError where the column of ids mixes bytes with other values.
        """
        _refuse_some_bytes(title, chunks, [id_column])
        names = sorted(chunks.columns, key=lambda name: name != id_column)
        return cls._of(title, chunks, dict(zip(names, names, strict=True)), None, [id_column])

    @classmethod
    def _of(
        cls, title: str, chunks: Chunks, roles: dict[str, str], timestamp: IntArray | None, shown: Sequence[str]
    ) -> Ordered:
        data = {name: chunks.joined(name) for name in dict.fromkeys(roles.values())}
        coded = {role: codes(data[name]) for role, name in roles.items()}
        if timestamp is not None:
            coded = {"timestamp": (pa.array([], pa.string()), timestamp), **coded}
        order = np.lexsort([rows for _, rows in reversed(coded.values())])
        return cls(
            title,
            {name: column.take(pa.array(order)) for name, column in data.items()},
            None if timestamp is None else timestamp[order],
            {role: (levels, rows[order]) for role, (levels, rows) in coded.items()},
            shown,
        )

    @cached_property
    def origins(self) -> tuple[Origin, ...]:
        """Rows are counted in their order: no other way to name them is common to all tables."""
        return (Origin(self.title, len(self), lambda row: row + 1, f" ordered by {', '.join(self.shown)}"),)

    @property
    def columns(self) -> dict[str, Column]:
        """The columns for a reader of tables."""
        return {name: Column(name, data, self.origins) for name, data in self.data.items()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that the rows hold."""
        return digest_of(self.coded)


def column_of_times(title: str, name: str, chunks: Chunks) -> Column:
    """The column of times before rows are in order; where one is wrong, it is named by its place among all times.

    Raises InputError where it mixes bytes with other values.
    """
    _refuse_some_bytes(title, chunks, [name])
    data = chunks.joined(name)

    def line(row: int) -> int:
        return int(np.argsort(np.argsort(codes(data)[1], kind="stable"))[row]) + 1

    return Column(name, data, (Origin(title, len(data), line, f" ordered by {name}"),))


def _refuse_some_bytes(title: str, chunks: Chunks, names: Sequence[str]) -> None:
    """Bytes that look like the text of other rows are another id, or none, and only the user knows which."""
    mixed = [name for name in names if chunks.mixes_bytes(name)]
    if mixed:
        message = f"column {quoted(mixed[0])} holds bytes (BLOB) in some rows and other values in others"
        raise InputError(title, message, "write them all alike, for example with CAST(... AS TEXT)")

"""The tables of a spec within one transaction: read, digested, or asked how fresh they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import numpy as np
import pyarrow as pa

from recsys.config import IntArray
from recsys.data.as_of import refuse_all_later, refuse_no_times
from recsys.data.config import SqlData
from recsys.data.newest import Freshness, freshness
from recsys.data.progress import Progress
from recsys.data.raw import Raw
from recsys.data.sql.columns import Chunks, stream
from recsys.data.sql.connection import Transaction
from recsys.data.sql.digest import database_digest
from recsys.data.sql.ordered import Ordered, column_of_times
from recsys.data.sql.relation import Relation, interactions_of, table_of
from recsys.data.sql.until import Limit, count_newest, limit
from recsys.data.table import entities_of, frame_of, roles
from recsys.data.values import Column, times
from recsys.errors import InputError


class Source:
    """What a spec names, up to a time (microseconds since 1970, UTC; None: all).

    Raises InputError where a table or column is missing or forbidden, or a time is asked for and there are none.
    """

    def __init__(self, config: SqlData, transaction: Transaction, as_of: int | None, progress: Progress) -> None:
        self.config, self.transaction, self.as_of, self.progress = config, transaction, as_of, progress
        self.relation = interactions_of(config, transaction)
        self.role_of = roles(self.relation, config.columns)
        self.timestamp = self.role_of.get("timestamp")
        if as_of is not None and self.timestamp is None:
            refuse_no_times(self.relation.title, as_of)
        self.limit = limit(transaction, self.relation, self.timestamp, as_of)

    def read(self) -> Raw:
        """All tables, and their digests."""
        rows = self._interactions()
        if not len(rows):
            self._refuse_nothing()
        tables = {"interactions": (rows, frame_of(dict(rows.columns), self.role_of, rows.timestamp))}
        digests = {f"interactions: {self.relation.name}": self._digest(rows)}
        for kind, relation, id_column in self._listed():
            found = self._entities(relation, id_column)
            tables[f"{kind}s"] = found, entities_of(_plain(found.columns), kind, id_column)
            digests[f"{kind}s: {relation.name}"] = self._digest_of_entities(relation, found)
        return Raw(
            **{name: frame for name, (_, frame) in tables.items()},
            clock="time" if self.timestamp is not None else "none",
            place=self.relation.title,
            origins={name: found.origins for name, (found, _) in tables.items()},
            columns=self.role_of,
            digests=digests,
        )

    def digests(self) -> dict[str, str]:
        """The digests that `read` gives, of tables with rows or without."""
        own = self._digest(None if self.limit is not None else self._interactions())
        found = {f"interactions: {self.relation.name}": own}
        for kind, relation, id_column in self._listed():
            rows = None if self.transaction.is_postgres else self._entities(relation, id_column)
            found[f"{kind}s: {relation.name}"] = self._digest_of_entities(relation, rows)
        return found

    def newest(self) -> Freshness:
        """The rows up to the time and how new they are."""
        return self._freshness(self.as_of)

    def _freshness(self, as_of: int | None) -> Freshness:
        if self.timestamp is None:
            refuse_no_times(self.relation.title)
        asked = self.limit if as_of is not None else Limit()
        if self.transaction.is_postgres and asked is not None and self.relation.kinds[self.timestamp] != "other":
            return count_newest(self.transaction, self.relation, self.timestamp, asked)
        chunks = stream(self.transaction, self.relation, [self.timestamp], None, self.progress)
        return freshness(self._times(chunks, self.timestamp), as_of)

    def _interactions(self) -> Ordered:
        """The rows up to the time, in their order."""
        where = self.limit.digested if self.limit is not None and self.limit.native else None
        chunks = stream(self.transaction, self.relation, list(self.role_of.values()), where, self.progress)
        if self.timestamp is None:
            return Ordered.by_time(self.relation.title, chunks, self.role_of, None)
        timestamp = self._times(chunks, self.timestamp)
        kept = np.arange(len(timestamp)) if self.as_of is None else np.flatnonzero(timestamp <= self.as_of)
        return Ordered.by_time(self.relation.title, chunks.take(kept), self.role_of, timestamp[kept])

    def _times(self, chunks: Chunks, name: str) -> IntArray:
        if not len(chunks):
            return np.empty(0, np.int64)
        return times(column_of_times(self.relation.title, name, chunks))

    def _refuse_nothing(self) -> NoReturn:
        if self.as_of is not None:
            there = self._freshness(None)
            if there.oldest is not None:
                refuse_all_later(there.rows, there.oldest, self.as_of, self.relation.title)
        raise InputError(self.relation.title, "there are no rows", "at least a few interactions are needed")

    def _digest(self, rows: Ordered | None) -> str:
        """Of the interactions: by the database where it can judge, else of the rows that were read."""
        if self.limit is not None:
            return database_digest(self.transaction, self.relation, list(self.role_of.values()), self.limit.digested)
        assert rows is not None
        return rows.digest

    def _listed(self) -> Iterator[tuple[str, Relation, str]]:
        """The tables of items and users that the spec names: kind, table, and the column of ids."""
        for kind, name in (("item", self.config.items), ("user", self.config.users)):
            if name is not None:
                relation = table_of(name, f"data.{kind}s", self.transaction)
                hint = "; ids have the same name as in the interactions"
                yield kind, relation, relation.require(getattr(self.config.columns, kind), f"data.columns.{kind}", hint)

    def _entities(self, relation: Relation, id_column: str) -> Ordered:
        chunks = stream(self.transaction, relation, relation.header, None, self.progress)
        return Ordered.by_id(relation.title, chunks, id_column)

    def _digest_of_entities(self, relation: Relation, rows: Ordered | None) -> str:
        if self.transaction.is_postgres:
            return database_digest(self.transaction, relation, relation.header, None)
        assert rows is not None
        return rows.digest


def _plain(columns: dict[str, Column]) -> dict[str, Column]:
    """Columns of features with text as such."""
    found = {}
    for name, column in columns.items():
        encoded = pa.types.is_dictionary(column.data.type)
        found[name] = Column(name, column.text() if encoded else column.data, column.origins)
    return found

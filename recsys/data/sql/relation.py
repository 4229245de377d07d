"""A table of a database, or what a query gives: its columns, and the statements that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.sql.expression import FromClause, quoted_name

from recsys.data.config import SqlData, split_table_name
from recsys.data.sql.connection import Transaction
from recsys.data.sql.trouble import FORBIDDEN, NOT_THERE, MissingError
from recsys.data.tables import by_likeness, no_column
from recsys.errors import InputError

Kind = Literal["time", "zoned time", "date", "integer", "other"]
# The types of PostgreSQL whose order in the database is their order in time.
KINDS: dict[int, Kind] = {1114: "time", 1184: "zoned time", 1082: "date", 20: "integer", 21: "integer", 23: "integer"}
# char(n), which PostgreSQL fills with blanks that mean nothing; its own text is without.
PADDED = "1042"
SHOWN = 30

TABLES_OF_POSTGRES = """
    SELECT n.nspname, c.relname, pg_table_is_visible(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY 1, 2
"""
TABLES_OF_SQLITE = """
    SELECT NULL, name, 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY name
"""


@dataclass(frozen=True)
class Relation:
    """Rows with named columns.

    name: as the spec has it, `query` for one. place: the setting that names it. source: what stands behind FROM.
    header: column names. kinds: what the database knows of each column, `other` where it cannot compare times. types:
    as the driver tells them.
    """

    name: str
    place: str
    source: FromClause
    header: tuple[str, ...]
    kinds: dict[str, Kind]
    types: dict[str, str]

    @property
    def title(self) -> str:
        """As messages call it."""
        return "the query" if self.place == "data.query" else f"table {self.name}"

    def has(self, name: str) -> bool:
        return name in self.header

    def require(self, name: str, role: str, hint: str = "") -> str:
        """The name of a column that must be there. role: the setting that names it. hint: what else to say.

        Raises InputError with the columns that are there, the nearest name first.
        """
        if self.has(name):
            return name
        title = self.title if self.place == "data.query" else f"the {self.title}"
        raise no_column(title, name, self.header, role, hint)

    def select(self, names: Sequence[str], where: sa.ColumnElement[bool] | None = None) -> sa.Select:
        """These columns of the rows for which `where` holds."""
        padded = [sa.cast(column(name), sa.Text).label(name) for name in names if self.types[name] == PADDED]
        plain = {label.name: label for label in padded}
        statement = sa.select(*(plain.get(name, column(name)) for name in names)).select_from(self.source)
        return statement if where is None else statement.where(where)


def column(name: str) -> sa.ColumnClause:
    """A column, quoted whatever its name."""
    return sa.column(quoted_name(name, True))


def interactions_of(config: SqlData, transaction: Transaction) -> Relation:
    """What the spec names as interactions. Raises InputError where it is not there or may not be read."""
    if config.query is not None:
        # The line end keeps a comment at the end of the query from swallowing what follows.
        query = sa.text(config.query.replace(":", "\\:") + "\n").columns().subquery("interactions")
        return _relation(transaction, "query", "data.query", query)
    assert config.table is not None
    return table_of(config.table, "data.table", transaction)


def table_of(name: str, place: str, transaction: Transaction) -> Relation:
    """A table by the name that the spec gives it. place: the setting that holds it.

    Raises InputError where it is not there or may not be read.
    """
    return _relation(transaction, name, place, table(name))


def table(name: str) -> sa.TableClause:
    """The table that goes by this name in a spec, quoted."""
    schema, bare = split_table_name(name)
    return sa.table(quoted_name(bare, True), schema=None if schema is None else quoted_name(schema, True))


def _relation(transaction: Transaction, name: str, place: str, source: FromClause) -> Relation:
    transaction.place = place
    try:
        header = transaction.header(sa.select(sa.literal_column("*")).select_from(source).limit(0))
    except MissingError as missing:
        raise _absent(transaction, name, place, missing) from missing
    names = tuple(column for column, _ in header)
    twice = [column for position, column in enumerate(names) if column in names[:position]]
    if twice:
        raise InputError(place, f"two columns are named '{twice[0]}'", "rename one of them: SELECT ... AS name")
    kinds = {column: KINDS.get(code, "other") if transaction.is_postgres else "other" for column, code in header}
    return Relation(name, place, source, names, kinds, {column: str(code) for column, code in header})


def _absent(transaction: Transaction, name: str, place: str, missing: MissingError) -> InputError:
    """What to say of a table that is not there or may not be read, with those that can be."""
    transaction.connection.rollback()
    listed = TABLES_OF_POSTGRES if transaction.is_postgres else TABLES_OF_SQLITE
    rows = [row for chunk in transaction.chunks(sa.text(listed)) for row in chunk]
    there = [_written(bare) if visible else f"{_written(schema)}.{_written(bare)}" for schema, bare, visible in rows]
    known = by_likeness(name, there, SHOWN)
    address = transaction.address
    if place == "data.query":
        return InputError(place, f"{address} refuses it ({missing.message})", f"it has: {known}")
    if missing.state == FORBIDDEN:
        message = f"table {name} of {address} may not be read ({missing.message})"
        return InputError(place, message, f"grant SELECT on it to the user of {address.variable}; it can read: {known}")
    assert missing.state in NOT_THERE
    return InputError(place, f"{address} has no table {name}", f"it has: {known}")


def _written(name: str) -> str:
    """A name as a spec has it."""
    quoted = '"' + name.replace('"', '""') + '"'
    return quoted if "." in name or '"' in name else name

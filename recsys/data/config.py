"""The section `data` of an experiment: one class a source."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, NonNegativeInt, model_validator

from recsys.config import Config, Seed

Duplicates = Literal["error", "first", "last", "sum", "keep"]
MovieLensName = Literal[
    "movielens-100k", "movielens-1m", "movielens-latest-small", "movielens-20m", "movielens-25m", "movielens-32m"
]


class DataOptions(Config):
    """What every source understands.

    duplicates: what to do where one user has one item twice. weight: the confidence implicit models see: 1 for every
    positive (null), its value, or log(1 + value). min_user_count, min_item_count: rows a user and an item must have;
    applied until both hold.
    """

    duplicates: Duplicates = "error"
    weight: Literal["value", "log"] | None = None
    min_user_count: NonNegativeInt = 0
    min_item_count: NonNegativeInt = 0


class SyntheticData(DataOptions):
    """A made world, drawn from a seed; the default size is that of MovieLens-100K."""

    source: Literal["synthetic"] = "synthetic"
    seed: Seed = 0
    users: Annotated[int, Field(ge=2, le=20_000_000)] = 943
    items: Annotated[int, Field(ge=2, le=5_000_000)] = 1682
    interactions: Annotated[int, Field(ge=4, le=100_000_000)] = 100_000


class NotebookData(DataOptions):
    """The small world of the classical notebook, drawn from a seed.

    ratings: of a user. views: of a user's one session.
    """

    source: Literal["notebook"]
    seed: Seed = 42
    users: Annotated[int, Field(ge=2, le=100_000)] = 30
    items: Annotated[int, Field(ge=2, le=100_000)] = 60
    categories: Annotated[int, Field(ge=1, le=1_000)] = 6
    ratings: Annotated[int, Field(ge=2, le=1_000)] = 12
    views: Annotated[int, Field(ge=1, le=1_000)] = 8


class MovieLensData(DataOptions):
    """A MovieLens set: from `path`, else below RECSYS_DATA_DIR, else downloaded once from its official home."""

    source: MovieLensName
    path: str | None = None


class Columns(Config):
    """Which column of the user's files plays which role.

    user and item must be there, and so must every column that is named. A role left out (null) is played by the column
    of its own name, if there is one.
    """

    user: str = "user"
    item: str = "item"
    value: str | None = None
    timestamp: str | None = None
    session: str | None = None
    order: str | None = None


class TableData(DataOptions):
    """The user's own tables: csv, tsv or parquet; a file, folder, glob or fsspec URI."""

    source: Literal["table"]
    interactions: Annotated[str, Field(min_length=1)]
    items: str | None = None
    users: str | None = None
    sessions: str | None = None
    columns: Columns = Columns()


def _table_name(name: str) -> str:
    split_table_name(name)
    return name


def _one_select(query: str) -> str:
    if not re.match(r"\s*(select|with)\b", query, re.IGNORECASE):
        raise ValueError("a query begins with SELECT or WITH")
    if ";" in query:
        raise ValueError("a query is one statement, without ';'")
    return query


def split_table_name(name: str) -> tuple[str | None, str]:
    """Schema (None: that of the connection) and name of a table. Double quotes protect a dot.

    Raises ValueError where it is no such name.

    >>> split_table_name("events"), split_table_name('shop."a.b"')
    ((None, 'events'), ('shop', 'a.b'))
    """
    part = r'"(?:[^"]|"")+"|[^".]+'
    if "\0" in name or not re.fullmatch(rf"(?:(?:{part})\.)?(?:{part})", name):
        raise ValueError(f'{name!r} is no name of a table: TABLE, SCHEMA.TABLE, or "TABLE" where it has a dot')
    names = [found[1:-1].replace('""', '"') if found[0] == '"' else found for found in re.findall(part, name)]
    return (names[0] if len(names) > 1 else None), names[-1]


TableName = Annotated[str, AfterValidator(_table_name)]


class SqlData(DataOptions):
    """A table of a database, or what a query of it gives; PostgreSQL or SQLite.

    The address is no part of a spec: it is RECSYS_SQL_URL in the environment, or RECSYS_SQL_URL_<CONNECTION>. table:
    `events`, `shop.events`, and in double quotes what holds a dot. query: one SELECT in place of it. items, users:
    tables of features, as in TableData.
    """

    source: Literal["sql"]
    connection: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)] | None = None
    table: TableName | None = None
    query: Annotated[str, AfterValidator(_one_select)] | None = None
    items: TableName | None = None
    users: TableName | None = None
    columns: Columns = Columns()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("name the interactions once: a table, or a query")
        return self


class Predefined(Config):
    """The files of a split that is given: same columns as the interactions; their rows are test and validation."""

    test: Annotated[str, Field(min_length=1)]
    validation: str | None = None


DataConfig = Annotated[
    SyntheticData | NotebookData | MovieLensData | TableData | SqlData, Field(discriminator="source")
]
SOURCES: dict[str, type[DataOptions]] = {
    "synthetic": SyntheticData,
    "notebook": NotebookData,
    **dict.fromkeys(get_args(MovieLensName), MovieLensData),
    "table": TableData,
    "sql": SqlData,
}

__all__ = [
    "SOURCES",
    "Columns",
    "DataConfig",
    "DataOptions",
    "Duplicates",
    "MovieLensData",
    "MovieLensName",
    "NotebookData",
    "Predefined",
    "SqlData",
    "SyntheticData",
    "TableData",
    "split_table_name",
]

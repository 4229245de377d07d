"""The section `data` of an experiment: one class a source."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, NonNegativeInt

from recsys.config import Config

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
    seed: NonNegativeInt = 0
    users: Annotated[int, Field(ge=2, le=20_000_000)] = 943
    items: Annotated[int, Field(ge=2, le=5_000_000)] = 1682
    interactions: Annotated[int, Field(ge=4, le=100_000_000)] = 100_000


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


class Predefined(Config):
    """The files of a split that is given: same columns as the interactions; their rows are test and validation."""

    test: Annotated[str, Field(min_length=1)]
    validation: str | None = None


DataConfig = Annotated[SyntheticData | MovieLensData | TableData, Field(discriminator="source")]
SOURCES: dict[str, type[DataOptions]] = {
    "synthetic": SyntheticData,
    **dict.fromkeys(get_args(MovieLensName), MovieLensData),
    "table": TableData,
}

__all__ = [
    "SOURCES",
    "Columns",
    "DataConfig",
    "DataOptions",
    "Duplicates",
    "MovieLensData",
    "MovieLensName",
    "Predefined",
    "SyntheticData",
    "TableData",
]

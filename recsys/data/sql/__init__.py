"""Interactions in a database: PostgreSQL or SQLite, read at one point in time.

    address       where it is             relation   tables, queries, columns      until     rows up to a time
    connection    one transaction         columns    rows to Arrow                 digest    computed by the database
    trouble       what it complains of    ordered    rows put into one order       source    all of it together

Everything of one reading happens in one read-only transaction that sees one state of the database (REPEATABLE READ in
PostgreSQL), the digests too: a writer beside it is seen wholly or not at all. A table has no order of rows, so they are
put into one: by time, then by user, item and value. The rows of items and users come by id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from recsys.data.config import SqlData
from recsys.data.progress import Progress, silent
from recsys.settings import Settings

if TYPE_CHECKING:
    from recsys.data.newest import Freshness
    from recsys.data.raw import Raw
    from recsys.data.sql.source import Source

T = TypeVar("T")


def read(config: SqlData, settings: Settings, as_of: int | None = None, progress: Progress = silent) -> Raw:
    """The tables of `source: sql`, with interactions not later than `as_of`, and their digests as `inputs` has them.

    Raises InputError where the address, a table or a column is missing or forbidden, and for the first value that does
    not fit its role; RunError where the connection is lost three times.
    """
    return _transact(config, settings, lambda source: source.read(), as_of, progress)


def inputs(
    config: SqlData, settings: Settings, as_of: int | None = None, progress: Progress = silent
) -> dict[str, str]:
    """A SHA-256 of what the columns that are read hold, by role and table; of interactions up to `as_of` alone.

    It changes when such a row comes, goes or changes, and with nothing else: not with the order of rows, a column that
    has no role, or a later row. PostgreSQL computes it, unless only the reader can tell which rows are later.

    Raises InputError and RunError as `read` does, but looks at no value except times.
    """
    return _transact(config, settings, lambda source: source.digests(), as_of, progress)


def newest(config: SqlData, settings: Settings, as_of: int | None = None, progress: Progress = silent) -> Freshness:
    """The rows up to `as_of` and their newest time. Raises InputError and RunError as `read` does."""
    return _transact(config, settings, lambda source: source.newest(), as_of, progress)


def _transact(
    config: SqlData, settings: Settings, work: Callable[[Source], T], as_of: int | None, progress: Progress
) -> T:
    from recsys.data.sql.address import find_address
    from recsys.data.sql.connection import transact
    from recsys.data.sql.source import Source
    from recsys.data.table import refuse_roles_of_sessions

    refuse_roles_of_sessions(config.columns)
    address = find_address(settings, config.connection)
    return transact(address, lambda transaction: work(Source(config, transaction, as_of, progress)))


__all__ = ["inputs", "newest", "read"]

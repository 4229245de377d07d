"""One transaction of a database: read-only at one point in time, or one that writes; begun anew when it is lost."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from recsys.data.sql.address import Address
from recsys.data.sql.trouble import LostError, explain
from recsys.errors import InputError, RunError
from recsys.processes import wait_until

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.sql import Executable

log = logging.getLogger(__name__)
T = TypeVar("T")

ATTEMPTS = 3
PAUSE = 0.5  # seconds before the second attempt, doubled for the third
RESTART = 30.0  # seconds that a server which did let us in may take to start anew
CHUNK = 20_000  # rows at once
BUSY = 30.0  # seconds to wait for a SQLite file that somebody writes to
# How times and numbers are written must not depend on the server's settings, for they are digested as text. Parallel
# readers of one large table would begin in the middle of it.
SETTINGS = (
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'iso_8601'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL synchronize_seqscans = off",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)


class Transaction:
    """What goes on between the begin and the end of one transaction. place: the setting that errors are put down to."""

    def __init__(self, connection: Connection, address: Address) -> None:
        self.connection, self.address, self.place = connection, address, "data"

    @property
    def is_postgres(self) -> bool:
        return self.address.is_postgres

    def chunks(self, statement: Executable) -> Iterator[Sequence[Any]]:
        """The rows of a query, some at a time, never all in memory. Raises InputError, RunError and LostError."""
        options = {"stream_results": True, "yield_per": CHUNK}
        with self.explained(), self.connection.execute(statement, execution_options=options) as result:
            yield from result.partitions()

    def first(self, statement: Executable) -> Any:
        """The first row of a query, or None. Raises as `chunks` does."""
        with self.explained():
            return self.connection.execute(statement).first()

    def header(self, statement: Executable) -> tuple[tuple[str, Any], ...]:
        """Names and types of the columns of a query, as the driver tells them. Raises as `chunks` does."""
        with self.explained(), self.connection.execute(statement) as result:
            described = getattr(result.cursor, "description", None) or ()
            return tuple((str(column[0]), column[1]) for column in described)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Put what a driver raises into words."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError) as error:
            raise explain(error, self.address, self.place) from error


def transact(address: Address, work: Callable[[Transaction], T], writes: bool = False) -> T:
    """What `work` makes of one transaction, which is committed after it.

    Unless it writes, it is read-only and sees one state of the database: REPEATABLE READ in PostgreSQL; SQLite holds
    writers back as long as it lasts. Where the connection is lost, all is done again, three times in all, and a server
    that was there is given half a minute to come back.

    Raises InputError where the database is not there or does not let us in, RunError where it is lost for good.
    """
    engine, was_there = _engine(address, writes), False
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with contextlib.closing(_connect(engine, address)) as connection:
                    was_there = True
                    return _done(connection, address, work)
            except LostError as lost:
                if attempt == ATTEMPTS:
                    message = f"the connection to {address} was lost {ATTEMPTS} times ({lost})"
                    raise RunError(address.variable, message, "run again when the database is there") from None
                log.warning(
                    "the connection to %s was lost (%s); attempt %d of %d", address, lost, attempt + 1, ATTEMPTS
                )
            time.sleep(PAUSE * 2 ** (attempt - 1))
            if was_there:
                wait_until(lambda: _lets_in(engine, address), RESTART, every=PAUSE)
    finally:
        engine.dispose()
    raise AssertionError


def _connect(engine: Engine, address: Address) -> Connection:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return engine.connect()
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise explain(error, address, address.variable, connecting=True) from None


def _lets_in(engine: Engine, address: Address) -> bool:
    try:
        _connect(engine, address).close()
    except LostError:
        return False
    return True


def _done(connection: Connection, address: Address, work: Callable[[Transaction], T]) -> T:
    transaction = Transaction(connection, address)
    with transaction.explained():
        for setting in SETTINGS if address.is_postgres else ():
            connection.exec_driver_sql(setting)
    done = work(transaction)
    with transaction.explained():
        connection.commit()
    return done


def _engine(address: Address, writes: bool) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    if not address.is_postgres:
        return _sqlite_engine(address, writes)
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        message = f"PostgreSQL needs the package psycopg, which is not installed ({error})"
        raise InputError(address.variable, message, "install it: pip install 'recsys-experiments[postgres]'") from error
    # A dead server is noticed within a minute; prepared statements would break behind a pool of connections.
    wanted = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    arguments: dict[str, Any] = {name: value for name, value in wanted.items() if name not in address.url.query}
    arguments |= {"application_name": "recsys", "prepare_threshold": None}
    engine = create_engine(address.url, poolclass=NullPool, connect_args=arguments)
    if writes:
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _sqlite_engine(address: Address, writes: bool) -> Engine:
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    path = address.file.absolute()
    if not writes and not path.exists():
        raise InputError(address.variable, f"there is no file {address.file}", f"looked in {path.parent}")
    mode = "rwc" if writes else "ro"

    def connect() -> sqlite3.Connection:
        # No implicit transactions: the driver would begin none before a SELECT.
        return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", BUSY, isolation_level=None, uri=True)

    engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine

"""Where simulated traffic goes: a folder with a file a day, or a table of a database."""

from __future__ import annotations

import datetime as dt
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.sql.expression import quoted_name

from recsys.data.config import DataConfig, SqlData, TableData, split_table_name
from recsys.data.files import is_table
from recsys.data.sql.address import Address, find_address
from recsys.data.sql.connection import Transaction, transact
from recsys.errors import InputError, not_written
from recsys.settings import Settings, user_path

Form = Literal["parquet", "csv"]
# Two that write at once wait for each other by this number, which means nothing else.
LOCK = 0x5B0C0D5E5C2F6F11


class Target(Protocol):
    """Something that grows by days."""

    def days(self) -> set[dt.date]:
        """The days that are there."""
        ...

    def append(self, day: dt.date, rows: pa.Table) -> bool:
        """Add a day, wholly or not at all; False where it is there already."""
        ...

    def feeds(self, source: DataConfig) -> bool:
        """Whether a source reads what is added here."""
        ...


def target_of(uri: str, settings: Settings, form: Form = "parquet") -> Target:
    """A folder's path, or `sql:TABLE` for a table at RECSYS_SQL_URL, `sql+NAME:TABLE` at RECSYS_SQL_URL_NAME.

    Raises InputError where it is neither, or the address is missing.
    """
    database = re.fullmatch(r"sql(?:\+([A-Za-z][A-Za-z0-9_]*))?:(?!//)(.+)", uri)
    if database:
        try:
            split_table_name(database[2])
        except ValueError as error:
            raise InputError("into", str(error)) from None
        return TableTarget(find_address(settings, database[1]), database[2], database[1])
    if "://" in uri and not uri.startswith("file://"):
        raise InputError("into", f"{uri} is no folder and no table", "write a folder, or sql:TABLE")
    if re.match(r"sql(\+\w*)?:", uri):
        raise InputError("into", f"{uri} names no table", "write sql:TABLE, or sql+NAME:TABLE")
    return FolderTarget(user_path(uri.removeprefix("file://"), "into"), form)


class FolderTarget:
    """A folder of files named by the day their rows arrived: 2024-01-31.parquet."""

    def __init__(self, folder: Path, form: Form = "parquet") -> None:
        self.folder, self.form = folder, form

    def feeds(self, source: DataConfig) -> bool:
        if not isinstance(source, TableData) or "://" in source.interactions.removeprefix("file://"):
            return False
        own, read = self.folder.absolute(), Path(source.interactions.removeprefix("file://")).expanduser().absolute()
        return own == read or own in read.parents or read in own.parents

    def days(self) -> set[dt.date]:
        """The days that are there. Raises InputError where the folder holds a table that is none, or one of another
        form: no spec could read both."""
        files = sorted(self.folder.iterdir()) if self.folder.is_dir() else ()
        for file in files:
            if is_table(file.name) and _day_of(file) is None:
                message = f"the folder {self.folder} holds {file.name}, which is no day of traffic"
                raise InputError("into", message, "name a folder that holds nothing else")
            if _day_of(file) is not None and file.suffix != f".{self.form}":
                message = f"the folder {self.folder} holds {file.name}, and days are to come as {self.form}"
                raise InputError("into", message, f"name another folder, or --form {file.suffix[1:]}")
        return {day for file in files if (day := _day_of(file)) is not None}

    def append(self, day: dt.date, rows: pa.Table) -> bool:
        """Write the file under a hidden name, which no reader of a folder looks at, and rename it.

        Raises InputError where the folder may not be written, RunError where the disk is full.
        """
        with self._locked():
            if day in self.days():
                return False
            temporary = self.folder / f".{day}.{uuid.uuid4().hex[:8]}.tmp"
            try:
                with temporary.open("wb") as file:
                    pq.write_table(rows, file) if self.form == "parquet" else pacsv.write_csv(rows, file)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.rename(self.folder / f"{day}.{self.form}")
            finally:
                temporary.unlink(missing_ok=True)
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".traffic.lock"):
                yield
        except OSError as error:
            raise not_written(error, self.folder) or error from error


class TableTarget:
    """A table with columns user, item, value, timestamp, and arrived, the day on which a row came."""

    def __init__(self, address: Address, name: str, connection: str | None = None) -> None:
        self.address, self.name, self.connection = address, name, connection

    def feeds(self, source: DataConfig) -> bool:
        if not isinstance(source, SqlData) or source.table is None or source.connection != self.connection:
            return False
        return split_table_name(source.table) == split_table_name(self.name)

    def days(self) -> set[dt.date]:
        if not self.address.is_postgres and not self.address.file.exists():
            return set()

        def found(transaction: Transaction) -> set[dt.date]:
            transaction.place = "into"
            schema, bare = split_table_name(self.name)
            with transaction.explained():
                inspector = sa.inspect(transaction.connection)
                if not inspector.has_table(bare, schema):
                    return set()
                names = [column["name"] for column in inspector.get_columns(bare, schema)]
            if "arrived" not in names:
                message = f"table {self.name} of {self.address} is there already, without a column 'arrived'"
                raise InputError("into", message, "name a table that holds nothing else")
            return {
                row[0] for chunk in transaction.chunks(sa.select(self._table().c.arrived).distinct()) for row in chunk
            }

        return transact(self.address, found)

    def append(self, day: dt.date, rows: pa.Table) -> bool:
        """Insert a day's rows in one transaction; a table that is not there is made.

        Raises InputError where the table is of other columns or may not be written, RunError where the connection is
        lost three times.
        """
        return transact(self.address, lambda transaction: self._append(transaction, day, rows), writes=True)

    def _append(self, transaction: Transaction, day: dt.date, rows: pa.Table) -> bool:
        transaction.place = "into"
        table, connection = self._table(rows.schema), transaction.connection
        with transaction.explained():
            if transaction.is_postgres:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            table.create(connection, checkfirst=True)
            there = sa.select(sa.literal(1)).where(table.c.arrived == day).limit(1)
            if connection.execute(there).first() is not None:
                return False
            connection.execute(sa.insert(table), [{**row, "arrived": day} for row in rows.to_pylist()])
        return True

    def _table(self, like: pa.Schema | None = None) -> sa.Table:
        schema, bare = split_table_name(self.name)
        columns = [sa.Column(field.name, _type(field.type), nullable=False) for field in like or ()]
        return sa.Table(
            quoted_name(bare, True),
            sa.MetaData(),
            *columns,
            sa.Column("arrived", sa.Date, nullable=False, index=like is not None),
            schema=None if schema is None else quoted_name(schema, True),
        )


def _day_of(file: Path) -> dt.date | None:
    try:
        return dt.date.fromisoformat(file.stem) if file.suffix in (".parquet", ".csv") else None
    except ValueError:
        return None


def _type(kind: pa.DataType) -> sa.types.TypeEngine:
    if pa.types.is_timestamp(kind):
        return sa.DateTime(timezone=True)
    if pa.types.is_integer(kind):
        return sa.BigInteger()
    return sa.Double() if pa.types.is_floating(kind) else sa.Text()

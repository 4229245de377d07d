"""A table of published lists in a database: all rows are replaced in one transaction."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.sql.expression import quoted_name

from recsys.data.config import split_table_name
from recsys.data.sql.address import Address
from recsys.data.sql.connection import Transaction, transact
from recsys.data.sql.trouble import LostError, explain
from recsys.errors import InputError, not_written
from recsys.serving.publish_folder import write_rows
from recsys.serving.publish_lists import UserLists

# Publications to one database wait for each other by this number, which means nothing else.
LOCK = 0x7EC0115
# The schemas of SQLite and PostgreSQL whose tables live as long as the connection.
TEMPORARY = ("temp", "pg_temp")


class TableTarget:
    """A table with columns user, item, rank, score, version, time; made where it is missing.

    The fallback list is in it too, with user NULL. In PostgreSQL readers go on reading the rows before until the new
    ones are committed, and rights, views and indexes stay: rows are deleted and inserted, not the table replaced.
    """

    def __init__(self, address: Address, name: str, work: Path) -> None:
        self.address, self.name, self._work = address, name, work

    def __str__(self) -> str:
        return f"table {self.name} of {self.address}"

    def check(self, lists: UserLists) -> None:
        """Raises InputError where the database does not let us in, or the table is not one of published lists."""
        folder = self.address.file.absolute().parent
        if not self.address.is_postgres and not folder.is_dir():
            raise InputError(self.address.variable, f"there is no folder {folder} for {self.address}", "make it")
        if self.address.is_postgres or self.address.file.exists():
            transact(self.address, lambda transaction: self._check(transaction, lists.schema))

    def put(self, lists: UserLists) -> int:
        """Make the lists, and then replace the rows of the table by them in one transaction; the number of rows.

        Between the two they lie in a file without a name, so that the transaction is short, can be done again where
        the connection is lost, and a kill leaves nothing.
        """
        with self._file() as file:
            rows = write_rows(file, lists.schema, lists.tables())
            fallback = lists.fallback()

            def batches() -> Iterator[pa.RecordBatch]:
                file.seek(0)
                yield from pq.ParquetFile(file).iter_batches()
                yield from fallback.to_batches()

            transact(self.address, lambda transaction: self._replace(transaction, lists.schema, batches()), writes=True)
        return rows + len(fallback)

    def _check(self, transaction: Transaction, schema: pa.Schema) -> bool:
        """Whether the table is there."""
        transaction.place = "--to"
        space, bare = split_table_name(self.name)
        if space is not None and space.lower() in TEMPORARY:
            raise InputError("--to", f"{self} would be gone with the connection", f"leave '{space}.' out")
        with transaction.explained():
            inspector = sa.inspect(transaction.connection)
            if not inspector.has_table(bare, space):
                return False
            there = {column["name"]: column["type"] for column in inspector.get_columns(bare, space)}
        remedy = "name another table, or drop this one"
        if there.keys() != set(schema.names):
            message = f"{self} holds something else ({', '.join(list(there)[:10])})"
            raise InputError("--to", message, "name a table that is not there yet")
        for field in schema:
            integers = pa.types.is_integer(field.type)
            if field.name in ("user", "item") and isinstance(there[field.name], sa.Integer) != integers:
                ids = "integers" if integers else "texts"
                message = f"column {field.name} of {self} is {there[field.name]}, and the ids of the model are {ids}"
                raise InputError("--to", message, remedy)
        return True

    def _replace(self, transaction: Transaction, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        transaction.place = "--to"
        connection, table = transaction.connection, self._table(schema)
        with transaction.explained():
            if transaction.is_postgres:
                # Two that replaced the rows at once would both delete the former set, and both add theirs.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        if self._check(transaction, schema):
            with transaction.explained():
                connection.execute(sa.delete(table))
        else:
            with transaction.explained():
                table.create(connection)
        insert = self._copy if transaction.is_postgres else self._insert
        insert(transaction, table, batches)

    def _copy(self, transaction: Transaction, table: sa.Table, batches: Iterator[pa.RecordBatch]) -> None:
        """PostgreSQL's COPY, which is ten times as fast as INSERT."""
        import psycopg

        prepare = transaction.connection.dialect.identifier_preparer
        columns = ", ".join(prepare.quote(column.name) for column in table.columns)
        statement = f"COPY {prepare.format_table(table)} ({columns}) FROM STDIN (FORMAT csv)"
        options = pacsv.WriteOptions(include_header=False)
        driver: Any = transaction.connection.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                for batch in batches:
                    text = io.BytesIO()
                    pacsv.write_csv(batch, text, options)
                    copy.write(text.getvalue())
        except psycopg.Error as error:
            if driver.broken:
                transaction.connection.invalidate()  # else SQLAlchemy asks it to roll back
                raise LostError(self.address.clean(error)) from error
            raise explain(error, self.address, transaction.place) from error

    def _insert(self, transaction: Transaction, table: sa.Table, batches: Iterator[pa.RecordBatch]) -> None:
        """Row by row, by the driver itself; times as text, in UTC."""
        statement = str(sa.insert(table).compile(transaction.connection))
        for batch in batches:
            columns = [column.to_pylist() for column in batch.columns[:-1]]
            if len(batch):
                time = batch.column(batch.num_columns - 1)[0].as_py().isoformat(sep=" ")
                rows = list(zip(*columns, [time] * len(batch), strict=True))
                with transaction.explained():
                    transaction.connection.exec_driver_sql(statement, rows)

    def _table(self, schema: pa.Schema) -> sa.Table:
        space, bare = split_table_name(self.name)
        columns = [
            sa.Column(field.name, _type(field.type), nullable=field.name == "user", index=field.name == "user")
            for field in schema
        ]
        name = None if space is None else quoted_name(space, True)
        return sa.Table(quoted_name(bare, True), sa.MetaData(), *columns, schema=name)

    @contextmanager
    def _file(self) -> Iterator[IO[bytes]]:
        try:
            self._work.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._work) as file:
                yield file
        except OSError as error:
            raise not_written(error, self._work) or error from error


def _type(kind: pa.DataType) -> sa.types.TypeEngine:
    if pa.types.is_timestamp(kind):
        return sa.DateTime(timezone=True)
    if pa.types.is_integer(kind):
        return sa.BigInteger() if kind == pa.int64() else sa.Integer()
    return sa.REAL() if pa.types.is_floating(kind) else sa.Text()

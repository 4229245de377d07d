"""Databases of the tests' own: a PostgreSQL server on a free loopback port, gone with the session; files of SQLite."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from installed import postgres

PASSWORD = "Canary-p@ss/w:rd"
STARTING = 30.0
QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "jit=off")


@dataclass(frozen=True)
class Cluster:
    """A running server. Its user is `owner`; `reader` may read what is granted to it; both have PASSWORD."""

    port: int

    def url(self, database: str, user: str = "owner", password: str = PASSWORD) -> str:
        """The address of a database, as RECSYS_SQL_URL has it."""
        escaped = password.replace("%", "%25").replace("@", "%40").replace("/", "%2F").replace(":", "%3A")
        return f"postgresql://{user}:{escaped}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str, user: str = "owner") -> psycopg.Connection[Any]:
        """A connection of its own, each statement a transaction."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=user, password=PASSWORD, autocommit=True
        )

    def empty(self, database: str = "test") -> str:
        """A database of this name without anything in it."""
        with self.connect("postgres") as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {database}")  # type: ignore[arg-type]
            connection.execute(f"ALTER DATABASE {database} RESET ALL")  # type: ignore[arg-type]
        with self.connect(database) as connection:
            found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
            for (schema,) in found.fetchall():
                connection.execute(f'DROP SCHEMA "{schema}" CASCADE')  # type: ignore[arg-type]
            connection.execute("CREATE SCHEMA public")
            connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        return database


def programs() -> Path:
    """The folder of PostgreSQL's programs. Raises LookupError where there are none."""
    found = postgres()
    if found is None:
        raise LookupError("no PostgreSQL server is installed")
    return found


@contextlib.contextmanager
def running(programs: Path) -> Iterator[Cluster]:
    """A server from the folder of PostgreSQL's programs; as user postgres where we are root, which it refuses."""
    folder = Path(tempfile.mkdtemp(prefix="recsys-postgres-", dir="/tmp"))
    other: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        other = {"user": "postgres", "group": "postgres", "extra_groups": []}
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        create = [programs / "initdb", "-D", folder / "data", "-U", "owner", "--pwfile", secret, "-A", "scram-sha-256"]
        options = ["-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*create, *options], check=True, stdout=subprocess.DEVNULL, cwd=folder, **other)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", f"port={port}", *QUICK]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [
                    programs / "postgres",
                    "-D",
                    folder / "data",
                    *(part for option in options for part in ("-c", option)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                **other,
            )
        try:
            cluster = Cluster(port)
            _wait(cluster, server, folder / "log")
            yield cluster
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            server.wait(timeout=STARTING)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(cluster: Cluster, server: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + STARTING
    while True:
        try:
            with cluster.connect("postgres") as connection:
                connection.execute("CREATE ROLE reader LOGIN PASSWORD '" + PASSWORD + "'")  # type: ignore[arg-type]
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.05)


@dataclass(frozen=True)
class Database:
    """name: of the file, or of the database in the cluster."""

    name: str
    cluster: Cluster | None = None

    @property
    def url(self) -> str:
        return self.cluster.url(self.name) if self.cluster else f"sqlite:///{self.name}"

    @property
    def place(self) -> str:
        """The address as messages show it."""
        return f"postgresql://127.0.0.1:{self.cluster.port}/{self.name}" if self.cluster else self.url

    def run(self, statement: str, rows: Sequence[Sequence[Any]] | None = None) -> None:
        """One statement, or one for each row; question marks stand for values."""
        if self.cluster is None:
            with sqlite3.connect(self.name) as connection:
                for row in [()] if rows is None else rows:
                    connection.execute(statement, row)
            connection.close()
            return
        bound = statement.replace("%", "%%").replace("?", "%s")
        with self.cluster.connect(self.name) as session, session.transaction():
            if rows is None:
                session.execute(statement)  # type: ignore[arg-type]
            else:
                session.cursor().executemany(bound, rows)  # type: ignore[arg-type]

    def table(self, columns: str, rows: Sequence[Sequence[Any]], name: str = "events") -> None:
        """A table and its rows."""
        self.run(f"CREATE TABLE {name} ({columns})")
        self.insert(rows, name)

    def insert(self, rows: Sequence[Sequence[Any]], name: str = "events") -> None:
        if rows:
            self.run(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server; only for tests marked `postgres`."""
    with running(programs()) as server:
        yield server

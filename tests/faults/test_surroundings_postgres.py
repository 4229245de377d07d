"""PostgreSQL starts anew while it is read, and while lists are published: all rows or those of before."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, Database, programs, running

from recsys.data.config import SqlData
from recsys.data.load import load
from recsys.data.sql import connection as connections
from recsys.data.sql.address import find_address
from recsys.errors import RunError
from recsys.settings import Settings

pytestmark = pytest.mark.postgres
ROWS = 200


class Own:
    """A server of the test's own, which may be stopped and started."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        with cluster.connect("postgres") as connection:
            found = connection.execute("SHOW data_directory").fetchone()
        assert found is not None
        self.folder = Path(found[0])

    def control(self, *words: str) -> None:
        other: dict[str, Any] = {}
        if os.geteuid() == 0:
            other = {"user": "postgres", "group": "postgres", "extra_groups": []}
        command = [str(programs() / "pg_ctl"), "-D", str(self.folder), "-w", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **other)

    def stop(self) -> None:
        self.control("stop", "-m", "fast")

    def start(self) -> None:
        options = (self.folder / "postmaster.opts").read_text().split(maxsplit=1)[1]
        self.control("start", "-l", str(self.folder / "again.log"), "-o", options.replace('"', ""))


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    with running(programs()) as cluster:
        server = Own(cluster)
        yield server
        server.stop()


@pytest.fixture
def database(own: Own, monkeypatch: pytest.MonkeyPatch) -> Database:
    found = Database(own.cluster.empty(), own.cluster)
    found.table('"user" int, item int, timestamp int', [(row, row, row) for row in range(ROWS)])
    monkeypatch.setenv("RECSYS_SQL_URL", found.url)
    monkeypatch.setattr(connections, "CHUNK", 50)
    monkeypatch.setattr(connections, "PAUSE", 0.05)
    return found


def read(own: Own, when: int, back: bool) -> int:
    """How many rows are read where the server stops at a chunk, and comes back or not."""
    chunks = iter(range(1000))
    starting: list[threading.Thread] = []

    def progress(what: str, done: int, total: int | None) -> None:
        if next(chunks) == when:
            own.stop()
            if back:
                starting.append(threading.Thread(target=own.start))
                starting[0].start()

    try:
        return len(load(SqlData(source="sql", table="events"), None, Settings(), progress))
    finally:
        for thread in starting:
            thread.join()


def test_in_mid_read_it_is_read_anew(own: Own, database: Database) -> None:
    """Longer away than the three attempts take: it is waited for, since it was there."""
    assert read(own, 1, back=True) == ROWS


def test_in_mid_read_and_it_does_not_come_back(own: Own, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "RESTART", 0.3)
    try:
        with pytest.raises(RunError, match=r"was lost 3 times \(.*\); run again when the database is there"):
            read(own, 1, back=False)
    finally:
        own.start()


@pytest.mark.parametrize("back", [True, False])
def test_in_mid_publication(own: Own, database: Database, monkeypatch: pytest.MonkeyPatch, back: bool) -> None:
    """The rows of before, or with the server back the new ones; never both, never a part."""
    monkeypatch.setattr(connections, "RESTART", 30.0 if back else 0.3)
    database.table("version text", [("old",)] * 3, "lists")
    stops = [own.stop]

    def replace(transaction: Any) -> None:
        transaction.connection.exec_driver_sql("DELETE FROM lists")
        transaction.connection.exec_driver_sql("INSERT INTO lists VALUES ('new'), ('new')")
        while stops:
            stops.pop()()
            if back:
                threading.Thread(target=own.start).start()
        with transaction.explained():
            transaction.connection.exec_driver_sql("INSERT INTO lists VALUES ('new')")

    address = find_address(Settings(), None)
    if back:
        connections.transact(address, replace, writes=True)
    else:
        with pytest.raises(RunError, match="run again when the database is there"):
            connections.transact(address, replace, writes=True)
        own.start()
    with own.cluster.connect(database.name) as connection:
        found = connection.execute("SELECT version, count(*) FROM lists GROUP BY version").fetchall()
    assert found == [("new" if back else "old", 3)]

"""PostgreSQL starts anew while it is read, and while lists are published: all rows or those of before."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from cluster import Cluster, Database, programs, running
from kitchen import bundle_of

from recsys.data.config import SqlData
from recsys.data.load import load
from recsys.data.sql import connection as connections
from recsys.errors import RunError
from recsys.serving.bundle import open_bundle
from recsys.serving.publish import publish
from recsys.serving.publish_table import TableTarget
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

    def stop(self, how: str = "fast") -> None:
        self.control("stop", "-m", how)

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


class Reader:
    """Counts the published rows of each version again and again, as long as the block; what it saw, while it could."""

    def __init__(self, database: Database) -> None:
        self.database, self.seen = database, set[tuple[tuple[str, int], ...]]()
        self._done, self._thread = threading.Event(), threading.Thread(target=self._follow)

    def count(self) -> list[tuple[str, int]]:
        assert self.database.cluster is not None
        with self.database.cluster.connect(self.database.name) as connection:
            return connection.execute("SELECT version, count(*) FROM recs GROUP BY version").fetchall()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        self._done.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._done.is_set():
            with contextlib.suppress(psycopg.Error):
                self.seen.add(tuple(self.count()))


@pytest.mark.parametrize(
    ("moment", "how", "back"), [("rows", "fast", True), ("commit", "immediate", True), ("rows", "immediate", False)]
)
def test_in_mid_publication(
    own: Own,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    how: str,
    back: bool,
) -> None:
    """The rows of before, or with the server back the new ones; never both, never a part, whoever reads meanwhile.

    moment: after the first new rows, or after all of them. how: with a word to us, or as in a crash.
    """
    monkeypatch.setattr(connections, "RESTART", 30.0 if back else 0.3)
    bundle = open_bundle(bundle_of(tmp_path, "popularity"))
    rows = publish(bundle, "old", "sql:recs", Settings(), 5).rows
    reader, real, starting, stops = Reader(database), TableTarget._copy, list[threading.Thread](), [how]

    def stop() -> None:
        while stops:
            own.stop(stops.pop())
            if back:
                starting.append(threading.Thread(target=own.start))
                starting[0].start()

    def copied(self: TableTarget, transaction: Any, table: Any, batches: Any) -> None:
        def cut() -> Iterator[Any]:
            yield next(batches)
            if moment == "rows":
                stop()
            yield from batches

        real(self, transaction, table, cut())
        stop()

    monkeypatch.setattr(TableTarget, "_copy", copied)
    with reader:
        if back:
            publish(bundle, "new", "sql:recs", Settings(), 5)
        else:
            with pytest.raises(RunError, match="run again when the database is there"):
                publish(bundle, "new", "sql:recs", Settings(), 5)
            own.start()
            assert reader.count() == [("old", rows)]
            publish(bundle, "new", "sql:recs", Settings(), 5)
    for thread in starting:
        thread.join()
    assert reader.count() == [("new", rows)]
    assert reader.seen <= {(("old", rows),), (("new", rows),)}
    assert (("old", rows),) in reader.seen

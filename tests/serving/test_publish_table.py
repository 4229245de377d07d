"""A table of published lists is replaced in one transaction, in SQLite and in PostgreSQL."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from kitchen import bundle_of
from made import entities

from recsys.data.sql import connection as connections
from recsys.errors import InputError, RunError
from recsys.processes import wait_until
from recsys.serving import publish_table
from recsys.serving.answers import for_nobody, for_user
from recsys.serving.bundle import open_bundle
from recsys.serving.publish import publish
from recsys.settings import Settings

POSTGRES = [pytest.mark.postgres, pytest.mark.xdist_group("postgres")]
ROWS = 605
NOON = datetime(2026, 1, 31, 13, 30, tzinfo=timezone(timedelta(hours=1)))


def put(bundle, version="1", to="sql:recs", **more):
    return publish(bundle, version, to, Settings(), 5, **more)


def rows(database, question="SELECT * FROM recs", user=None) -> list[Any]:
    if database.cluster is None:
        import sqlite3

        with sqlite3.connect(f"file:{database.name}?mode=ro", uri=True) as connection:
            found = connection.execute(question).fetchall()
        connection.close()
        return found
    with database.cluster.connect(database.name, *([user] if user else [])) as connection:
        return connection.execute(question).fetchall()


def versions(database):
    return rows(database, "SELECT version, count(*) FROM recs GROUP BY version")


def test_as_a_reader_finds_it(bundle, database):
    done = put(bundle, time=NOON)
    place = database.place if database.cluster else f"sqlite:///{database.name}"
    assert (done.users, done.rows, done.where) == (120, ROWS, f"table recs of {place}")
    known, unknown = [
        rows(database, f'SELECT item, rank, score, version, time FROM recs WHERE "user" {which} ORDER BY rank')
        for which in ("= 1007", "IS NULL")
    ]
    for found, answer in ((known, for_user(bundle, 7, 5)), (unknown, for_nobody(bundle, 5))):
        assert [row[0] for row in found] == bundle.items.ids[answer.items].tolist()
        assert [row[1] for row in found] == [1, 2, 3, 4, 5]
        assert [row[2] for row in found] == pytest.approx(answer.scores.tolist(), rel=1e-6)
        assert {row[3] for row in found} == {"1"}
        time = found[0][4]
        assert (datetime.fromisoformat(time) if isinstance(time, str) else time) == NOON


def test_as_the_documentation_asks(bundle, database):
    put(bundle, to="sql:recommendations")
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    [question] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    for user, answer in ((1007, for_user(bundle, 7, 5)), (196, for_nobody(bundle, 5))):
        found = [item for (item,) in rows(database, question.replace("196", str(user)))]
        assert found == bundle.items.ids[answer.items].tolist()


def test_replaced_as_a_whole_and_the_same_again(bundle, database):
    for version in ("1", "2", "2"):
        put(bundle, version)
        assert versions(database) == [(version, ROWS)]


@pytest.mark.parametrize("database", [pytest.param("postgres", marks=POSTGRES)], indirect=True)
def test_rights_views_and_indexes_stay(bundle, database):
    put(bundle)
    database.run("GRANT SELECT ON recs TO reader")
    database.run('CREATE VIEW best AS SELECT "user", item FROM recs WHERE rank = 1')
    database.run("CREATE INDEX mine ON recs (item)")
    put(bundle, "2")
    assert rows(database, "SELECT count(*) FROM recs", user="reader") == [(ROWS,)]
    assert rows(database, "SELECT count(*) FROM best") == [(121,)]
    names = {name for (name,) in rows(database, "SELECT indexname FROM pg_indexes WHERE tablename = 'recs'")}
    assert names == {"mine", "ix_recs_user"}


@pytest.mark.parametrize("database", [pytest.param("postgres", marks=POSTGRES)], indirect=True)
def test_a_table_in_a_schema_and_a_name_to_be_quoted(bundle, database):
    database.run('CREATE SCHEMA "my shop"')
    put(bundle, to='sql:"my shop"."the Recs"')
    assert rows(database, 'SELECT count(*) FROM "my shop"."the Recs"') == [(ROWS,)]
    with pytest.raises(InputError, match="nowhere"):
        put(bundle, to="sql:nowhere.recs")


def test_ids_that_need_care(bundle, database, tmp_path, monkeypatch):
    """Ids are data: nothing of them is read as SQL, as CSV or as nothing."""
    odd = ['"', "'); DROP TABLE recs; --", "", "NULL", "\\.", "\\N", "a,b", "a\nb", "a\r\nb", "ä😀", " x ", "{1}", "\t"]
    folder = bundle_of(tmp_path, "popularity", strings=True)
    strange = open_bundle(folder)
    ids = sorted(odd + [f"u{n:03}" for n in range(120 - len(odd))])
    strange.model.users = entities(ids)
    put(strange)
    found = {user for (user,) in rows(database, 'SELECT DISTINCT "user" FROM recs WHERE "user" IS NOT NULL')}
    assert found == set(ids)
    assert rows(database, 'SELECT count(*) FROM recs WHERE "user" IS NULL') == [(5,)]


@pytest.mark.parametrize(
    "columns",
    [
        "name TEXT, age INTEGER",
        '"user" BIGINT, item BIGINT, rank INTEGER, score REAL, version TEXT, time TEXT, mine TEXT',
    ],
)
def test_no_table_of_somebody_else(bundle, database, columns):
    database.run(f"CREATE TABLE recs ({columns})")
    database.run("INSERT INTO recs DEFAULT VALUES")
    with pytest.raises(InputError, match="holds something else"):
        put(bundle)
    assert rows(database, "SELECT count(*) FROM recs") == [(1,)]


def test_ids_of_another_kind(bundle, database, tmp_path):
    put(bundle)
    texts = open_bundle(bundle_of(tmp_path, "popularity", strings=True))
    with pytest.raises(InputError, match=r"column user of table recs .* is BIGINT, and the ids of the model are texts"):
        put(texts, "2")
    assert versions(database) == [("1", ROWS)]


def test_refused_before_the_lists_are_made(bundle, database, monkeypatch):
    def never(*_):
        raise AssertionError

    monkeypatch.setattr(publish_table, "write_rows", never)
    database.run("CREATE TABLE recs (name TEXT)")
    with pytest.raises(InputError):
        put(bundle)


def test_no_folder_for_the_file(bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_SQL_URL", f"sqlite:///{tmp_path}/nowhere/shop.db")
    with pytest.raises(InputError, match="there is no folder"):
        put(bundle)


@pytest.mark.parametrize("schema", ["temp", "TEMP", "pg_temp"])
def test_no_table_that_ends_with_the_connection(bundle, tmp_path, monkeypatch, schema):
    monkeypatch.setenv("RECSYS_SQL_URL", f"sqlite:///{tmp_path}/shop.db")
    with pytest.raises(InputError, match=f"would be gone with the connection; leave '{schema}.' out"):
        put(bundle, to=f"sql:{schema}.recs")


def test_a_failure_leaves_the_rows_before(bundle, database, monkeypatch):
    put(bundle)
    failing(monkeypatch, RuntimeError("in the middle"))
    with pytest.raises(RuntimeError, match="in the middle"):
        put(bundle, "2")
    assert versions(database) == [("1", ROWS)]
    monkeypatch.undo()
    monkeypatch.setenv("RECSYS_SQL_URL", database.url)


def failing(monkeypatch, error, times=1):
    """Let the transaction fail after its first rows, so many times."""
    left = [times]
    for name in ("_insert", "_copy"):
        real = getattr(publish_table.TableTarget, name)

        def broken(self, transaction, table, batches, real=real):
            def cut():
                yield next(batches)
                if left[0]:
                    left[0] -= 1
                    raise error
                yield from batches

            real(self, transaction, table, cut())

        monkeypatch.setattr(publish_table.TableTarget, name, broken)


def test_done_again_where_the_connection_is_lost(bundle, database, monkeypatch):
    monkeypatch.setattr(connections, "PAUSE", 0.01)
    put(bundle)
    failing(monkeypatch, publish_table.LostError("gone"), times=2)
    put(bundle, "2")
    assert versions(database) == [("2", ROWS)]
    failing(monkeypatch, publish_table.LostError("gone"), times=9)
    with pytest.raises(RunError, match="was lost 3 times"):
        put(bundle, "3")
    assert versions(database) == [("2", ROWS)]


@pytest.mark.parametrize("database", [pytest.param("postgres", marks=POSTGRES)], indirect=True)
def test_a_server_that_ends_our_session_in_the_middle(bundle, database, monkeypatch):
    monkeypatch.setattr(connections, "PAUSE", 0.01)
    put(bundle)
    kills, real = [3], publish_table.TableTarget._copy

    def cut(self, transaction, table, batches):
        def ended():
            yield next(batches)
            if kills[0]:
                kills[0] -= 1
                question = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'recsys'"
                rows(database, question)
            yield from batches

        real(self, transaction, table, ended())

    monkeypatch.setattr(publish_table.TableTarget, "_copy", cut)
    with pytest.raises(RunError, match="was lost 3 times"):
        put(bundle, "2")
    assert versions(database) == [("1", ROWS)]
    kills[0] = 2
    put(bundle, "2")
    assert versions(database) == [("2", ROWS)]


@pytest.mark.parametrize("database", [pytest.param("postgres", marks=POSTGRES)], indirect=True)
def test_without_the_right_to_write(bundle, database, monkeypatch):
    put(bundle)
    database.run("GRANT SELECT ON recs TO reader")
    monkeypatch.setenv("RECSYS_SQL_URL", database.cluster.url(database.name, "reader"))
    with pytest.raises(InputError, match="permission denied"):
        put(bundle, "2")
    assert versions(database) == [("1", ROWS)]


def test_readers_see_one_set_or_the_other(bundle, database):
    if database.cluster is None:
        database.run("PRAGMA journal_mode=WAL")  # else readers wait for the writer
    put(bundle, "0")
    done, seen, failed = threading.Event(), set(), []

    def follow():
        try:
            while not done.is_set():
                found = versions(database)
                assert len(found) == 1, found
                assert found[0][1] == ROWS, found
                seen.add(found[0][0])
        except Exception as error:
            failed.append(error)

    reader = threading.Thread(target=follow)
    reader.start()
    for version in range(1, 15):
        put(bundle, str(version))
        wait_until(lambda version=version: str(version) in seen or failed, 10)
    done.set()
    reader.join()
    assert not failed
    assert len(seen) == 15


def test_two_at_once(bundle, database):
    failed = []

    def one(version):
        try:
            put(bundle, version)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(str(n),)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    [(version, n)] = versions(database)
    assert (n, version in "01234") == (ROWS, True)


KILLED = """
import os, signal, sys
from pathlib import Path
from recsys.data.sql.connection import transact
from recsys.serving import publish_table
from recsys.serving.answers import for_nobody, for_user
from recsys.serving.bundle import open_bundle
from recsys.serving.publish import publish
from recsys.settings import Settings

def end(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def cut(real, point):
    def call(self, transaction, table, batches):
        def first():
            yield next(batches)
            if point == "rows":
                end()
            yield from batches
        real(self, transaction, table, first())
        if point == "commit":
            end()
    return call

bundle = open_bundle(Path(sys.argv[1]))
for point in "lists", "rows", "commit":
    child = os.fork()
    if child == 0:
        for name in "_insert", "_copy":
            setattr(publish_table.TableTarget, name, cut(getattr(publish_table.TableTarget, name), point))
        if point == "lists":
            publish_table.transact = lambda *given, **more: end() if more else transact(*given)
        publish(bundle, "2", "sql:recs", Settings(), 5)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, point
"""


def test_killed_in_the_middle(bundle, database, home):
    put(bundle)
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", KILLED, str(bundle.folder)], cwd=root, check=True)
    assert versions(database) == [("1", ROWS)]
    put(bundle, "3")
    assert versions(database) == [("3", ROWS)]
    assert list((home / "cache").iterdir()) == []
    engine = sa.create_engine(database.url.replace("postgresql://", "postgresql+psycopg://"))
    assert sa.inspect(engine).get_table_names() == ["recs"]
    engine.dispose()


def test_times_are_in_utc(bundle, database):
    put(bundle, time=NOON)
    question = "SELECT DISTINCT time FROM recs"
    [(time,)] = rows(database, question)
    shown = time if isinstance(time, str) else time.astimezone(UTC).isoformat(sep=" ")
    assert shown.startswith("2026-01-31 12:30:00")
    assert shown.endswith("+00:00")

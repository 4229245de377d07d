"""What only PostgreSQL does: its types, other writers while we read, rights, and connections that break."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster import PASSWORD, Cluster, Database

from recsys.data.config import SqlData
from recsys.data.dataset import Dataset
from recsys.data.load import inputs, load
from recsys.data.newest import Freshness, newest
from recsys.data.sql import connection as connections
from recsys.errors import ExpectedError, InputError, RunError
from recsys.settings import Settings

pytestmark = pytest.mark.postgres

SECOND = 1_000_000
NOON = 1_704_110_400 * SECOND  # 2024-01-01T12:00:00Z


def config(table: str | None = "events", **more: Any) -> SqlData:
    return SqlData(source="sql", table=table, **more)


def load_sql(*args: Any, as_of: int | None = None, **more: Any) -> Dataset:
    return load(config(*args, **more), None, Settings(), as_of=as_of)


def refusal(*args: Any, as_of: int | None = None, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_sql(*args, as_of=as_of, **more)
    return str(caught.value)


class TestTypes:
    @pytest.mark.parametrize(
        ("kind", "values", "wanted"),
        [
            ("bigint", ["-5", "9223372036854775807", "7"], [-5, 9223372036854775807, 7]),
            ("smallint", ["1", "2", "3"], [1, 2, 3]),
            ("text", ["10", "9", "x"], ["10", "9", "x"]),
            ("varchar(9)", ["10", "9", "8"], [10, 9, 8]),
            ("char(4)", ["a", "b ", "cccc"], ["a", "b", "cccc"]),
            ("numeric(20)", ["5", "6", "70000000000000000000"], ["5", "6", "70000000000000000000"]),
            ("double precision", ["5", "6", "7"], [5, 6, 7]),
            (
                "uuid",
                ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "00000000-0000-0000-0000-000000000002", "f" * 32],
                [
                    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                    "00000000-0000-0000-0000-000000000002",
                    "ffffffff-ffff-ffff-ffff-ffffffffffff",
                ],
            ),
            ("kind", ["book", "film", "song"], ["book", "film", "song"]),
        ],
    )
    def test_ids(self, postgres: Database, kind: str, values: list[str], wanted: list[Any]) -> None:
        postgres.run("CREATE TYPE kind AS ENUM ('book', 'film', 'song')")
        rows = [(user, value, at) for at, (user, value) in enumerate(zip("abc", values, strict=True))]
        postgres.table(f'"user" text, item {kind}, timestamp bigint', [])
        postgres.run(f"INSERT INTO events VALUES (?, CAST(CAST(? AS text) AS {kind}), ?)", rows)
        data = load_sql()
        assert data.items.ids[data.item].tolist() == wanted

    @pytest.mark.parametrize("kind", ["text", "real", "double precision", "numeric(9,2)", "varchar"])
    def test_values(self, postgres: Database, kind: str) -> None:
        postgres.table(f'"user" int, item int, value {kind}', [(1, 1, "4.5"), (2, 2, "-3"), (3, 3, "0.25")])
        assert load_sql().value.tolist() == [4.5, -3, 0.25]  # type: ignore[union-attr]

    def test_whole_numbers_and_truth_as_values(self, postgres: Database) -> None:
        postgres.table('"user" int, item int, value boolean, n int', [(1, 1, True, 4), (2, 2, False, -4)])
        assert load_sql().value.tolist() == [1, 0]  # type: ignore[union-attr]
        assert load_sql(columns={"value": "n"}).value.tolist() == [4, -4]  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("kind", "texts", "as_of", "wanted"),
        [
            (
                "timestamptz",
                ["2024-01-01 13:00:00.000001+01", "2024-01-01 07:00-05", "2024-01-01 12:00:00.000002Z"],
                NOON + 1,
                [NOON, NOON + 1],
            ),
            (
                "timestamp",
                ["2024-01-01 12:00:00.000001", "2024-01-01 12:00", "2024-01-01 12:00:00.000002"],
                NOON + 1,
                [NOON, NOON + 1],
            ),
            (
                "date",
                ["2024-01-01", "1969-12-31", "2024-01-02"],
                NOON,
                [-86_400 * SECOND, NOON - 43_200 * SECOND],
            ),
            ("bigint", ["1704110400001", "1704110400000", "1704110400002"], NOON + 1999, [NOON, NOON + 1000]),
            ("bigint", ["1704110400", "-5", "1704110401"], NOON + 999_999, [-5 * SECOND, NOON]),
            ("int", ["20240101", "20231231", "20240102"], NOON, [NOON - 129_600 * SECOND, NOON - 43_200 * SECOND]),
            (
                "text",
                ["2024-01-01T13:00:00+01:00", "2024-01-01T11:00:00Z", "2024-01-01T12:00:01Z"],
                NOON,
                [NOON - 3600 * SECOND, NOON],
            ),
            ("numeric", ["1704110400.5", "1704110400", "1704110401"], NOON + 500_000, [NOON, NOON + 500_000]),
            ("double precision", ["1704110400.5", "0", "1704110401"], NOON + 500_000, [0, NOON + 500_000]),
        ],
    )
    def test_times(self, postgres: Database, kind: str, texts: list[str], as_of: int, wanted: list[int]) -> None:
        """Three rows, of which the last is later by the least that can be."""
        postgres.table(f'"user" int, item int, timestamp {kind}', [])
        postgres.run(
            f"INSERT INTO events VALUES (?, ?, CAST(CAST(? AS text) AS {kind}))",
            [(row, row, text) for row, text in enumerate(texts)],
        )
        with postgres.cluster.connect(postgres.name) as session:  # type: ignore[union-attr]
            session.execute(f"ALTER DATABASE {postgres.name} SET timezone = 'Asia/Tokyo'")  # type: ignore[arg-type]
            session.execute(f"ALTER DATABASE {postgres.name} SET datestyle = 'German'")  # type: ignore[arg-type]
        assert load_sql().timestamp.tolist()[:2] == wanted  # type: ignore[union-attr]
        expected = inputs(config(), None, Settings(), as_of=as_of)
        data = load(config(), None, Settings(), expected=expected, as_of=as_of)
        assert data.timestamp.tolist() == wanted  # type: ignore[union-attr]
        assert newest(config(), Settings(), as_of) == Freshness(2, wanted[1], wanted[0], later=1)
        assert newest(config(), Settings()).rows == 3
        postgres.run('UPDATE events SET item = 9 WHERE "user" = 2')
        assert inputs(config(), None, Settings(), as_of=as_of) == expected
        postgres.run('UPDATE events SET item = 9 WHERE "user" = 1')
        assert inputs(config(), None, Settings(), as_of=as_of) != expected
        assert refusal(as_of=-(10**18)).startswith("table events: all 3 rows are later than ")

    def test_times_that_are_none(self, postgres: Database) -> None:
        postgres.table('"user" int, item int, timestamp timestamp', [(1, 1, "2024-01-01"), (2, 2, "2023-01-01")])
        postgres.insert([(3, 3, "infinity")])
        message = refusal()
        assert message.startswith(f"data.table: {postgres.place} refuses it (timestamp too large")
        assert load_sql(as_of=NOON).account["read"] == 2
        assert newest(config(), Settings(), as_of=NOON).later == 1
        postgres.table('"user" int, item int, timestamp time', [(1, 1, "12:00"), (2, 2, "13:00")], "clocks")
        assert "'timestamp' holds values of type time64[us]; times are needed" in refusal("clocks")

    def test_types_that_fit_no_role(self, postgres: Database) -> None:
        postgres.table('"user" int, item int, value bytea', [(1, 1, b"x"), (2, 2, b"y")])
        assert refusal() == "table events: column 'value' holds values of type binary; numbers are needed"
        assert refusal(columns={"item": "value"}).startswith("table events: column 'value' holds values of type binary")

    def test_features(self, postgres: Database) -> None:
        postgres.table('"user" int, item int', [(1, 1), (2, 2), (3, 3)])
        postgres.run(
            "CREATE VIEW goods AS SELECT * FROM (VALUES "
            "(1, 'Ay', ARRAY['x', 'y'], 1.50::numeric, true, date '2024-01-01', timestamptz '2024-01-01', "
            "'{\"a\": 1}'::json), "
            "(2, NULL, ARRAY['x'], NULL, false, NULL, NULL, NULL), (3, 'See', NULL, 2, NULL, NULL, NULL, NULL)) "
            "AS v (item, title, genres, price, new, day, at, about)"
        )
        data = load_sql(items="goods")
        kinds = {"title": "text", "genres": "labels", "price": "number", "new": "category", "at": "number"}
        assert {name: data.items.kinds[name] for name in kinds} == kinds
        assert data.items.features["genres"].tolist() == ["x|y", "x", np.nan]
        np.testing.assert_array_equal(data.items.features["price"], [1.5, np.nan, 2])


class TestOthers:
    """Somebody writes while we read."""

    @pytest.fixture
    def slow(self, postgres: Database, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
        """Reading stops after the first chunk until it is told to go on."""
        postgres.table('"user" int, item int, timestamp bigint', [(row % 50, row, row) for row in range(200)])
        postgres.table("item int, title text", [(row, "old") for row in range(200)], "goods")
        monkeypatch.setattr(connections, "CHUNK", 50)
        return threading.Event(), threading.Event()

    def test_a_writer_is_seen_wholly_or_not_at_all(self, postgres: Database, slow: Any) -> None:
        begun, goes_on = slow

        def progress(what: str, done: int, total: int | None) -> None:
            begun.set()
            assert goes_on.wait(10)

        expected = inputs(config(items="goods"), None, Settings())
        found: list[Dataset] = []
        reader = threading.Thread(
            target=lambda: found.append(load(config(items="goods"), None, Settings(), progress, expected=expected))
        )
        reader.start()
        assert begun.wait(10)
        postgres.run("UPDATE goods SET title = 'new'")
        postgres.run("DELETE FROM events WHERE item >= 100")
        postgres.insert([(1, 500, 5)])
        goes_on.set()
        reader.join(20)
        assert len(found[0]) == 200
        assert set(found[0].items.features["title"]) == {"old"}
        assert set(load_sql(items="goods").items.features["title"].dropna()) == {"new"}

    def test_reading_does_not_stop_a_writer(self, postgres: Database, slow: Any) -> None:
        begun, goes_on = slow

        def progress(what: str, done: int, total: int | None) -> None:
            begun.set()
            assert goes_on.wait(10)

        reader = threading.Thread(target=lambda: load(config(), None, Settings(), progress))
        reader.start()
        assert begun.wait(10)
        postgres.run("ALTER TABLE goods ADD COLUMN more int")
        postgres.insert([(1, 500, 5)])
        goes_on.set()
        reader.join(20)
        assert not reader.is_alive()


class TestRights:
    @pytest.fixture
    def reader(self, postgres: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
        """We are user reader, who may read what is granted and nothing else."""
        assert postgres.cluster is not None
        postgres.table('"user" int, item int', [(1, 1), (2, 2)])
        postgres.table('"user" int, item int', [(1, 1), (2, 2)], "secret")
        postgres.run("CREATE SCHEMA shop")
        postgres.table('"user" int, item int', [(1, 1), (2, 2)], "shop.sales")
        postgres.run("GRANT SELECT ON events TO reader")
        monkeypatch.setenv("RECSYS_SQL_URL", postgres.cluster.url(postgres.name, "reader"))
        return postgres

    def test_what_may_be_read_is_named(self, reader: Database) -> None:
        assert len(load_sql()) == 2
        assert refusal("secret") == (
            f"data.table: table secret of {reader.place} may not be read (permission denied for table secret); "
            "grant SELECT on it to the user of RECSYS_SQL_URL; it can read: events"
        )
        assert "may not be read (permission denied for schema shop)" in refusal("shop.sales")
        reader.run("GRANT USAGE ON SCHEMA shop TO reader")
        reader.run("GRANT SELECT ON shop.sales TO reader")
        assert len(load_sql("shop.sales")) == 2
        assert refusal("event").endswith("has no table event; it has: events, shop.sales")

    def test_a_query_that_may_not(self, reader: Database) -> None:
        with pytest.raises(InputError, match=r"^data\.query: .* refuses it \(permission denied for table secret\)"):
            load(SqlData(source="sql", query="SELECT * FROM secret"), None, Settings())

    def test_only_some_columns_may_be_read(self, reader: Database) -> None:
        reader.table('"user" int, item int, email text', [(1, 1, "x"), (2, 2, "y")], "people")
        reader.run('GRANT SELECT ("user", item) ON people TO reader')
        assert "may not be read (permission denied for table people)" in refusal("people")
        query = 'SELECT "user", item FROM people'
        assert len(load(SqlData(source="sql", query=query), None, Settings())) == 2

    def test_nothing_can_be_written(self, postgres: Database) -> None:
        postgres.run("CREATE SEQUENCE numbers")
        query = "SELECT nextval('numbers') AS \"user\", 1 AS item"
        with pytest.raises(InputError, match=r"cannot execute nextval\(\) in a read-only transaction"):
            load(SqlData(source="sql", query=query), None, Settings())


class TestBrokenConnections:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "PAUSE", 0.01)
        monkeypatch.setattr(connections, "CHUNK", 50)

    def test_a_connection_lost_once_is_made_again(self, postgres: Database, caplog: pytest.LogCaptureFixture) -> None:
        postgres.table('"user" int, item int, timestamp int', [(row, row, row) for row in range(200)])
        times = iter(range(100))

        def progress(what: str, done: int, total: int | None) -> None:
            if next(times) == 1:
                _end_others(postgres)

        assert len(load(config(), None, Settings(), progress)) == 200
        assert "was lost (" in caplog.text
        assert "attempt 2 of 3" in caplog.text
        assert PASSWORD not in caplog.text

    def test_a_connection_lost_for_good(self, postgres: Database) -> None:
        postgres.table('"user" int, item int, timestamp int', [(row, row, row) for row in range(200)])
        with pytest.raises(RunError) as caught:
            load(config(), None, Settings(), lambda *_: _end_others(postgres))
        message = str(caught.value)
        assert message.startswith(f"RECSYS_SQL_URL: the connection to {postgres.place} was lost 3 times (")
        assert message.endswith("; run again when the database is there")

    def test_a_query_that_takes_too_long(self, postgres: Database) -> None:
        postgres.run(f"ALTER DATABASE {postgres.name} SET statement_timeout = 50")
        query = 'SELECT 1 AS "user", 2 AS item, pg_sleep(1)::text AS x'
        with pytest.raises(RunError, match=r"failed \(canceling statement due to statement timeout\)"):
            load(SqlData(source="sql", query=query, columns={"value": "x"}), None, Settings())  # type: ignore[arg-type]


class TestSecrets:
    """No part of the password is ever said."""

    def test_not_let_in(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        for url, message in (
            (cluster.url("postgres", password="Wrong-c@nary%1"), 'password authentication failed for user "owner"'),
            (cluster.url("none"), 'database "none" does not exist'),
            (cluster.url("postgres", user="nobody"), 'authentication failed for user "nobody"'),
        ):
            monkeypatch.setenv("RECSYS_SQL_URL", url)
            text = refusal()
            assert text.startswith(f"RECSYS_SQL_URL: cannot connect to postgresql://127.0.0.1:{cluster.port}/")
            assert message in text
            assert text.endswith("; check the address, user and password in it")
            for secret in (PASSWORD, "Canary", "c@nary", "c%40nary", "Wrong"):
                assert secret not in text

    def test_nobody_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "PAUSE", 0.01)
        monkeypatch.setenv("RECSYS_SQL_URL", "postgres://me:Canary-1@127.0.0.1:1/shop?sslpassword=Canary-2")
        with pytest.raises(RunError) as caught:
            load_sql()
        assert str(caught.value).startswith(
            "RECSYS_SQL_URL: the connection to postgresql://127.0.0.1:1/shop was lost 3"
        )
        assert "Canary" not in str(caught.value)
        assert _chain(caught.value).count("Canary") == 0

    def test_a_driver_that_repeats_it(self, postgres: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """The table is named like the password, so that the server's own words hold it."""
        with pytest.raises(ExpectedError) as caught:
            load(SqlData(source="sql", query=f'SELECT * FROM "{PASSWORD}"'), None, Settings())
        assert '(relation "***" does not exist)' in str(caught.value)


def _end_others(database: Database) -> None:
    database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'recsys'"
    )


def _chain(error: BaseException | None) -> str:
    """An exception with all that a traceback shows of those behind it."""
    return (
        ""
        if error is None
        else str(error) + _chain(error.__cause__ or (None if error.__suppress_context__ else error.__context__))
    )


def test_a_password_in_no_representation(postgres: Database) -> None:
    from recsys.data.sql.address import find_address

    address = find_address(Settings(), None)
    assert PASSWORD not in f"{address} {address!r} {Settings()!r} {address.url}"


def test_two_columns_of_one_name(postgres: Database) -> None:
    postgres.table('"user" int, item int', [(1, 1), (2, 2)])
    with pytest.raises(InputError) as caught:
        load(SqlData(source="sql", query='SELECT "user", item, item FROM events'), None, Settings())
    assert str(caught.value) == "data.query: two columns are named 'item'; rename one of them: SELECT ... AS name"


def test_a_named_connection(postgres: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    postgres.table('"user" int, item int', [(1, 1), (2, 2)])
    monkeypatch.setenv("RECSYS_SQL_URL_SHOP", postgres.url)
    monkeypatch.delenv("RECSYS_SQL_URL")
    assert len(load_sql(connection="shop")) == 2
    with pytest.raises(InputError) as caught:
        load_sql()
    assert str(caught.value) == (
        "RECSYS_SQL_URL: is not set, and a database is asked for; set it in the environment: "
        "postgresql://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE; set are: RECSYS_SQL_URL_SHOP"
    )

"""What only SQLite does: values of any type in any column, a file that may be none; and addresses of databases."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cluster import Database

from recsys.data.config import SqlData
from recsys.data.dataset import Dataset
from recsys.data.load import inputs, load
from recsys.data.newest import Freshness, newest
from recsys.data.sql import connection as connections
from recsys.data.sql.address import find_address
from recsys.errors import InputError, RunError
from recsys.settings import Settings

SECOND = 1_000_000


def config(table: str = "events", **more: Any) -> SqlData:
    return SqlData(source="sql", table=table, **more)


def load_sql(as_of: int | None = None, **more: Any) -> Dataset:
    return load(config(**more), None, Settings(), as_of=as_of)


def refusal(**more: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_sql(**more)
    return str(caught.value)


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ([100, 50, 150.5], [50, 100, 150.5]),
        (["2024-01-01", "2023-12-31 12:00", "2024-01-01T00:00:01"], [1704024000, 1704067200, 1704067201]),
        (
            ["2024-01-01T01:00:00+02:00", "2024-01-01T00:00:00Z", "2024-01-01T00:00Z"],
            [1704063600, 1704067200, 1704067200],
        ),
        (["100", "50", "70"], [50, 70, 100]),
        ([1_704_067_200_000, 1_704_067_200_001, 1_704_067_199_000], [1704067199, 1704067200, 1704067200.001]),
    ],
)
def test_times_of_any_type(sqlite: Database, times: list[Any], wanted: list[float]) -> None:
    sqlite.table("user, item, timestamp", [(row, row, at) for row, at in enumerate(times)])
    found = [round(at * SECOND) for at in wanted]
    assert load_sql().timestamp.tolist() == found  # type: ignore[union-attr]
    assert load_sql(as_of=found[1]).timestamp.tolist() == [at for at in found if at <= found[1]]  # type: ignore[union-attr]
    assert newest(config(), Settings()) == Freshness(3, found[2], found[0])


def test_types_of_later_rows_change_nothing(sqlite: Database) -> None:
    """Text among the ids would make all of them text, and 10 come before 9."""
    sqlite.table("user, item, value, timestamp", [(10, 1, 4, 100), (9, 2, 5.5, 100), (11, 3, 1, 100)])
    then = load_sql()
    own = inputs(config(), None, Settings(), as_of=100 * SECOND)
    assert own == inputs(config(), None, Settings())
    sqlite.insert([("x", "y", "great", 101), (None, None, None, 102)])
    data = load(config(), None, Settings(), expected=own, as_of=100 * SECOND)
    assert data.users.ids[data.user].tolist() == then.users.ids[then.user].tolist() == [9, 10, 11]
    assert inputs(config(), None, Settings(), as_of=100 * SECOND) == own
    assert inputs(config(), None, Settings()) != own
    place = "table events ordered by timestamp, user, item, value, row 4"
    message = f"{place}: value is 'great', a number is needed; mend that row"
    assert refusal(as_of=101 * SECOND) == message


def test_integers_and_text_that_write_the_same_are_the_same_ids(sqlite: Database) -> None:
    sqlite.table("user, item", [(1, "7"), ("1", 8), (2, 7)])
    assert load_sql().users.ids.tolist() == [1, 2]
    assert load_sql().items.ids.tolist() == [7, 8]


def test_ids_that_are_none(sqlite: Database) -> None:
    sqlite.table("user, item", [(1.5, 1), (2, 2)])
    assert (
        refusal()
        == "table events ordered by user, item, row 1: user is '1.5', an id is an integer or a string; mend that row"
    )
    sqlite.run("UPDATE events SET user = x'00ff'")
    assert refusal() == "table events: column 'user' holds values of type binary; integers or strings are needed"


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([(1, b"a", 5), (2, "a", 6)], "item"),
        ([(1, 1, 5), (b"1", 2, 6)], "user"),
        ([(1, 1, 5), (2, 2, b"6")], "timestamp"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 50])
def test_bytes_among_other_values(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch, rows: list[Any], name: str, chunk: int
) -> None:
    monkeypatch.setattr(connections, "CHUNK", chunk)
    sqlite.table("user, item, timestamp", rows)
    assert refusal() == (
        f"table events: column '{name}' holds bytes (BLOB) in some rows and other values in others; "
        "write them all alike, for example with CAST(... AS TEXT)"
    )


def test_bytes_among_the_ids_of_items(sqlite: Database) -> None:
    sqlite.table("user, item", [(1, "a"), (2, "b")])
    sqlite.table("item, note", [("a", b"x"), (b"b", "y")], "goods")
    message = refusal(items="goods")
    assert message.startswith("table goods: column 'item' holds bytes (BLOB) in some rows and other values in others;")


def test_later_rows_of_bytes_change_nothing(sqlite: Database) -> None:
    sqlite.table("user, item, timestamp", [(1, "a", 5), (2, "b", 6), (b"3", "c", 7)])
    assert load_sql(as_of=6 * SECOND).users.ids.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM events WHERE user = ?", "Incorrect number of bindings supplied"),
        ("SELECT * FROM events WHERE user = :p", "Incorrect number of bindings supplied"),
        ("SELECT load_extension('x') AS user, item FROM events", "not authorized"),
        ("SELECT json('{') AS user, item FROM events", "malformed JSON"),
        ("SELECT events.user, item FROM events, events", "ambiguous column name"),
        ("SELECT zeroblob(2000000000) AS user, item FROM events", "string or blob too big"),
    ],
)
def test_queries_that_are_wrong(sqlite: Database, query: str, said: str) -> None:
    sqlite.table("user, item", [(1, 1), (2, 2)])
    with pytest.raises(InputError, match=r"^data\.query: sqlite:///.* refuses it \(.*" + said):
        load(SqlData(source="sql", query=query), None, Settings())


@pytest.mark.parametrize("days", [(20240131, 20240201, 20240230), (20240131, 20240201, 0)])
@pytest.mark.parametrize("as_of", [None, 1_800_000_000 * SECOND])
def test_a_date_that_is_none(sqlite: Database, days: tuple[int, ...], as_of: int | None) -> None:
    sqlite.table("user, item, timestamp", [(row, row, day) for row, day in enumerate(days)])
    with pytest.raises(InputError) as caught:
        load_sql(as_of=as_of)
    row = sorted(days).index(days[2]) + 1
    assert str(caught.value) == (
        f"table events ordered by timestamp, row {row}: timestamp is '{days[2]}', which is no YYYYMMDD "
        "of the years 1900 to 2100, as most others are; write all times in one form"
    )


def test_a_snapshot_beside_a_writer(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite.table("user, item", [(row, row) for row in range(100)])
    sqlite.run("PRAGMA journal_mode = wal")
    monkeypatch.setattr(connections, "CHUNK", 50)
    expected = inputs(config(), None, Settings())
    data = load(config(), None, Settings(), lambda *_: sqlite.run("DELETE FROM events WHERE item > 70"), expected)
    assert len(data) == 100
    assert len(load_sql()) == 71


def test_a_reader_holds_a_writer_back(sqlite: Database) -> None:
    sqlite.table("user, item", [(row, row) for row in range(100)])

    def write(*_: Any) -> None:
        other = sqlite3.connect(sqlite.name, timeout=0.05, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("DELETE FROM events")
        other.close()

    assert len(load(config(), None, Settings(), write)) == 100


def test_a_file_that_somebody_writes_to(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite.table("user, item", [(1, 1), (2, 2)])
    monkeypatch.setattr(connections, "BUSY", 0.05)
    writer = sqlite3.connect(sqlite.name, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(RunError) as caught:
        load_sql()
    writer.close()
    assert str(caught.value).endswith("failed (database is locked); run again when nobody writes to it")


def test_nothing_is_written(sqlite: Database, tmp_path: Path) -> None:
    sqlite.table("user, item", [(1, 1), (2, 2)])
    Path(sqlite.name).chmod(0o444)
    before = sorted(tmp_path.iterdir())
    assert len(load_sql()) == 2
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "",
            "RECSYS_SQL_URL: is not set, and a database is asked for; "
            "set it in the environment: postgresql://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE",
        ),
        ("sqlite:///none.db", "RECSYS_SQL_URL: there is no file none.db; looked in {here}"),
        ("sqlite://", "RECSYS_SQL_URL: names no file; write sqlite:///FILE, or sqlite:////ABSOLUTE/FILE"),
        (
            "sqlite:///text.db",
            "RECSYS_SQL_URL: sqlite:///text.db cannot be opened (file is not a database); "
            "name a file that SQLite wrote and nothing has changed since",
        ),
        (
            "mysql://me:Canary@h/d",
            "RECSYS_SQL_URL: 'mysql' is no database that is known here; "
            "write postgresql://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE",
        ),
        (
            "postgresql://me:Can@ary@h/d",
            "RECSYS_SQL_URL: holds more than one '@'; write %40 for an '@' in user or password",
        ),
        (
            "postgresql://me:pw@h:Canary/d",
            "RECSYS_SQL_URL: is no address of a database; write postgresql://USER:PASSWORD@HOST/DATABASE, or "
            "sqlite:///FILE, with %XX for special characters in user and password",
        ),
        (
            "Canary",
            "RECSYS_SQL_URL: is no address of a database; write postgresql://USER:PASSWORD@HOST/DATABASE, or "
            "sqlite:///FILE, with %XX for special characters in user and password",
        ),
    ],
)
def test_addresses_that_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RECSYS_SQL_URL", "RECSYS_SQL_URL_SHOP"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "text.db").write_text("this is no database " * 100)
    monkeypatch.setenv("RECSYS_SQL_URL", url)
    assert refusal() == message.format(here=tmp_path)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://me:Canary@db.example:5433/shop?sslmode=require", "postgresql://db.example:5433/shop"),
        ("postgresql+asyncpg://me:Canary@h/shop", "postgresql://h/shop"),
        ("postgresql:///shop?host=/run/pg&password=Canary", "postgresql:///run/pg/shop"),
        ("postgresql://me:Canary/1@h/shop", "postgresql://h/shop"),
        ("sqlite+aiosqlite:///a/shop.db", "sqlite:///a/shop.db"),
    ],
)
def test_addresses_as_messages_show_them(monkeypatch: pytest.MonkeyPatch, url: str, shown: str) -> None:
    monkeypatch.setenv("RECSYS_SQL_URL_SHOP", url)
    address = find_address(Settings(), "shop")
    assert (address.variable, str(address)) == ("RECSYS_SQL_URL_SHOP", shown)
    assert "Canary" not in repr(address)


@pytest.mark.parametrize(
    ("url", "said", "clean"),
    [
        ("postgresql://me:Canary%21@h/d", "bad Canary! and Canary%21 there", "bad *** and *** there"),
        ("postgresql://me:a@h/d", "a bad word", "ValueError"),
        ("postgresql://h/d?sslpassword=Canary", "key Canary\nmore", "key ***"),
        ("postgresql://h/d", "  one \t line\n\n two", "one line"),
        ("postgresql://h/d", "", "ValueError"),
    ],
)
def test_words_of_a_driver_are_cleaned(monkeypatch: pytest.MonkeyPatch, url: str, said: str, clean: str) -> None:
    monkeypatch.setenv("RECSYS_SQL_URL", url)
    assert find_address(Settings(), None).clean(ValueError(said)) == clean

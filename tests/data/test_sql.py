"""Interactions in a database, SQLite and PostgreSQL alike: roles, types, order, times, digests, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster import Database

from recsys.data.config import Predefined, SqlData, TableData
from recsys.data.dataset import Dataset
from recsys.data.load import inputs, load
from recsys.data.newest import Freshness, newest
from recsys.data.summary import summary_lines
from recsys.errors import InputError, RunError
from recsys.settings import Settings

SECOND = 1_000_000
NAMES = '"user" INTEGER, item TEXT, value REAL, timestamp BIGINT'
ROWS = [(2, "a", 5, 100), (10, "b", 4, 200), (2, "c", 1, 150)]


def config(table: str | None = "events", **more: Any) -> SqlData:
    return SqlData(source="sql", table=table, **more)


def load_sql(*args: Any, as_of: int | None = None, **more: Any) -> Dataset:
    return load(config(*args, **more), None, Settings(), as_of=as_of)


def rows_of(data: Dataset) -> list[tuple[Any, ...]]:
    columns = [data.users.ids[data.user], data.items.ids[data.item], data.value, data.timestamp]
    return list(zip(*(column.tolist() for column in columns if column is not None), strict=True))


def stored(data: Dataset, folder: Path) -> dict[str, bytes]:
    """The files of a stored data set."""
    folder.mkdir()
    data.save(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def digest(as_of: int | None = None, **more: Any) -> str:
    return inputs(config(**more), None, Settings(), as_of=as_of)["interactions: events"]


def refusal(*args: Any, as_of: int | None = None, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_sql(*args, as_of=as_of, **more)
    return str(caught.value)


class TestReading:
    def test_rows_come_in_the_order_of_time(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        data = load_sql()
        assert rows_of(data) == [(2, "a", 5, 100 * SECOND), (2, "c", 1, 150 * SECOND), (10, "b", 4, 200 * SECOND)]
        assert data.value is not None
        assert (data.user.dtype, data.value.dtype, data.clock) == (np.int32, np.float32, "time")
        assert data.columns == {"user": "user", "item": "item", "value": "value", "timestamp": "timestamp"}

    def test_equal_times_are_ordered_by_user_item_and_value_however_they_were_written(self, database: Database) -> None:
        rows = [(10, "b", 1, 5), (9, "b", 1, 5), (9, "a", 2, 5), (9, "a", 1, 5), (11, "a", 1, 4)]
        database.table(NAMES, rows)
        wanted = [(11, "a", 1), (9, "a", 1), (9, "a", 2), (9, "b", 1), (10, "b", 1)]
        assert [row[:3] for row in rows_of(load_sql(duplicates="keep"))] == wanted
        database.run("DELETE FROM events")
        database.insert(rows[::-1])
        assert [row[:3] for row in rows_of(load_sql(duplicates="keep"))] == wanted
        assert [row[:3] for row in rows_of(load_sql(duplicates="last"))] == [wanted[0], *wanted[2:]]

    def test_named_columns_features_and_filters(self, database: Database) -> None:
        database.table("who BIGINT, sku TEXT, stars REAL, at BIGINT", [*ROWS, (3, "a", 2, 160), (3, "z", 2, 170)])
        database.table(
            "sku TEXT, title TEXT, price REAL", [("b", "Bee", 2.5), ("a", "Ay", None), ("q", "Q", 1)], "goods"
        )
        database.table("who BIGINT, sku TEXT", [(2, "x"), (3, "y")], "people")
        columns = {"user": "who", "item": "sku", "value": "stars", "timestamp": "at"}
        data = load_sql(columns=columns, items="goods", users="people", min_user_count=2)
        assert data.items.ids.tolist() == ["a", "b", "c", "q", "z"]
        assert data.items.features["title"].tolist() == ["Ay", "Bee", np.nan, "Q", np.nan]
        assert data.items.kinds == {"title": "text", "price": "number"}
        assert data.users.features["sku"].tolist() == ["x", "y"]
        assert data.account["dropped_min_user_count"] == 1

    def test_a_query(self, database: Database) -> None:
        database.table("u TEXT, i TEXT, note TEXT", [("1", "x:y", "50%"), ("2", "b", "keep"), ("3", "c", "50% :off")])
        query = (
            "SELECT u AS \"user\", i AS item, 'a:b %s 100%' AS x FROM events "
            "WHERE note LIKE '50\\%%' ESCAPE '\\' -- all of them"
        )
        data = load(SqlData(source="sql", query=query), None, Settings())
        assert rows_of(data) == [(1, "x:y"), (3, "c")]
        assert list(inputs(SqlData(source="sql", query=query), None, Settings())) == ["interactions: query"]

    def test_a_table_without_times_has_no_order(self, database: Database) -> None:
        database.table('"user" INTEGER, item INTEGER', [(2, 10), (2, 9), (1, 9)])
        data = load_sql()
        assert (data.clock, data.timestamp) == ("none", None)
        assert rows_of(data) == [(1, 9), (2, 9), (2, 10)]
        assert "no times: and a database keeps no order of rows" in summary_lines(data)[1]

    def test_the_files_of_a_predefined_split(self, database: Database, tmp_path: Any) -> None:
        database.table(NAMES, ROWS)
        path = tmp_path / "test.csv"
        path.write_text("user,item,value,timestamp\n10,a,1,300\n2,b,1,400\n")
        predefined = Predefined(test=str(path))
        expected = inputs(config(), predefined, Settings(), as_of=300 * SECOND)
        data = load(config(), predefined, Settings(), expected=expected, as_of=300 * SECOND)
        assert rows_of(data)[3:] == [(10, "a", 1, 300 * SECOND)]
        assert data.account["read"] == 4
        path.write_text("user,item,value,timestamp\n10,a,2,300\n")
        with pytest.raises(RunError, match=r"^test: test\.csv: its rows changed while they were read"):
            load(config(), predefined, Settings(), expected=expected)

    def test_the_same_rows_as_from_a_file(self, database: Database, tmp_path: Any) -> None:
        drawn = np.random.default_rng(1).permutation(90).reshape(30, 3).tolist()
        rows = [(user, f"i{item}", value, 1_600_000_000 + at) for at, (user, item, value) in enumerate(drawn)]
        path = tmp_path / "events.csv"
        path.write_text("user,item,value,timestamp\n" + "".join(f"{u},{i},{v},{t}\n" for u, i, v, t in rows))
        database.table(NAMES, rows[::-1])
        table = load(TableData(source="table", interactions=str(path)), None, Settings())
        assert rows_of(load_sql()) == rows_of(table)


class TestHostileNames:
    TABLE = 'a"b.c; DROP TABLE events;--%s:x'
    QUOTED = '"a""b.c; DROP TABLE events;--%s:x"'

    def test_names_and_ids_are_never_sql(self, database: Database) -> None:
        ids = ["'; DROP TABLE spare; --", '" OR 1=1', "%s %(x)s :as_of", "\\", "ü 😀\t\n", "NULLx", "1e5"]
        columns = {"user": 'us"er %s', "item": "it:em;--", "timestamp": "the time"}
        named = ['"' + name.replace('"', '""') + '"' for name in columns.values()]
        database.table(
            f"{named[0]} TEXT, {named[1]} TEXT, {named[2]} BIGINT", [(one, one, 7) for one in ids], self.QUOTED
        )
        chosen = config(self.QUOTED, columns=columns)
        data = load(chosen, None, Settings(), as_of=7 * SECOND)
        assert sorted(data.users.ids.tolist()) == sorted(ids)
        assert rows_of(data) == [(one, one, 7 * SECOND) for one in sorted(ids)]
        assert list(inputs(chosen, None, Settings(), as_of=6)) == [f"interactions: {self.QUOTED}"]
        assert newest(chosen, Settings()) == Freshness(7, 7 * SECOND, 7 * SECOND)

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("DELETE FROM events", "a query begins with SELECT or WITH"),
            ("SELECT 1; DROP TABLE events", "a query is one statement, without ';'"),
            ("", "a query begins with SELECT or WITH"),
        ],
    )
    def test_a_query_that_is_none(self, query: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            SqlData(source="sql", query=query)

    @pytest.mark.parametrize(
        "query",
        [
            "WITH gone AS (DELETE FROM events RETURNING *) SELECT * FROM gone",
            "SELECT * FROM events) AS x, (DELETE FROM events RETURNING *",
            "SELECT * FROM events /*",
        ],
    )
    def test_a_query_that_would_write(self, database: Database, query: str) -> None:
        database.table(NAMES, ROWS)
        with pytest.raises(InputError, match=r"^data\.query: .* refuses it \("):
            load(SqlData(source="sql", query=query), None, Settings())
        assert len(load_sql()) == 3


class TestAsOf:
    def test_inclusive_at_equal_times(self, database: Database) -> None:
        database.table(NAMES, [*ROWS, (10, "d", 1, 150)])
        data = load_sql(as_of=150 * SECOND)
        assert rows_of(data) == [(2, "a", 5, 100 * SECOND), (2, "c", 1, 150 * SECOND), (10, "d", 1, 150 * SECOND)]
        assert (data.account["read"], data.account["kept"]) == (3, 3)
        assert newest(config(), Settings(), 150 * SECOND).rows == data.account["read"]
        assert len(load_sql(as_of=200 * SECOND - 1)) == 3
        assert len(load_sql(as_of=200 * SECOND)) == 4

    def test_duplicates_and_counts_come_after_the_cut(self, database: Database) -> None:
        database.table(NAMES, [*ROWS, (2, "a", 1, 300), (10, "a", 1, 300)])
        data = load_sql(duplicates="last", as_of=200 * SECOND)
        assert [row[:3] for row in rows_of(data)] == [(2, "a", 5), (2, "c", 1), (10, "b", 4)]
        assert load_sql(duplicates="error", as_of=200 * SECOND).account["dropped_duplicates"] == 0
        assert "user 2 and item 'a'" in refusal(duplicates="error")

    def test_all_later(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        assert refusal(as_of=99 * SECOND) == (
            "table events: all 3 rows are later than 1970-01-01 00:01:39, the first of 1970-01-01 00:01:40; "
            "ask for a later time; times are UTC"
        )

    def test_without_times(self, database: Database) -> None:
        database.table('"user" INTEGER, item INTEGER', [(2, 10), (1, 9)])
        for asked in (load, inputs):
            with pytest.raises(InputError) as caught:
                asked(config(), None, Settings(), as_of=0)
            assert str(caught.value) == (
                "data.columns.timestamp: table events has no column of times, and rows up to 1970-01-01 00:00:00 are "
                "asked for; name the column that holds them, or ask for all rows"
            )
        with pytest.raises(InputError, match=r"^data\.columns\.timestamp: table events has no column of times"):
            newest(config(), Settings())

    def test_a_grown_table_as_of_then_is_the_table_of_then(self, database: Database, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        times = np.sort(rng.integers(0, 40, 120)).tolist()
        drawn = rng.integers(0, [9, 30, 5], (120, 3)).tolist()
        rows = [(user, f"i{item}", value, at) for (user, item, value), at in zip(drawn, times, strict=True)]
        first = sum(t <= 20 for t in times)
        database.table(NAMES, rows[:first])
        options: dict[str, Any] = {"duplicates": "last", "min_user_count": 3}
        then, own = stored(load_sql(**options), tmp_path / "then"), digest(as_of=20 * SECOND)
        assert own == digest(as_of=20 * SECOND)
        database.insert(rows[first:])
        assert stored(load_sql(**options, as_of=20 * SECOND), tmp_path / "later") == then
        assert digest(as_of=20 * SECOND) == own
        assert stored(load_sql(**options), tmp_path / "all") != then

    def test_a_late_row_belongs_to_its_own_time(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        before = digest(as_of=150 * SECOND)
        database.insert([(11, "a", 2, 120)])
        assert digest(as_of=150 * SECOND) != before
        assert [row[0] for row in rows_of(load_sql(as_of=150 * SECOND))] == [2, 11, 2]


class TestDigest:
    @pytest.mark.parametrize("as_of", [None, 150 * SECOND])
    @pytest.mark.parametrize(
        ("statement", "changes"),
        [
            ("UPDATE events SET value = 4.5 WHERE item = 'a'", True),
            ("UPDATE events SET item = 'A' WHERE item = 'a'", True),
            ("UPDATE events SET \"user\" = 3 WHERE item = 'a'", True),
            ("UPDATE events SET timestamp = 101 WHERE item = 'a'", True),
            ("UPDATE events SET value = NULL WHERE item = 'a'", True),
            ("DELETE FROM events WHERE item = 'a'", True),
            ("INSERT INTO events SELECT * FROM events WHERE item = 'a'", True),
            ("UPDATE events SET note = 'other'", False),
            ("UPDATE events SET value = value", False),
            ("CREATE INDEX one ON events (item)", False),
        ],
    )
    def test_it_changes_with_what_is_read(
        self, database: Database, statement: str, changes: bool, as_of: int | None
    ) -> None:
        database.table(f"{NAMES}, note TEXT", [(*row, "") for row in ROWS])
        before = digest(as_of)
        database.run(statement)
        assert (digest(as_of) != before) is changes

    def test_later_rows_count_only_without_a_time(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        before, whole = digest(150 * SECOND), digest()
        database.run("UPDATE events SET value = 2 WHERE timestamp = 200")
        assert (digest(150 * SECOND) == before, digest() == whole) == (True, False)
        database.insert([(12, "later", None, 151)])
        assert digest(150 * SECOND) == before

    def test_the_order_of_rows_does_not_count(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        database.table(NAMES, ROWS[::-1], "other")
        found = [inputs(config(table), None, Settings()) for table in ("events", "other")]
        assert list(found[0].values()) == list(found[1].values())

    def test_features_count(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        database.table("item TEXT, title TEXT", [("a", "x"), ("b", "y")], "goods")
        before = inputs(config(items="goods"), None, Settings())
        assert list(before) == ["interactions: events", "items: goods"]
        database.run("UPDATE goods SET title = 'z' WHERE item = 'b'")
        after = inputs(config(items="goods"), None, Settings())
        assert after["interactions: events"] == before["interactions: events"]
        assert after["items: goods"] != before["items: goods"]

    def test_a_table_that_changed_since_is_refused(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        expected = inputs(config(), None, Settings())
        assert len(load(config(), None, Settings(), expected=expected)) == 3
        database.insert([(2, "z", 1, 500)])
        with pytest.raises(RunError) as caught:
            load(config(), None, Settings(), expected=expected)
        assert str(caught.value) == (
            "interactions: events: its rows changed while they were read; run again, or ask for rows up to a time"
        )
        known = inputs(config(), None, Settings(), as_of=200 * SECOND)
        database.insert([(2, "y", 1, 501)])
        assert len(load(config(), None, Settings(), expected=known, as_of=200 * SECOND)) == 3
        database.insert([(2, "x", 1, 199)])
        with pytest.raises(RunError, match=r"^interactions: events: its rows changed while they were read; run again$"):
            load(config(), None, Settings(), expected=known, as_of=200 * SECOND)


class TestNewest:
    def test_counts_and_extremes(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        assert newest(config(), Settings()) == Freshness(3, 200 * SECOND, 100 * SECOND)
        assert newest(config(), Settings(), 150 * SECOND) == Freshness(2, 150 * SECOND, 100 * SECOND, later=1)
        assert newest(config(), Settings(), 99 * SECOND) == Freshness(0, None, None, later=3)

    def test_an_empty_table(self, database: Database) -> None:
        database.table(NAMES, [])
        assert newest(config(), Settings()) == Freshness(0, None, None)
        assert newest(config(), Settings(), 5) == Freshness(0, None, None)
        assert refusal() == "table events: there are no rows; at least a few interactions are needed"
        assert refusal(as_of=5) == "table events: there are no rows; at least a few interactions are needed"
        assert digest() == digest()


class TestRefused:
    def test_a_table_that_is_not_there(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        database.table("x INTEGER", [], '"odd.name"')
        there = "events"
        message = refusal("event")
        assert message.startswith(f"data.table: {database.place} has no table event; it has: {there}")
        assert '"odd.name"' in message
        assert refusal(items="goods").startswith(f"data.items: {database.place} has no table goods; it has: ")
        assert refusal("none.such").startswith(f"data.table: {database.place} has no table none.such; it has: ")

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            (
                {"item": "itm"},
                "data.columns.item: the table events has no column 'itm'; it has: item, user, value, timestamp",
            ),
            (
                {"session": "visit"},
                "data.columns.session: 'visit' names a column of the sessions, and no file of them is given; "
                "add data.sessions: FILE",
            ),
        ],
    )
    def test_a_column_that_is_not_there(self, database: Database, columns: dict[str, str], message: str) -> None:
        database.table(NAMES, ROWS)
        assert refusal(columns=columns) == message

    def test_a_column_that_a_query_does_not_give(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        with pytest.raises(InputError) as caught:
            load(SqlData(source="sql", query="SELECT item, value FROM events"), None, Settings())
        assert str(caught.value) == "data.columns.user: the query has no column 'user'; it has: value, item"

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (
                [(2, "a", None, 100), (2, "b", 1, 50), (3, "b", None, 120)],
                "table events ordered by timestamp, user, item, value, row 2: value is empty, a number is needed "
                "(1 more such row; first at 2); fill it or leave the row out",
            ),
            (
                [(None, "a", 1, 100), (2, "b", 1, 50)],
                "table events ordered by timestamp, user, item, value, row 2: user is empty, an id is needed; "
                "leave the row out",
            ),
            (
                [(1, "", 1, 100), (2, "b", 1, 50)],
                "table events ordered by timestamp, user, item, value, row 2: item is empty, an id is needed; "
                "leave the row out",
            ),
            (
                [(1, "a", 1, None), (2, "b", 1, 50)],
                "table events ordered by timestamp, row 1: timestamp is empty, a time is needed; "
                "fill it or leave the row out",
            ),
            (
                [(2, "a", 1, 100), (2, "b", 1, 50), (2, "a", 3, 70)],
                "table events ordered by timestamp, user, item, value, row 3: user 2 and item 'a' are in row 2 "
                "already; say what to do with them, data.duplicates: first, last, sum or keep",
            ),
        ],
    )
    def test_values_by_their_row(self, database: Database, rows: list[tuple[Any, ...]], message: str) -> None:
        database.table(NAMES, rows)
        assert refusal() == message
        if rows[0][3] is None:
            assert refusal(as_of=10**18) == message

    def test_an_item_listed_twice(self, database: Database) -> None:
        database.table(NAMES, ROWS)
        database.table("item TEXT, title TEXT", [("b", "x"), ("a", "x"), ("b", "y")], "goods")
        assert refusal(items="goods") == (
            "table goods ordered by item, row 3: item 'b' is listed a second time; leave one row for each item"
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "name the interactions once: a table, or a query"),
        ({"table": "a", "query": "SELECT 1"}, "name the interactions once: a table, or a query"),
        ({"table": "a.b.c"}, "is no name of a table"),
        ({"table": 'a"b'}, "is no name of a table"),
        ({"table": "a", "connection": "a b"}, "String should match pattern"),
    ],
)
def test_a_section_that_is_wrong(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SqlData(source="sql", **settings)  # type: ignore[arg-type]

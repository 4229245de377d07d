"""Simulated traffic: every row arrives once, on its day, and a replay goes on where it stopped."""

import datetime as dt
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cluster import Database
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.build import build
from recsys.data.config import DataConfig, DataOptions, SqlData, SyntheticData, TableData
from recsys.data.dataset import Dataset
from recsys.data.load import load
from recsys.data.newest import newest
from recsys.data.raw import Raw
from recsys.data.traffic import Day, Plan, Poison, Replay, Traffic, simulate, target_of
from recsys.errors import InputError
from recsys.settings import Settings

DAY = 86_400_000_000
FIRST = dt.date(2024, 1, 1)
START = 19_723 * DAY  # midnight of FIRST, UTC
N_DAYS = 6


def made(n_rows: int = 300, text: bool = False, value: bool = True) -> Dataset:
    """Rows of six days, each pair of user and item once."""
    rng = np.random.default_rng(4)
    pairs = rng.permutation(40 * 30)[:n_rows]
    user, item = pairs // 30, pairs % 30
    frame = pd.DataFrame({"user": [f"u{one}" for one in user] if text else user, "item": item})
    if value:
        frame["value"] = rng.choice([1, 2.5, 4.4, 5], n_rows)
    frame["timestamp"] = START + rng.integers(0, N_DAYS * DAY, n_rows)
    return build(Raw(frame), DataOptions())


DATA = made()


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def events(data: Dataset) -> list[tuple[Any, ...]]:
    columns = [data.users.ids[data.user], data.items.ids[data.item], data.value, data.timestamp]
    return sorted(zip(*(column.tolist() for column in columns if column is not None), strict=True))


def table(path: Path | str, **more: Any) -> DataConfig:
    return TableData(source="table", interactions=str(path), **{"duplicates": "keep", **more})


def read(path: Path | str, **more: Any) -> Dataset:
    return load(table(path, **more), None, Settings())


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.startswith(".")}


class TestFolders:
    @pytest.mark.parametrize("form", ["parquet", "csv"])
    @pytest.mark.parametrize("text", [False, True])
    def test_all_of_it_arrives_on_its_day(self, tmp_path: Path, form: Any, text: bool) -> None:
        data = made(text=text)
        replay = simulate(data, str(tmp_path / "log"), form=form)
        assert sorted(files(tmp_path / "log")) == [f"{day(number)}.{form}" for number in range(N_DAYS)]
        assert events(read(tmp_path / "log")) == events(data)
        assert [done.day for done in replay.written] == [day(number) for number in range(N_DAYS)]
        assert sum(done.rows.num_rows for done in replay.written) == 300
        one = read(tmp_path / "log" / f"{day(2)}.{form}").timestamp
        assert one is not None
        assert set(one // DAY) == {19_725}
        assert (np.diff(one) >= 0).all()

    def test_without_values(self, tmp_path: Path) -> None:
        data = made(value=False)
        simulate(data, str(tmp_path))
        assert events(read(tmp_path)) == events(data)

    def test_as_of_a_day_is_what_had_arrived(self, tmp_path: Path) -> None:
        simulate(DATA, str(tmp_path), until=day(2))
        then = read(tmp_path, min_user_count=3)
        assert newest(table(tmp_path), Settings()).rows == len(read(tmp_path))
        simulate(DATA, str(tmp_path))
        assert len(read(tmp_path)) == 300
        now = load(table(tmp_path, min_user_count=3), None, Settings(), as_of=START + 3 * DAY - 1)
        assert events(now) == events(then)

    def test_it_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        whole, steps = tmp_path / "whole", tmp_path / "steps"
        traffic = Traffic(late=0.2, duplicates=0.1, poison=(Poison(day=day(3)),))
        simulate(DATA, str(whole), traffic=traffic)
        first = simulate(DATA, str(steps), traffic=traffic, days=2)
        assert [done.day for done in first.written] == [day(0), day(1)]
        (steps / f"{day(1)}.parquet").unlink()
        (steps / f".{day(1)}.cut.tmp").write_text("what a kill left")
        second = simulate(DATA, str(steps), traffic=traffic, days=2)
        assert second.present == (day(0),)
        assert [done.day for done in second.written] == [day(1), day(2)]
        third = simulate(DATA, str(steps), traffic=traffic)
        assert third.present == (day(0), day(1), day(2))
        n_rows = sum(done.rows.num_rows for done in third.written)
        assert third.lines() == [
            "3 days (2024-01-01 to 2024-01-03) there already, left as before",
            f"{len(third.written)} days (2024-01-04 to {third.written[-1].day}) written, {n_rows:,} rows",
        ]
        assert simulate(DATA, str(steps), traffic=traffic).written == ()
        assert files(whole) == files(steps)

    def test_a_folder_of_days_in_another_form(self, tmp_path: Path) -> None:
        (tmp_path / f"{day(0)}.csv").write_text("user,item,value,timestamp\n1,1,1,2024-01-01\n")
        with pytest.raises(InputError) as caught:
            simulate(DATA, str(tmp_path), days=1)
        assert str(caught.value) == (
            f"into: the folder {tmp_path} holds {day(0)}.csv, and days are to come as parquet; "
            "name another folder, or --form csv"
        )
        assert files(tmp_path).keys() == {f"{day(0)}.csv"}
        assert simulate(DATA, str(tmp_path), days=1, form="csv").present == (day(0),)

    @pytest.mark.parametrize(
        ("asked", "wanted"),
        [
            ({"start": day(4)}, [4, 5]),
            ({"until": day(0)}, [0]),
            ({"start": day(1), "until": day(3)}, [1, 2, 3]),
            ({"start": day(1), "days": 1}, [1]),
            ({"until": dt.date(2030, 1, 1), "start": dt.date(2000, 1, 1)}, [0, 1, 2, 3, 4, 5]),
        ],
    )
    def test_the_days_asked_for(self, tmp_path: Path, asked: dict[str, Any], wanted: list[int]) -> None:
        replay = simulate(DATA, str(tmp_path), **asked)
        assert [done.day for done in replay.written] == [day(number) for number in wanted]

    def test_two_at_once_write_each_day_once(self, tmp_path: Path) -> None:
        found: list[Replay] = []
        threads = [threading.Thread(target=lambda: found.append(simulate(DATA, str(tmp_path)))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        written = Counter(done.day for replay in found for done in replay.written)
        assert written == dict.fromkeys([day(number) for number in range(N_DAYS)], 1)
        assert events(read(tmp_path)) == events(DATA)

    @pytest.mark.parametrize(
        ("source", "asked", "message"),
        [
            (
                DATA,
                {"start": dt.date(2025, 1, 1)},
                "days: nothing arrives from 2025-01-01; rows arrive from 2024-01-01 to 2024-01-06",
            ),
            (
                DATA,
                {"traffic": Traffic(poison=(Poison(day=dt.date(2025, 1, 1)),))},
                "poison: nothing arrives on 2025-01-01; choose a day with rows from 2024-01-01 to 2024-01-06",
            ),
            (
                made(value=False),
                {"traffic": Traffic(poison=(Poison(day=day(1), kind="shuffle"),))},
                "poison: there are no values to shuffle; use hammer",
            ),
            (
                build(Raw(pd.DataFrame({"user": [1, 2], "item": [1, 2]})), DataOptions()),
                {},
                "data: there are no times to replay them by; take data with times",
            ),
        ],
    )
    def test_refused(self, tmp_path: Path, source: Dataset, asked: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError) as caught:
            simulate(source, str(tmp_path), **asked)
        assert str(caught.value) == message

    @pytest.mark.parametrize("uri", ["s3://bucket/x", "sql:a.b.c"])
    def test_a_target_that_is_none(self, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RECSYS_SQL_URL", "sqlite:///x.db")
        with pytest.raises(InputError, match=r"^into: "):
            target_of(uri, Settings())

    @pytest.mark.parametrize(
        "read", ["{}/log", "file://{}/log", "{}/log/2024-01-01.parquet", "{}/log/*.parquet", "{}", "{}/log/more/x.csv"]
    )
    def test_never_into_what_is_read(self, tmp_path: Path, read: str) -> None:
        simulate(DATA, str(tmp_path / "log"), days=2)
        there = files(tmp_path / "log")
        with pytest.raises(
            InputError, match=r"^into: names what the data set itself is read from; name a source of it"
        ):
            simulate(table(read.format(tmp_path)), str(tmp_path / "log"), traffic=Traffic(late=0.5))
        assert files(tmp_path / "log") == there
        copied = simulate(table(tmp_path / "log"), str(tmp_path / "log2"))
        assert len(copied.written) == 2

    def test_a_folder_that_holds_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "events.csv.gz").write_bytes(b"")
        (tmp_path / "README.md").write_text("")
        with pytest.raises(InputError) as caught:
            simulate(DATA, str(tmp_path))
        assert str(caught.value) == (
            f"into: the folder {tmp_path} holds events.csv.gz, which is no day of traffic; "
            "name a folder that holds nothing else"
        )
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="cannot be written"):
            simulate(DATA, str(tmp_path / "file"))


class TestPlan:
    @given(st.integers(0, 50), st.floats(0, 0.9), st.integers(1, 4), st.floats(0, 0.9))
    @settings(max_examples=30)
    def test_every_row_arrives_once_and_repeats_are_counted(
        self, seed: int, late: float, late_days: int, duplicates: float
    ) -> None:
        plan = Plan(DATA, Traffic(seed=seed, late=late, late_days=late_days, duplicates=duplicates))
        days = [plan.day(one) for one in plan.days]
        arrived = Counter(
            row for one in days for row in zip(*(one.rows[name].to_pylist() for name in ("user", "item")), strict=True)
        )
        n_repeated = sum(one.repeated for one in days)
        assert len(arrived) == 300
        assert sorted(set(arrived.values())) in ([1], [1, 2], [2])
        assert sum(arrived.values()) == 300 + n_repeated
        for one in days:
            own = one.rows["timestamp"].cast("int64").to_numpy() // DAY
            lag = (one.day - dt.date(1970, 1, 1)).days - own
            assert lag.min() >= 0
            assert lag.max() <= late_days + 1
        if late == 0:
            assert sum(one.late for one in days) == 0

    def test_shares_are_as_stated(self) -> None:
        data = made(1000)
        days = [one for plan in [Plan(data, Traffic(late=0.3, duplicates=0.1))] for one in map(plan.day, plan.days)]
        assert 250 <= sum(one.late for one in days) <= 350
        assert 70 <= sum(one.repeated for one in days) <= 130

    def test_one_kind_of_mischief_leaves_the_others_as_they_were(self) -> None:
        late = Traffic(late=0.3)
        both = Traffic(late=0.3, duplicates=0.2, poison=(Poison(day=day(2)),))
        rows = [Plan(DATA, traffic).day(day(1)) for traffic in (late, both)]
        first, second = ({tuple(row.values()) for row in one.rows.to_pylist()} for one in rows)
        assert first < second  # rows of the day before have come again
        assert rows[0].late == rows[1].late > 0

    def test_other_seeds_give_other_traffic(self) -> None:
        plans = [Plan(DATA, Traffic(seed=seed, late=0.3)).day(day(1)).rows for seed in (0, 0, 1)]
        assert plans[0].equals(plans[1])
        assert not plans[0].equals(plans[2])


class TestPoison:
    def test_hammered_items(self) -> None:
        clean = Plan(DATA, Traffic())
        plan = Plan(DATA, Traffic(poison=(Poison(day=day(2), share=0.3), Poison(day=day(4), share=0.3))))
        hammered = []
        for number in (2, 4):
            one = plan.day(day(number))
            before = clean.day(day(number)).rows
            assert one.made == round(0.3 / 0.7 * before.num_rows)
            assert one.rows.num_rows == before.num_rows + one.made
            added = [row for row in one.rows.to_pylist() if row not in before.to_pylist()]
            (item,) = {row["item"] for row in added}
            users = [row["user"] for row in added]
            assert len(set(users)) == len(users) == one.made
            assert not set(users) & set(DATA.users.ids[DATA.user[DATA.items.ids[DATA.item] == item]])
            assert {row["value"] for row in added} == {5}
            assert {row["timestamp"].date() for row in added} == {day(number)}
            hammered.append(item)
        assert hammered[0] != hammered[1]
        assert plan.day(day(3)).rows.equals(clean.day(day(3)).rows)

    def test_no_more_than_there_are_users(self) -> None:
        one = Plan(DATA, Traffic(poison=(Poison(day=day(2), share=0.95),))).day(day(2))
        assert 0 < one.made < 40
        assert str(one) == f"2024-01-03: {one.rows.num_rows} rows ({one.made} made)"

    def test_shuffled_values(self) -> None:
        before = Plan(DATA, Traffic()).day(day(2)).rows
        one = Plan(DATA, Traffic(poison=(Poison(day=day(2), kind="shuffle", share=0.9),))).day(day(2))
        assert one.rows.drop_columns("value").equals(before.drop_columns("value"))
        values = [found["value"].to_numpy() for found in (before, one.rows)]
        assert sorted(values[0]) == sorted(values[1])
        assert 0.3 < np.mean(values[0] != values[1]) <= 0.9
        assert one.shuffled == round(0.9 * before.num_rows)


class TestTables:
    def test_the_same_as_in_a_folder(self, database: Database, tmp_path: Path) -> None:
        traffic = Traffic(late=0.2, duplicates=0.1, poison=(Poison(day=day(3)),))
        simulate(DATA, str(tmp_path / "log"), traffic=traffic)
        assert len(simulate(DATA, "sql:events", traffic=traffic, days=2).written) == 2
        replay = simulate(DATA, "sql:events", traffic=traffic)
        assert replay.present == (day(0), day(1))
        config = SqlData(source="sql", table="events", duplicates="keep")
        assert events(load(config, None, Settings())) == events(read(tmp_path / "log"))
        for as_of in (START + 2 * DAY, START + 4 * DAY - 1):
            options: dict[str, Any] = {"duplicates": "last", "min_item_count": 2}
            grown = load(config.model_copy(update=options), None, Settings(), as_of=as_of)
            assert events(grown) == events(load(table(tmp_path / "log", **options), None, Settings(), as_of=as_of))
        assert simulate(DATA, "sql:events", traffic=traffic).written == ()

    def test_names_and_text(self, database: Database) -> None:
        data = made(text=True, value=False)
        name = 'sql:"odd ""name"".x"'
        simulate(data, name, until=day(0))
        assert simulate(data, name, until=day(1)).present == (day(0),)
        found = load(SqlData(source="sql", table=name[4:]), None, Settings())
        assert events(found) == [row for row in events(data) if row[2] < START + 2 * DAY]

    def test_a_day_that_fails_leaves_nothing(self, database: Database) -> None:
        """One row of a day is there already, and the table wants it once."""
        simulate(DATA, "sql:events")
        user, item = next(row[:2] for row in events(DATA) if row[3] // DAY == START // DAY + 1)
        database.run(f"UPDATE events SET arrived = '2023-12-31' WHERE \"user\" = {user} AND item = {item}")
        database.run("DELETE FROM events WHERE arrived = '2024-01-02'")
        database.run('CREATE UNIQUE INDEX one ON events ("user", item, timestamp)')
        config = SqlData(source="sql", table="events")
        before = newest(config, Settings()).rows
        with pytest.raises(
            InputError, match=r"^into: .* refuses it \(.*(UNIQUE constraint failed|duplicate key value)"
        ):
            simulate(DATA, "sql:events")
        assert newest(config, Settings()).rows == before

    def test_a_table_of_other_columns(self, database: Database) -> None:
        database.table("x INTEGER", [])
        with pytest.raises(InputError) as caught:
            simulate(DATA, "sql:events")
        assert str(caught.value) == (
            f"into: table events of {database.place} is there already, without a column 'arrived'; "
            "name a table that holds nothing else"
        )

    def test_never_into_the_table_that_is_read(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        simulate(DATA, "sql:events", days=2)
        config = SqlData(source="sql", table='"events"')
        with pytest.raises(InputError, match=r"^into: names what the data set itself is read from"):
            simulate(config, "sql:events")
        monkeypatch.setenv("RECSYS_SQL_URL_OTHER", database.url)
        assert len(simulate(config, "sql+other:copy").written) == 2

    def test_two_at_once(self, database: Database) -> None:
        found: list[Replay] = []
        threads = [threading.Thread(target=lambda: found.append(simulate(DATA, "sql:events"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sum(len(replay.written) for replay in found) == N_DAYS
        config = SqlData(source="sql", table="events", duplicates="error")
        assert events(load(config, None, Settings())) == events(DATA)


def test_a_made_world_as_its_section_has_it(tmp_path: Path) -> None:
    config = SyntheticData(users=30, items=20, interactions=200)
    seen: list[Day] = []
    replay = simulate(config, f"file://{tmp_path}", days=3, written=seen.append)
    assert len(replay.written) == 3
    assert tuple(seen) == replay.written
    assert sorted(files(tmp_path)) == [f"{one.day}.parquet" for one in seen]

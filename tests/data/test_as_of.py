"""Sources as of a time: what counts is the time of a row, not when it arrived; and how fresh a source is."""

import gzip
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data.config import DataConfig, MovieLensData, Predefined, SyntheticData, TableData
from recsys.data.dataset import Dataset
from recsys.data.load import inputs, load
from recsys.data.newest import Freshness, newest
from recsys.errors import InputError, RunError
from recsys.settings import Settings

SETTINGS = Settings()
SECOND = 1_000_000
EVENTS = "user,item,value,timestamp\n2,a,5,100\n10,b,4,200\n2,c,1,150\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str | bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def load_table(as_of: int | None = None, predefined: Predefined | None = None, **more: Any) -> Dataset:
    config = TableData(source="table", **{"interactions": "events.csv", **more})
    return load(config, predefined, SETTINGS, as_of=as_of)


def rows_of(data: Dataset) -> list[tuple[Any, ...]]:
    columns = [data.users.ids[data.user], data.items.ids[data.item], data.value, data.timestamp]
    return list(zip(*(column.tolist() for column in columns if column is not None), strict=True))


def same(one: Dataset, other: Dataset) -> bool:
    return (
        rows_of(one) == rows_of(other)
        and one.users.ids.tolist() == other.users.ids.tolist()
        and one.items.ids.tolist() == other.items.ids.tolist()
        and one.users.ids.dtype == other.users.ids.dtype
    )


def refusal(as_of: int | None, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_table(as_of, **more)
    return str(caught.value)


class TestTables:
    def test_inclusive_and_in_the_order_of_the_file(self) -> None:
        write("events.csv", EVENTS + "11,a,1,150\n")
        data = load_table(150 * SECOND)
        assert rows_of(data) == [(2, "a", 5, 100 * SECOND), (2, "c", 1, 150 * SECOND), (11, "a", 1, 150 * SECOND)]

    @pytest.mark.parametrize(("as_of", "n_kept"), [(200 * SECOND, 4), (200 * SECOND - 1, 3), (150 * SECOND, 3)])
    def test_the_account_is_of_the_rows_up_to_then(self, as_of: int, n_kept: int) -> None:
        write("events.csv", EVENTS + "11,a,1,150\n2,a,1,120\n")
        data = load_table(as_of, duplicates="first")
        account = dict(data.account)
        n_read = account.pop("read")
        assert (n_read, account["dropped_duplicates"], account["kept"]) == (n_kept + 1, 1, n_kept)
        assert sum(account.values()) == n_read
        assert n_read == newest(TableData(source="table", interactions="events.csv"), SETTINGS, as_of).rows

    @pytest.mark.parametrize("form", ["csv", "parquet"])
    def test_the_same_bytes_whatever_comes_later(self, form: str, tmp_path: Path) -> None:
        """What is stored as of a time, and so every key and digest made from it, is what it was."""
        items = pd.DataFrame({"item": ["a", "b", "z"], "title": ["A", "B", "Z"]})
        items.to_parquet("items.parquet")
        texts = [EVENTS, "user,item,value,timestamp\nnobody,later,3,900\n10,b,5,901\n"]
        saved = []
        for number, text in enumerate(texts, 1):
            if form == "csv":
                write(f"log/{number}.csv", text)
            else:
                Path("log").mkdir(exist_ok=True)
                frame = pd.read_csv(StringIO(text), dtype={"user": str})
                frame.to_parquet(f"log/{number}.parquet")
            folder = tmp_path / f"stored {number}"
            folder.mkdir()
            load_table(200 * SECOND, interactions="log", items="items.parquet").save(folder)
            saved.append({file.name: file.read_bytes() for file in folder.iterdir()})
        assert saved[0] == saved[1]
        assert len(saved[0]) == 7

    @pytest.mark.parametrize(
        "later",
        [
            "3,x,great,500\n",
            ",x,1,500\n",
            "user-3,x,1,500\n",
            "2,a,9,500\n",
            "3,x,inf,500\n",
            "3,x,1e39,500\n",
        ],
    )
    def test_whatever_comes_later_changes_nothing(self, later: str) -> None:
        """Wrong values, ids of another kind, repeated pairs: the data set as of then is what it was."""
        write("events.csv", EVENTS)
        then = load_table()
        write("events.csv", EVENTS + later)
        assert same(load_table(200 * SECOND), then)
        assert same(load_table(500 * SECOND - 1), then)

    def test_duplicates_and_counts_come_after_the_cut(self) -> None:
        write("events.csv", EVENTS + "2,a,1,300\n10,c,1,300\n10,b,2,180\n")
        data = load_table(200 * SECOND, duplicates="last")
        assert [row[:3] for row in rows_of(data)] == [(2, "a", 5), (10, "b", 4), (2, "c", 1)]
        assert data.account["dropped_duplicates"] == 1
        assert refusal(150 * SECOND, min_user_count=3).startswith(
            "data.min_user_count, data.min_item_count: of the 2 rows"
        )

    def test_one_user_left_is_not_put_down_to_counts(self) -> None:
        write("events.csv", EVENTS)
        assert refusal(150 * SECOND).endswith("is data.columns.user the right column?")

    def test_rows_keep_their_lines(self) -> None:
        write("logs/a.csv", "user,item,value,timestamp\n1,a,1,100\n1,b,1,900\n2,c,1,100\n")
        write("logs/b.csv", "user,item,value,timestamp\n1,b,1,900\n2,c,1,900\n3,c,x,100\n3,d,y,100\n")
        assert refusal(150 * SECOND, interactions="logs") == (
            "logs/b.csv, row 4: value is 'x', a number is needed (1 more such row; first at 4); mend that row"
        )
        write("logs/b.csv", "user,item,value,timestamp\n1,b,1,900\n2,c,1,900\n2,c,1,100\n")
        assert refusal(150 * SECOND, interactions="logs").startswith(
            "logs/b.csv, row 4: user 2 and item 'c' are in logs/a.csv, row 4 already; "
        )

    def test_all_later(self) -> None:
        write("events.csv", EVENTS)
        assert refusal(99 * SECOND) == (
            "events.csv: all 3 rows are later than 1970-01-01 00:01:39, the first of 1970-01-01 00:01:40; "
            "ask for a later time; times are UTC"
        )

    def test_without_times(self) -> None:
        write("events.csv", "user,item\n1,a\n2,b\n")
        wanted = (
            "data.columns.timestamp: events.csv has no column of times, and rows up to 1970-01-01 00:00:05 are asked "
            "for; name the column that holds them, or ask for all rows"
        )
        assert refusal(5 * SECOND) == wanted
        with pytest.raises(
            InputError, match=r"^data\.columns\.timestamp: events\.csv has no column of times, and rows up"
        ):
            newest(TableData(source="table", interactions="events.csv"), SETTINGS)

    def test_zones_are_one_time(self) -> None:
        write(
            "events.csv",
            "user,item,timestamp\n1,a,2024-03-31T01:59:59+01:00\n2,b,2024-03-31T03:00:00+02:00\n"
            "3,c,2024-03-30T20:00:01-05:00\n",
        )
        at_one = 1_711_846_800 * SECOND
        data = load_table(at_one)
        assert data.timestamp is not None
        assert data.timestamp.tolist() == [at_one - SECOND, at_one]

    def test_a_predefined_split_is_cut_as_well(self) -> None:
        write("events.csv", EVENTS)
        write("test.csv", "user,item,value,timestamp\n2,d,1,300\n10,d,1,400\n")
        data = load_table(300 * SECOND, Predefined(test="test.csv"))
        assert data.part is not None
        assert data.part.tolist() == [0, 0, 0, 1]
        assert data.account["read"] == 4
        with pytest.raises(InputError, match=r"^test\.csv: all 2 rows are later than"):
            load_table(250 * SECOND, Predefined(test="test.csv"))

    @given(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 9)), min_size=4, max_size=40),
        st.integers(0, 9),
        st.sampled_from(["first", "last", "sum", "keep"]),
        st.integers(0, 3),
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
    def test_grown_later_it_is_what_it_was(
        self, rows: list[tuple[int, int, int]], cut: int, duplicates: str, least: int
    ) -> None:
        """Where no row came late, the source as of then equals the source at that time."""
        header = "user,item,timestamp\n"
        rows = sorted(rows, key=lambda row: row[2])
        lines = [f"{user},i{item},{at}\n" for user, item, at in rows]
        n_then = sum(at <= cut for _, _, at in rows)
        options: dict[str, Any] = {"duplicates": duplicates, "min_user_count": least}

        def result(as_of: int | None) -> Any:
            try:
                return load_table(as_of, **options)
            except InputError:
                return None

        write("events.csv", header + "".join(lines[:n_then]))
        then = result(None)
        write("events.csv", header + "".join(lines))
        now = result(cut * SECOND)
        assert (then is None) is (now is None)
        assert then is None or same(then, now)


PLACES: dict[str, Callable[[str, str], None]] = {
    "folder": lambda day, text: write(f"log/{day}.csv", text),
    "packed": lambda day, text: write(f"log/{day}.csv.gz", gzip.compress(text.encode())),
}


class TestGrowingFolders:
    @pytest.mark.parametrize("place", PLACES)
    def test_a_late_row_belongs_to_its_own_time(self, place: str) -> None:
        put = PLACES[place]
        put("2024-01-01", EVENTS)
        put("2024-01-02", "user,item,value,timestamp\n11,d,1,300\n")
        config = TableData(source="table", interactions="log")
        first, own = load(config, None, SETTINGS, as_of=200 * SECOND), inputs(config, None, SETTINGS)
        assert len(first) == 3
        assert list(own) == [
            f"interactions {number}: {file.name}" for number, file in enumerate(sorted(Path("log").iterdir()), 1)
        ]
        put("2024-01-03", "user,item,value,timestamp\n12,d,1,120\n12,a,2,400\n")
        assert [row[0] for row in rows_of(load(config, None, SETTINGS, as_of=200 * SECOND))] == [2, 10, 2, 12]
        assert newest(config, SETTINGS, 200 * SECOND) == Freshness(4, 200 * SECOND, 100 * SECOND, later=2)
        assert newest(config, SETTINGS) == Freshness(6, 400 * SECOND, 100 * SECOND)

    def test_a_file_that_appears_while_reading_is_refused(self) -> None:
        write("log/1.csv", EVENTS)
        config = TableData(source="table", interactions="log")
        expected = inputs(config, None, SETTINGS, as_of=200 * SECOND)
        assert len(load(config, None, SETTINGS, expected=expected, as_of=200 * SECOND)) == 3
        write("log/2.csv", "user,item,value,timestamp\n11,d,1,300\n")
        with pytest.raises(RunError) as caught:
            load(config, None, SETTINGS, expected=expected, as_of=200 * SECOND)
        assert str(caught.value) == (
            "interactions 2: 2.csv: files came or went while they were read: 2 files in place of 1; run again"
        )
        expected = inputs(config, None, SETTINGS, as_of=200 * SECOND)
        assert len(load(config, None, SETTINGS, expected=expected, as_of=200 * SECOND)) == 3
        write("log/2.csv", "user,item,value,timestamp\n11,d,1,301\n")
        with pytest.raises(
            RunError, match=r"^interactions 2: 2\.csv: the file changed while it was read; run again when"
        ):
            load(config, None, SETTINGS, expected=expected, as_of=200 * SECOND)

    def test_parquet_of_any_place(self) -> None:
        import fsspec

        frame = pd.DataFrame({"user": [1, 2], "item": ["a", "b"], "timestamp": pd.to_datetime([5, 6], unit="s")})
        with fsspec.open("memory://grown/1.parquet", "wb") as file:
            frame.to_parquet(file)
        config = TableData(source="table", interactions="memory://grown")
        assert newest(config, SETTINGS, 5 * SECOND) == Freshness(1, 5 * SECOND, 5 * SECOND, later=1)
        assert len(load(config, None, SETTINGS, as_of=6 * SECOND)) == 2
        fsspec.filesystem("memory").rm("grown", recursive=True)


class TestOtherSources:
    CONFIG = SyntheticData(users=30, items=20, interactions=200)

    def test_a_made_world(self) -> None:
        whole = load(self.CONFIG, None, SETTINGS)
        assert whole.timestamp is not None
        cut = int(np.sort(whole.timestamp)[120])
        data = load(self.CONFIG, None, SETTINGS, as_of=cut)
        kept = whole.timestamp <= cut
        wanted = zip(
            whole.users.ids[whole.user[kept]], whole.items.ids[whole.item[kept]], whole.timestamp[kept], strict=True
        )
        assert [(user, item, at) for user, item, _, at in rows_of(data)] == list(wanted)
        assert data.account["read"] == int(kept.sum())
        found = newest(self.CONFIG, SETTINGS, cut)
        assert found == Freshness(int(kept.sum()), cut, int(whole.timestamp.min()), int((~kept).sum()))
        with pytest.raises(InputError, match=r"^synthetic data: all 200 rows are later than 1970-01-01 00:00:00"):
            load(self.CONFIG, None, SETTINGS, as_of=0)

    @pytest.mark.data
    def test_movielens(self, data_dir: Path) -> None:
        settings = Settings(data_dir=data_dir)
        config: DataConfig = MovieLensData(source="movielens-100k")
        data = load(config, None, settings, as_of=885_000_000 * SECOND)
        assert data.timestamp is not None
        assert data.timestamp.max() <= 885_000_000 * SECOND
        found = newest(config, settings, 885_000_000 * SECOND)
        assert (found.rows, found.rows + found.later) == (len(data), 100_000)

    def test_each_users_own_order_is_no_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from dataclasses import replace

        from recsys.data import movielens, movielens_files

        folder = tmp_path / "ml-1m"
        folder.mkdir()
        (folder / "ratings-seq.dat").write_text("1::1::5::1\n2::2::4::1\n")
        (folder / "movies.dat").write_text("1::A (1999)::Drama\n2::B (1998)::Drama\n")
        (folder / "users.dat").write_text("1::F::1::10::1\n2::M::1::10::1\n")
        facts = replace(movielens_files.FACTS["movielens-1m"], ratings=2)
        for module in (movielens, movielens_files):
            monkeypatch.setitem(module.FACTS, "movielens-1m", facts)
        config = MovieLensData(source="movielens-1m", path=str(folder))
        assert len(load(config, None, SETTINGS)) == 2
        for asked in (lambda: load(config, None, SETTINGS, as_of=5), lambda: newest(config, SETTINGS, 5)):
            with pytest.raises(InputError) as caught:
                asked()
            assert str(caught.value) == (
                f"{folder}/ratings-seq.dat: it holds each user's own order in place of times, and rows up to "
                "1970-01-01 00:00:00 are asked for; use the official file with times, or ask for all rows"
            )

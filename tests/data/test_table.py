"""The user's own tables: roles, files in many places, and what is refused, word for word."""

import datetime as dt
import gzip
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data import unpack
from recsys.data.config import Predefined, TableData
from recsys.data.dataset import Dataset
from recsys.data.load import inputs, load, read
from recsys.data.values import MISSING
from recsys.errors import InputError, RunError
from recsys.settings import Settings

EVENTS = "user,item,rating,ts\n2,a,5,100\n10,b,4,200\n2,c,1,150\n"
SETTINGS = Settings()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str | bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def config(interactions: str = "events.csv", **more: Any) -> TableData:
    return TableData(source="table", interactions=interactions, **more)


def load_table(*args: Any, predefined: Predefined | None = None, **more: Any) -> Dataset:
    return load(config(*args, **more), predefined, SETTINGS)


def triples(data: Dataset) -> list[tuple[Any, ...]]:
    return list(zip(data.users.ids[data.user], data.items.ids[data.item], strict=True))


def refusal(*args: Any, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_table(*args, **more)
    return str(caught.value)


class TestRoles:
    def test_named_columns(self) -> None:
        write("events.csv", EVENTS)
        data = load_table(columns={"value": "rating", "timestamp": "ts"})
        assert data.users.ids.tolist() == [2, 10]
        assert data.items.ids.tolist() == ["a", "b", "c"]
        assert triples(data) == [(2, "a"), (10, "b"), (2, "c")]
        assert data.value is not None
        assert data.value.tolist() == [5, 4, 1]
        assert data.timestamp is not None
        assert data.timestamp.tolist() == [100_000_000, 200_000_000, 150_000_000]
        assert (data.user.dtype, data.item.dtype, data.value.dtype) == (np.int32, np.int32, np.float32)
        assert data.account == {
            "read": 3,
            "dropped_duplicates": 0,
            "dropped_min_user_count": 0,
            "dropped_min_item_count": 0,
            "kept": 3,
        }

    def test_optional_roles_left_out_and_not_there(self) -> None:
        write("events.csv", EVENTS)
        data = load_table()
        assert data.value is None
        assert data.timestamp is None

    def test_optional_roles_left_out_and_there(self) -> None:
        write("events.csv", "timestamp,value,item,user\n100,5,a,2\n200,4,b,10\n")
        data = load_table()
        assert data.value is not None
        assert data.timestamp is not None
        assert triples(data) == [(2, "a"), (10, "b")]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            (
                {"item": "produkt"},
                "data.columns.item: the file events.csv has no column 'produkt'; it has: product, user, rating, ts",
            ),
            ({}, "data.columns.item: the file events.csv has no column 'item'; it has: ts, user, product, rating"),
            (
                {"item": "product", "value": "value"},
                "data.columns.value: the file events.csv has no column 'value'; it has: user, product, rating, ts",
            ),
            (
                {"item": "product", "timestamp": "time"},
                "data.columns.timestamp: the file events.csv has no column 'time'; it has: rating, user, product, ts",
            ),
            (
                {"item": "product", "session": "visit"},
                "data.columns.session: 'visit' names a column of the sessions, and no file of them is given; "
                "add data.sessions: FILE",
            ),
        ],
    )
    def test_a_named_column_must_be_there(self, columns: dict[str, str], message: str) -> None:
        write("events.csv", "user,product,rating,ts\n1,2,3,4\n")
        assert refusal(columns=columns) == message

    def test_a_file_without_header(self) -> None:
        write("u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
        assert refusal("u.data") == (
            "u.data: the first line is '196, 242, 3, 881250949'; a header line with column names is needed"
        )


class TestEntities:
    def test_features_come_by_id_and_unlisted_ones_are_missing(self) -> None:
        write("events.csv", EVENTS)
        write("items.csv", "item,title,price\nb,Bee,2.5\nz,Zed,\na,Ay,1\n")
        write("users.csv", "user,item\n2,x\n")
        data = load_table(items="items.csv", users="users.csv")
        assert data.items.ids.tolist() == ["a", "b", "c", "z"]
        assert data.items.features["title"].tolist() == ["Ay", "Bee", np.nan, "Zed"]
        np.testing.assert_array_equal(data.items.features["price"], [1, 2.5, np.nan, np.nan])
        assert data.items.kinds == {"title": "text", "price": "number"}
        assert data.users.features["item"].tolist() == ["x", np.nan]

    def test_a_feature_named_like_the_id(self) -> None:
        write("events.csv", EVENTS.replace("item", "sku"))
        write("items.csv", "sku,item\na,x\nb,x\n")
        data = load_table(items="items.csv", columns={"item": "sku"})
        assert data.items.features["item_"].tolist() == ["x", "x", np.nan]

    def test_ids_are_strings_when_one_table_holds_strings(self) -> None:
        write("events.csv", "user,item\n1,10\n2,9\n")
        write("items.csv", "item,title\n10,x\n9,y\nA,z\n")
        assert load_table(items="items.csv").items.ids.tolist() == ["10", "9", "A"]

    @pytest.mark.parametrize("odd", ["x", "007", "+7", " 7", "7.0", "99999999999999999999", "é"])
    @pytest.mark.parametrize("place", [0, 70])
    def test_what_the_first_rows_hold_decides_nothing(self, odd: str, place: int) -> None:
        """The first fifty rows are looked at to read integers faster; one name among them or below makes all names."""
        ids = [str(number) for number in range(100, 200)]
        ids[place] = odd
        write("events.csv", "user,item\n" + "".join(f"{name},1\n{name},2\n" for name in ids))
        data = load_table()
        assert data.users.ids.tolist() == sorted(ids)
        assert data.users.ids[data.user].tolist() == np.repeat(ids, 2).tolist()

    def test_an_id_that_is_missing_below_integers(self) -> None:
        write("events.csv", "user,item\n" + "".join(f"{number},1\n" for number in range(80)) + ",2\n5,3\n")
        assert refusal() == "events.csv, row 82: user is empty, an id is needed; leave the row out"

    @pytest.mark.parametrize(
        ("items", "message"),
        [
            (
                "item,title\na,1\nb,2\na,3\nb,4\n",
                "items.csv, row 4: item 'a' is listed a second time (1 more such row; first at 4); "
                "leave one row for each item",
            ),
            (
                "item,title\nA,1\nB,2\nC,3\nD,4\n",
                "items.csv: none of its 4 items ('A', 'B', 'C', …) occurs in events.csv ('a', 'b', 'c'); "
                "write the items with the same ids in both",
            ),
            ("item,title\na,1\n,2\n", "items.csv, row 3: item is empty, an id is needed; leave the row out"),
            (
                "id,title\na,1\n",
                "data.columns.item: the file items.csv has no column 'item'; it has: title, id; "
                "ids have the same name as in the interactions",
            ),
        ],
    )
    def test_refused(self, items: str, message: str) -> None:
        write("events.csv", EVENTS)
        write("items.csv", items)
        assert refusal(items="items.csv") == message


class TestFeaturesOfParquet:
    """Columns of types that text files do not have."""

    def items(self, values: Any, kind: Any = None, name: str = "x") -> Dataset:
        write("events.csv", "user,item\n1,1\n2,2\n1,3\n")
        pq.write_table(pa.table({"item": [1, 2, 3], name: pa.array(values, kind)}), "items.parquet")
        return load_table(items="items.parquet")

    @pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
    def test_dates_are_days_since_1970(self, kind: pa.DataType) -> None:
        items = self.items([dt.date(1970, 1, 2), None, dt.date(1950, 1, 1)], kind).items
        assert items.kinds == {"x": "number"}
        np.testing.assert_array_equal(items.features["x"], [1, np.nan, -7305])

    @pytest.mark.parametrize(
        ("values", "kind", "wanted"),
        [
            ([1984, None, 7], pa.int64(), ["1984", np.nan, "7"]),
            ([1984, 300, 7], pa.int16(), ["1984", "300", "7"]),
            ([1984.0, 1.5, None], pa.float64(), ["1984", "1.5", np.nan]),
            ([dt.date(2024, 1, 31)] * 3, pa.date32(), ["2024-01-31"] * 3),
            ([True, False, None], pa.bool_(), ["true", "false", np.nan]),
            ([["A", "B"], None, ["C"]], pa.list_(pa.string()), ["A|B", np.nan, "C"]),
        ],
    )
    def test_titles_are_text(self, values: list[Any], kind: pa.DataType, wanted: list[Any]) -> None:
        items = self.items(values, kind, "title").items
        assert items.kinds == {"title": "text"}
        assert items.features["title"].tolist() == wanted

    @pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
    def test_infinite_numbers(self, kind: pa.DataType) -> None:
        with pytest.raises(InputError) as caught:
            self.items([1.0, None, -float("inf")], kind)
        assert str(caught.value) == "items.parquet, row 3: x is '-inf', a finite number is needed; mend that row"

    @pytest.mark.parametrize(
        "kind",
        [
            pa.struct([("a", pa.int64())]),
            pa.map_(pa.string(), pa.int64()),
            pa.list_(pa.list_(pa.int64())),
            pa.list_(pa.struct([("a", pa.int64())])),
            pa.list_(pa.binary()),
            pa.large_list(pa.binary()),
        ],
    )
    def test_values_within_values(self, kind: pa.DataType) -> None:
        with pytest.raises(InputError) as caught:
            self.items([None, None, None], kind)
        message = str(caught.value)
        assert message.startswith(f"items.parquet: column 'x' of type {str(kind).partition('<')[0]}<")
        assert message.endswith(
            " holds values within values; write each as a column of its own, or leave the column out"
        )

    def test_lists_of_fixed_size(self) -> None:
        kind = pa.list_(pa.int64(), 2)
        assert self.items([[1, 2], [2, 3], [1, None]], kind).items.features["x"].tolist() == ["1|2", "2|3", "1"]
        with pytest.raises(InputError) as caught:
            self.items([[1, 2], None, [3, 4]], kind)
        assert str(caught.value) == (
            "items.parquet: a column of lists of fixed size has rows without a list, which cannot be read; "
            "write lists of any size, or leave the column out"
        )


class TestSessions:
    def test_rows_come_by_session_in_order(self) -> None:
        write("events.csv", EVENTS)
        write("views.csv", "visit,place,item,user\ns2,2,b,2\ns1,1,z,\ns2,1,a,2\ns2,10,a,2\n")
        data = load_table(sessions="views.csv", columns={"session": "visit", "order": "place"})
        assert data.sessions is not None
        assert data.sessions["session"].tolist() == [0, 0, 0, 1]
        assert data.items.ids[data.sessions["item"]].tolist() == ["a", "b", "a", "z"]
        assert data.sessions["user"].tolist() == [0, 0, 0, -1]

    def test_one_column_may_play_two_roles(self) -> None:
        write("events.csv", "user_id,item_id\n1,5\n2,6\n")
        write("views.csv", "user_id,position,item_id\n1,1,5\n1,0,6\n")
        roles = {"user": "user_id", "item": "item_id", "session": "user_id", "order": "position"}
        data = load_table(sessions="views.csv", columns=roles)
        assert data.sessions is not None
        assert data.sessions.to_dict("list") == {"session": [0, 0], "item": [1, 0], "user": [0, 0]}

    def test_sessions_without_users_and_order(self) -> None:
        write("events.csv", EVENTS)
        write("views.csv", "session,item\ns2,b\ns1,a\ns2,a\n")
        data = load_table(sessions="views.csv")
        assert data.sessions is not None
        assert data.sessions.to_dict("list") == {"session": [0, 0, 1], "item": [1, 0, 0]}

    @pytest.mark.parametrize(
        ("text", "columns", "message"),
        [
            (
                "visit,item\n1,a\n",
                {},
                "data.columns.session: the file views.csv has no column 'session'; it has: visit, item",
            ),
            (
                "session,item\n1,a\n",
                {"order": "place"},
                "data.columns.order: the file views.csv has no column 'place'; it has: item, session",
            ),
            ("session,item\n1,\n", {}, "views.csv, row 2: item is empty, an id is needed; leave the row out"),
        ],
    )
    def test_refused(self, text: str, columns: dict[str, str], message: str) -> None:
        write("events.csv", EVENTS)
        write("views.csv", text)
        assert refusal(sessions="views.csv", columns=columns) == message


class TestPlaces:
    """The same table, wherever it lies."""

    @pytest.fixture(autouse=True)
    def files(self) -> Iterator[None]:
        first, second = "user,item\n1,a\n", "item,user\nb,2\n"
        write("one.csv", "user,item\n1,a\n2,b\n")
        write("packed.csv.gz", gzip.compress(b"user,item\n1,a\n2,b\n"))
        write("LOUD.CSV.GZ", gzip.compress(b"user,item\n1,a\n2,b\n"))
        write("folder/b.csv", second)
        write("folder/a.csv", first)
        write("folder/_SUCCESS", "")
        write("folder/.hidden.csv", "x")
        write("folder/readme.md", "x")
        pd.DataFrame({"user": [1, 2], "item": ["a", "b"]}).to_parquet("one.parquet")
        write("parts/day=1/x.parquet", b"")
        pd.DataFrame({"user": [1], "item": ["a"]}).to_parquet("parts/day=1/x.parquet")
        pd.DataFrame({"user": np.array([2], "int32"), "item": ["b"]}).to_parquet("parts/day=2.parquet")
        memory = fsspec.filesystem("memory")
        for name, text in (("bucket/b.csv", second), ("bucket/a.csv", first)):
            memory.pipe(name, text.encode())
        memory.pipe("packed/one.csv.gz", gzip.compress(b"user,item\n1,a\n2,b\n"))
        yield
        memory.rm("bucket", recursive=True)
        memory.rm("packed", recursive=True)

    @pytest.mark.parametrize(
        "path",
        [
            "one.csv",
            "packed.csv.gz",
            "LOUD.CSV.GZ",
            "folder",
            "folder/*.csv",
            "fold*/[ab].csv",
            "one.parquet",
            "parts",
            "memory://bucket",
            "memory://bucket/*.csv",
            "memory://packed/one.csv.gz",
        ],
    )
    def test_read(self, path: str) -> None:
        assert triples(load_table(path)) == [(1, "a"), (2, "b")]

    def test_absolute_and_file_uri_and_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        for path in (str(tmp_path / "one.csv"), f"file://{tmp_path}/one.csv", str(tmp_path / "f*/*.csv"), "~/one.csv"):
            assert triples(load_table(path)) == [(1, "a"), (2, "b")]

    def test_rows_are_named_by_their_own_file(self) -> None:
        write("folder/b.csv", "item,user\nb,2\nc,\n")
        assert refusal("folder") == "folder/b.csv, row 3: user is empty, an id is needed; leave the row out"

    def test_rows_of_parquet_are_counted_without_header(self) -> None:
        pd.DataFrame({"user": [1, 2], "item": ["a", None]}).to_parquet("one.parquet")
        assert refusal("one.parquet") == "one.parquet, row 2: item is empty, an id is needed; leave the row out"

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("ones.csv", "data.interactions: there is no file ones.csv; did you mean one.csv?"),
            (
                "none/*.csv",
                "data.interactions: no file matches none/*.csv; tables end in .csv, .tsv, .txt, .dat, "
                ".parquet, .pq, also with .gz",
            ),
            (
                "memory://bucket/c.csv",
                "data.interactions: there is no file memory://bucket/c.csv; name one that is there",
            ),
            (
                "foo://bucket/c.csv",
                "data.interactions: 'foo' is no known kind of file system; see fsspec.io for those there are",
            ),
            (
                f"{'x' * 300}.csv",
                f"{'x' * 59}…: the file cannot be read (File name too long); name one that can be read",
            ),
            (
                "~nosuch/x.csv",
                "data.interactions: names the home of a user who is not there: ~nosuch/x.csv; write the path in full",
            ),
            (
                "zip://a.csv::/nope.zip",
                "zip://a.csv::/nope.zip: the file cannot be read (No such file or directory); "
                "name one that can be read",
            ),
            (
                "ftp://me:Canary@127.0.0.1:1/x?key=Canary",
                "ftp://127.0.0.1:1/x?key=***: the file cannot be read (Connection refused); name one that can be read",
            ),
        ],
    )
    def test_missing(self, path: str, message: str) -> None:
        assert refusal(path) == message

    @pytest.mark.parametrize("path", ["reference://x", "github://x", "github://me:Canary@org/x"])
    def test_addresses_that_a_file_system_does_not_take(self, path: str) -> None:
        message = refusal(path)
        assert path.replace("me:Canary@", "") in message or "needs a package" in message
        assert "Canary" not in message

    @pytest.mark.parametrize("path", ["folder", "folder/*", "folder/**", "folder/c.csv"])
    @pytest.mark.parametrize("kind", ["loop", "dangling", "pipe"])
    def test_what_is_named_like_a_table_and_is_no_file(self, path: str, kind: str) -> None:
        odd = Path("folder/c.csv")
        if kind == "pipe":
            os.mkfifo(odd)
            wanted = "is a pipe, a device or a socket; write what it brings to a file, and name that"
        else:
            odd.symlink_to("c.csv" if kind == "loop" else "none.csv")
            wanted = "is a link that leads to no file; mend the link, or leave it out"
        assert refusal(path) == f"folder/c.csv: {wanted}"

    def test_a_device(self) -> None:
        assert refusal("/dev/zero").startswith("/dev/zero: is a pipe, a device or a socket; write")

    def test_a_linked_folder_with_tables(self) -> None:
        Path("folder/more").symlink_to("../parts", target_is_directory=True)
        assert refusal("folder") == (
            "folder/more: is a link to a folder with tables, and links to folders are not followed; "
            "put the tables there, or give the link a name with a dot in front"
        )

    def test_links_that_leave_nothing_out(self) -> None:
        Path("folder/again").symlink_to(".", target_is_directory=True)
        write("docs/readme.md", "x")
        Path("folder/docs").symlink_to("../docs", target_is_directory=True)
        Path("folder/.hidden").symlink_to("../parts", target_is_directory=True)
        Path("folder/c.csv").symlink_to("../folder/c.txt")
        write("folder/c.txt", "user,item\n3,c\n")
        assert triples(load_table("folder", duplicates="first")) == [(1, "a"), (2, "b"), (3, "c")]

    def test_a_pattern_that_matches_folders(self) -> None:
        assert refusal("parts/*") == (
            "parts/day=1: matches parts/*, and is a folder with tables that do not, such as x.parquet; "
            "have the pattern match files (**/*.csv: at any depth)"
        )
        assert refusal("par*").startswith("parts: matches par*, and is a folder with tables that do not")
        assert triples(load_table("parts/**")) == [(1, "a"), (2, "b")]
        Path("folder/again").symlink_to(".", target_is_directory=True)
        Path("folder/empty").mkdir()
        assert triples(load_table("folder/[abe]*")) == [(1, "a"), (2, "b")]

    def test_a_folder_without_tables(self) -> None:
        write("docs/readme.md", "x")
        assert refusal("docs").startswith(
            "data.interactions: the folder docs holds no table; it has readme.md; tables end"
        )

    @pytest.mark.skipif(find_spec("gcsfs") is not None, reason="gcsfs is installed")
    def test_an_extra_package_is_named(self) -> None:
        message = refusal("gcs://bucket/c.csv")
        assert message.startswith("data.interactions: gcs:// needs a package that is not installed (")
        assert "gcsfs" in message

    def test_other_columns_in_the_second_file(self) -> None:
        write("folder/b.csv", "item,person,rating\nb,2,3\n")
        assert refusal("folder") == (
            "folder/b.csv: its columns are not those of folder/a.csv: without user and with person, rating; "
            "all files of data.interactions need the same header"
        )

    def test_other_types_in_the_second_file(self) -> None:
        pd.DataFrame({"user": [2.5], "item": ["b"]}).to_parquet("parts/day=2.parquet")
        assert (
            refusal("parts")
            == "parts/day=2.parquet, row 1: user is '2.5', an id is an integer or a string; mend that row"
        )
        pd.DataFrame({"user": ["2"], "item": ["b"]}).to_parquet("parts/day=2.parquet")
        assert triples(load_table("parts")) == [(1, "a"), (2, "b")]
        pd.DataFrame({"user": [[1]], "item": ["b"]}).to_parquet("parts/day=2.parquet")
        assert "column 'user' is int64 in one file and list" in refusal("parts")

    @pytest.mark.parametrize("name", ["bomb.csv.gz", "memory://packed/one.csv.gz"])
    def test_what_unpacks_without_end(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unpack, "MOST_BYTES", 1_000_000)
        monkeypatch.setattr(unpack, "PIECE", 1 << 16)
        packed = gzip.compress(b"user,item\n1,a\n2,b\n" + b"\n" * 3_000_000)
        write("bomb.csv.gz", packed)
        fsspec.filesystem("memory").pipe("packed/one.csv.gz", packed)
        assert refusal(name) == (
            f"{name}: its {len(packed):,} bytes unpack to more than 200 times as many, which no table does; "
            "look at what it holds; if it is a table, name it unpacked"
        )
        monkeypatch.setattr(unpack, "MOST_BYTES", 4_000_000)
        assert triples(load_table(name)) == [(1, "a"), (2, "b")]

    def test_a_table_that_hardly_changes_unpacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unpack, "MOST_BYTES", 1_000_000)
        rows = "".join(f"{user},{user % 2},{'a constant label ' * 5}\n" for user in range(40_000))
        content = f"user,item,label\n{rows}".encode()
        packed = gzip.compress(content)
        assert len(content) > max(20 * len(packed), 3_000_000)
        write("same.csv.gz", packed)
        assert len(load_table("same.csv.gz")) == 40_000

    def test_damaged_files(self) -> None:
        write("packed.csv.gz", gzip.compress(b"user,item\n1,a\n2,b\n")[:-9])
        assert refusal("packed.csv.gz").startswith("packed.csv.gz: the file is damaged or not made by gzip")
        write("one.parquet", b"PAR1xxxxPAR1")
        assert refusal("one.parquet").startswith("one.parquet: the file is damaged or not parquet")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self) -> None:
        Path("one.csv").chmod(0)
        assert refusal("one.csv") == "one.csv: the file cannot be read (Permission denied)"


class TestBadValues:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "user,item,value\n1,a,great\n",
                "events.csv, row 2: value is 'great', a number is needed; mend that row",
            ),
            (
                "user,item,value\n1,a,inf\n",
                "events.csv, row 2: value is 'inf', a finite number is needed; mend that row",
            ),
            (
                "user,item\n1,a\n2\n",
                "events.csv, row 3: 1 field, the header names 2 columns; "
                "quote values that hold the separator or a line end",
            ),
            ("user,item\n", "events.csv: there are no rows below the header; at least a few interactions are needed"),
            (
                "user,item\n1,a\n1,b\n",
                "events.csv: all 2 rows are of one user, 1; at least two users and two items are "
                "needed; is data.columns.user the right column?",
            ),
            (
                "user,item\n1,a\n2,a\n",
                "events.csv: all 2 rows are of one item, 'a'; at least two users and two items "
                "are needed; is data.columns.item the right column?",
            ),
        ],
    )
    def test_refused(self, text: str, message: str) -> None:
        write("events.csv", text)
        assert refusal() == message

    def test_the_row_far_down(self) -> None:
        rows = [f"{n},{n % 7},{n % 5}" for n in range(10_440)]
        write("events.csv", "\n".join(["user,item,rating", *rows, "5,5,great", "6,5,?", "7,5,-", "8,5,x"]))
        assert refusal(columns={"value": "rating"}) == (
            "events.csv, row 10,442: rating is 'great', a number is needed (3 more such rows; first at 10,442); "
            "mend that row"
        )


class TestPredefined:
    def test_rows_get_their_part(self) -> None:
        write("events.csv", EVENTS)
        write("test.csv", "item,user,ts,rating\nb,2,300,3\nq,11,400,3\n")
        write("valid.csv", "user,item,rating,ts,more\n10,a,2,250,x\n")
        data = load_table(
            columns={"value": "rating", "timestamp": "ts"},
            predefined=Predefined(test="test.csv", validation="valid.csv"),
        )
        assert data.part is not None
        assert data.part.tolist() == [0, 0, 0, 1, 1, 2]
        assert data.part.dtype == np.int8
        assert data.users.ids.tolist() == [2, 10, 11]
        assert triples(data)[3:] == [(2, "b"), (11, "q"), (10, "a")]
        assert data.value is not None
        assert data.value.tolist() == [5, 4, 1, 3, 3, 2]

    def test_min_counts_leave_the_test_rows(self) -> None:
        write("events.csv", "user,item\n1,a\n1,b\n2,a\n2,b\n3,c\n")
        write("test.csv", "user,item\n3,c\n1,c\n")
        data = load_table(predefined=Predefined(test="test.csv"), min_user_count=2, min_item_count=2)
        assert triples(data) == [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "c"), (1, "c")]
        assert data.account["dropped_min_user_count"] == 1
        assert data.account["kept"] == 6

    @pytest.mark.parametrize(
        ("test", "message"),
        [
            ("user,item\n1,a\n", "split.test: the file test.csv has no column 'rating'; it has: user, item"),
            (
                "user,item,rating\n1,a,x\n",
                "test.csv, row 2: rating is 'x', a number is needed; mend that row",
            ),
            ("user,rating\n1,2\n", "data.columns.item: the file test.csv has no column 'item'; it has: user, rating"),
        ],
    )
    def test_refused(self, test: str, message: str) -> None:
        write("events.csv", EVENTS)
        write("test.csv", test)
        assert refusal(columns={"value": "rating"}, predefined=Predefined(test="test.csv")) == message

    def test_missing_file(self) -> None:
        write("events.csv", EVENTS)
        assert refusal(predefined=Predefined(test="tests.csv")).startswith("split.test: there is no file tests.csv")

    def test_duplicates_within_the_test_file_are_named_there(self) -> None:
        write("events.csv", EVENTS)
        write("test.csv", "user,item\n2,a\n2,a\n")
        assert refusal(predefined=Predefined(test="test.csv")) == (
            "test.csv, row 3: user 2 and item 'a' are in row 2 already; "
            "say what to do with them, data.duplicates: first, last, sum or keep"
        )


class TestInputs:
    def test_digests_follow_the_content(self) -> None:
        write("folder/a.csv", EVENTS)
        write("folder/b.csv", EVENTS)
        write("items.csv", "item\na\n")
        write("test.csv", EVENTS)
        spec = config("folder", items="items.csv")
        first = inputs(spec, Predefined(test="test.csv"), SETTINGS)
        assert list(first) == [
            "interactions 1: a.csv",
            "interactions 2: b.csv",
            "items: items.csv",
            "test: test.csv",
        ]
        assert first == inputs(spec, Predefined(test="test.csv"), SETTINGS)
        write("folder/b.csv", EVENTS + "9,z,1,1\n")
        second = inputs(spec, Predefined(test="test.csv"), SETTINGS)
        assert [name for name in first if first[name] != second[name]] == ["interactions 2: b.csv"]

    def test_files_that_change_while_they_are_read(self) -> None:
        write("events.csv", EVENTS)
        before = inputs(config(), None, SETTINGS)
        assert len(load(config(), None, SETTINGS, expected=before)) == 3
        write("events.csv", EVENTS + "9,z,1,1\n")
        with pytest.raises(RunError) as caught:
            load(config(), None, SETTINGS, expected=before)
        assert str(caught.value) == (
            "interactions: events.csv: the file changed while it was read; run again when nobody writes to it"
        )

    def test_missing_file(self) -> None:
        with pytest.raises(InputError, match=r"data\.interactions: there is no file events\.csv"):
            inputs(config(), None, SETTINGS)


# The writer of pandas leaves a carriage return unquoted.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1, max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.tuples(texts | st.integers().map(str), texts), st.floats(width=32, allow_nan=False, allow_infinity=False)
    ),
    st.sampled_from([",", "\t", ";", "|"]),
)
def test_ids_and_values_come_back_as_they_were_written(found: dict[tuple[str, str], float], separator: str) -> None:
    pairs = {("u1", "i1"): 1.0, ("u2", "i2"): 2.0} | found
    pairs = {pair: value for pair, value in pairs.items() if not any(one.strip() in MISSING for one in pair)}
    frame = pd.DataFrame([(*pair, value) for pair, value in pairs.items()], columns=["user", "item", "value"])
    frame.to_csv("events.csv", index=False, sep=separator)
    data = load_table()
    assert triples(data) == list(pairs)
    assert data.value is not None
    np.testing.assert_array_equal(data.value, np.array(list(pairs.values()), np.float32))


def test_what_is_read_is_the_same_from_csv_and_parquet() -> None:
    write("events.csv", EVENTS)
    pd.read_csv("events.csv").to_parquet("events.parquet")
    roles = {"value": "rating", "timestamp": "ts"}
    one, other = (read(config(name, columns=roles), None, SETTINGS) for name in ("events.csv", "events.parquet"))
    for column in ("value", "timestamp"):
        assert one.interactions[column].tolist() == other.interactions[column].tolist()
    assert triples(load_table(columns=roles)) == triples(load_table("events.parquet", columns=roles))

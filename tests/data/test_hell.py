"""Tables as they should never be: each loads with every row accounted for, or is refused by place and with a remedy."""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import datetime as dt
import gzip
import io
import random
import sqlite3
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data import encoding, movielens
from recsys.data.build import check_weight
from recsys.data.config import DataConfig, MovieLensData, SqlData, TableData
from recsys.data.dataset import Dataset
from recsys.data.load import load
from recsys.data.movielens_files import FACTS
from recsys.data.propose import propose
from recsys.data.summary import summary_lines
from recsys.errors import InputError
from recsys.settings import Settings

EXAMPLES = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = {"user", "item"}
Pairs = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(config: DataConfig) -> Dataset | InputError:
    """The data set, or its refusal, which names a place and a remedy in a few lines; nothing else, and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            data = load(config, None, Settings())
        except InputError as error:
            refusal = error
        else:
            assert summary_lines(data)
            return accounted(data)
    assert refusal.place
    assert refusal.remedy
    assert len(str(refusal)) < 600
    return refusal


def accounted(data: Dataset) -> Dataset:
    """The same, once its account adds up."""
    left_out = sum(n for reason, n in data.account.items() if reason.startswith("dropped"))
    assert data.account["read"] == data.account["kept"] + left_out == len(data) + left_out
    return data


def table(name: str = "events.csv", **more: Any) -> TableData:
    return TableData(source="table", interactions=name, duplicates="keep", **more)


def pairs(data: Dataset) -> Pairs:
    ids = data.users.ids[data.user], data.items.ids[data.item]
    return [(str(user), str(item)) for user, item in zip(*ids, strict=True)]


HEAD = b"user,item\n"
CUT = "a quote opens a value and no quote closes it before a separator or the end of the line"
CLOSE = "close it, or write quotes inside a quoted value twice"
ZERO = "the row holds a zero byte: the file is binary, damaged, or UTF-16 without mark; save it as UTF-8"
RAGGED = "quote values that hold the separator or a line end"

CORPUS: dict[str, tuple[bytes, Pairs | str]] = {
    # Kept as it is.
    "spaces, emoji, commas": (HEAD + '" a b ","x, y"\n😀,b\n'.encode(), [(" a b ", "x, y"), ("😀", "b")]),
    "leading zeros": (HEAD + b"007,01\n7,1\n", [("007", "01"), ("7", "1")]),
    "integers of 64 bits": (
        HEAD + b"9223372036854775807,1\n-9223372036854775808,2\n",
        [("9223372036854775807", "1"), ("-9223372036854775808", "2")],
    ),
    "2 to the 63": (HEAD + b"9223372036854775808,1\n5,2\n", [("9223372036854775808", "1"), ("5", "2")]),
    "numbers that are no integers": (HEAD + b"1.0,+1\n1e3,-0\n", [("1.0", "+1"), ("1e3", "-0")]),
    "a byte-order mark below the header": (
        codecs.BOM_UTF8 + HEAD + codecs.BOM_UTF8 + b"a,x\nb,y\n",
        [("\ufeffa", "x"), ("b", "y")],
    ),
    "line ends of three kinds": (HEAD + b"1,2\r\n3,4\r5,6\n\n7,8\r", [("1", "2"), ("3", "4"), ("5", "6"), ("7", "8")]),
    "line ends in quotes": (HEAD + b'"1\r\n2",a\n3,b\n', [("1\r\n2", "a"), ("3", "b")]),
    "other line ends of Unicode": (HEAD + "1\u2028,a\n2\x0b,b\n".encode(), [("1\u2028", "a"), ("2\x0b", "b")]),
    "quotes that are letters": (
        HEAD + b'a,"Low\nb,12" mix\nc,"Cut\n',
        [("a", '"Low'), ("b", '12" mix'), ("c", '"Cut')],
    ),
    # Refused.
    "cut in a row": (HEAD + b"1,2\n3", f"events.csv, row 3: 1 field, the header names 2 columns; {RAGGED}"),
    "cut in quotes": (HEAD + b'1,"a, b"\n2,"c', f"events.csv, row 3: {CUT}; {CLOSE}"),
    "a quote that swallows rows": (
        HEAD + b'1,"a, b"\n2,"c\n3,d\n4,e\n',
        f"events.csv, row 3: {CUT}; {CLOSE}",
    ),
    "a quote that swallows rows of a file in quotes": (
        b'"user","item"\n"1","2"\n"3","4\n"5","6"\n',
        f"events.csv, row 3: {CUT}; {CLOSE}",
    ),
    "a quote in the header": (
        b'"user,item\n1,2\n',
        "data.columns.user: the file events.csv has no column 'user'; it has: \"user, item",
    ),
    "the header again": (
        HEAD + b"1,2\nuser,item\n3,4\nuser,item\n",
        "events.csv, row 3: the row is the header again (1 more such row; first at 3); leave the row out",
    ),
    "the header again, with a byte-order mark": (
        HEAD + b"1,2\n" + codecs.BOM_UTF8 + b"user,item\n3,4\n",
        "events.csv, row 3: the row is the header again; leave the row out",
    ),
    "another separator": (
        b"user,item\n1;2\n3;4\n",
        f"events.csv, row 2: 1 field, the header names 2 columns (1 more such row; first at 2); {RAGGED}",
    ),
    "an empty id": (HEAD + b"1,2\n,3\n", "events.csv, row 3: user is empty, an id is needed; leave the row out"),
    "two encodings": (
        HEAD + "é,1\n".encode() + "é,2\n".encode("latin-1"),
        "events.csv, row 3: byte 15 of the file is 0xe9, which is not UTF-8; save it as UTF-8, for example: "
        "iconv -f ISO-8859-1 -t UTF-8 events.csv > utf8-events.csv",
    ),
    "two encodings, old line ends": (
        b"user,item\ra,1\r\xe9,2\r",
        "events.csv, row 3: byte 14 of the file is 0xe9, which is not UTF-8; save it as UTF-8, for example: "
        "iconv -f ISO-8859-1 -t UTF-8 events.csv > utf8-events.csv",
    ),
    "a zero byte": (HEAD + b"1,2\n3,\x004\n", f"events.csv, row 3: {ZERO}"),
    "a zero byte far down": (HEAD + b"1,2\n" * 30_000 + b"3,\x00\n", f"events.csv, row 30,002: {ZERO}"),
}


@pytest.mark.parametrize(("content", "outcome"), CORPUS.values(), ids=CORPUS)
def test_a_table_loads_whole_or_is_refused_by_row(content: bytes, outcome: Pairs | str) -> None:
    Path("events.csv").write_bytes(content)
    found = loaded(table())
    assert (str(found) if isinstance(found, InputError) else pairs(found)) == outcome


@pytest.mark.parametrize(
    ("times", "outcome"),
    [
        (("0", "-1", "1"), "1969-12-31T23:59:59"),
        (("1950-01-31", "2024-01-31", "2024-02-29"), "1950-01-31T00:00:00"),
        (("9999-12-31T23:59:59", "2024-01-01", "2024-01-02"), "2024-01-01T00:00:00"),
        (("2024-01-31T12:00:00+05:30", "2024-01-31T12:00:00Z", "2025-01-01T00:00:00Z"), "2024-01-31T06:30:00"),
        (("1700000000", "1700000000000", "1700000001"), "row 2: timestamp is '1700000000', which reads as seconds"),
        (("2024-01-31", "1700000000", "2024-01-31"), "row 3: timestamp is '1700000000', where the rows above hold"),
        (("2024-01-31T12:00Z", "2024-01-31T12:00", "2024-01-31T13:00"), "row 3: timestamp is '2024-01-31T12:00', w"),
        (("2024-02-30", "2024-01-31", "2024-01-31"), "row 2: timestamp is '2024-02-30', a time is needed"),
        (("1", "9223372036854775808000", "2"), "row 3: timestamp is '9223372036854775808000', a time is needed"),
    ],
)
def test_times_of_all_kinds(times: tuple[str, ...], outcome: str) -> None:
    rows = [f"{n},{n % 2},{time}" for n, time in enumerate(times)]
    Path("events.csv").write_text("user,item,timestamp\n" + "\n".join(rows))
    found = loaded(table())
    if isinstance(found, InputError):
        assert str(found).startswith(f"events.csv, {outcome}")
        return
    assert found.timestamp is not None
    first = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=int(found.timestamp.min()))
    assert first.isoformat() == outcome


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_line_that_is_too_long_is_refused_before_it_is_read(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "LONGEST_LINE", 100)
    whole = f"user,item{end}" + f"1,2{end}" * 200
    Path("events.csv").write_text(whole + "3," + "x" * 98 + end + "4,5" + end, newline="")
    assert isinstance(loaded(table()), Dataset)
    Path("events.csv").write_text(whole + "3," + "x" * 99 + end + "4,5" + end, newline="")
    assert str(loaded(table())) == (
        "events.csv, row 202: the line is longer than 100 bytes, which no row of a table is; "
        "is it one? Write one row a line"
    )


cells = st.one_of(
    st.sampled_from(["1", "007", " 7", "a b", "😀", "a,b", 'q"x', '"q"', '"', "x\ny", "x\r\ny", "9223372036854775808"]),
    st.sampled_from(["user", "item", "", "NULL", "\ufeffz", "\x1f", "\u2028", "a;b", "a\tb", "a|b", "a::b", "1.0"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
)
rows_of_two = st.lists(st.tuples(cells, cells), min_size=2, max_size=8)
harm = st.sampled_from([None, None, "cut", "flip", "repeat"])


def harmed(content: bytes, how: str | None, seed: int) -> bytes:
    """The bytes, cut, with three of them changed, or with a stretch of them twice."""
    rng = random.Random(seed)
    at, other = sorted((rng.randrange(len(content)), rng.randrange(len(content))))
    if how == "cut":
        return content[: at + 1]
    if how == "repeat":
        return content[:other] + content[at:]
    changed = bytearray(content)
    for _ in range(3 if how == "flip" else 0):
        changed[rng.randrange(len(content))] = rng.choice([10, 13, 34, 44, 59, 255, rng.randrange(256)])
    return bytes(changed)


def readings(text: str) -> list[list[list[str]]]:
    """What the csv module makes of a text: by the rules, line by line with quotes, and with quotes as letters."""
    found = []
    lines = [line for line in io.StringIO(text, newline="") if line.strip("\r\n")]
    for separator in ",;\t|":
        with contextlib.suppress(csv.Error):
            found.append(list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)))
        found.append([row for line in lines for row in csv.reader([line.rstrip("\r\n")], delimiter=separator)])
        found.append([line.rstrip("\r\n").split(separator) for line in lines])
    found.append([line.rstrip("\r\n").split("::") for line in lines])
    return [[row for row in rows if row] for rows in found]


def of_reading(rows: list[list[str]]) -> Pairs | None:
    """Users and items, where every row has as many fields as the header."""
    header = [name.strip() for name in rows[0]]
    if not header or not set(header) >= NAMES or any(len(row) != len(header) for row in rows):
        return None
    return [(row[header.index("user")], row[header.index("item")]) for row in rows[1:]]


@EXAMPLES
@given(
    rows=rows_of_two,
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    code=st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    packed=st.booleans(),
    how=harm,
    seed=st.integers(0, 2**32),
)
def test_text_is_read_as_the_csv_module_reads_it_or_refused(
    rows: Pairs, separator: str, end: str, quoting: Any, code: str, packed: bool, how: str | None, seed: int
) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end).writerows([("user", "item"), *rows])
    content = harmed(text.getvalue().encode(code, "replace"), how, seed)
    name = "events.csv.gz" if packed else "events.csv"
    Path(name).write_bytes(gzip.compress(content, 1) if packed else content)
    found = loaded(table(name))
    if isinstance(found, InputError):
        assert found.place.startswith((name, "data.columns."))
        return
    decoded = content.decode("utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
    assert pairs(found) in [of_reading(reading) for reading in readings(decoded)]
    assert propose(name).spec["data"]["interactions"] == name


letters = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=6)


@EXAMPLES
@given(st.data(), st.sampled_from(["csv", "parquet", "sql"]))
def test_ids_come_back_letter_for_letter_from_every_kind_of_table(draw: st.DataObject, kind: str) -> None:
    usual = letters.filter(lambda text: text.strip() == text and text.upper() not in ("NAN", "NULL", "NONE", "\\N"))
    # A value of a separator and a line end may look like two rows, and is refused then.
    usual = usual.filter(lambda text: kind != "csv" or "," not in text or not {"\r", "\n"} & set(text))
    ids = draw.draw(st.lists(usual.filter(lambda text: text not in NAMES), min_size=2, max_size=6, unique=True))
    written = [(ids[0], ids[1]), (ids[1], ids[0]), *((one, ids[0]) for one in ids)]
    config: DataConfig = table(f"events.{kind}")
    if kind == "csv":
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("user", "item"), *written])
        Path("events.csv").write_bytes(text.getvalue().encode())
    elif kind == "parquet":
        columns = dict(zip(("user", "item"), zip(*written, strict=True), strict=True))
        pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), "events.parquet")
    else:
        write_sqlite("events.db", written)
        config = SqlData(source="sql", table="events", duplicates="keep")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECSYS_SQL_URL", "sqlite:///events.db")
        found = loaded(config)
    if isinstance(found, InputError):
        assert "which marks a missing value" in found.message or "is empty" in found.message
        return
    assert (sorted(pairs(found)) if kind == "sql" else pairs(found)) == (sorted(written) if kind == "sql" else written)


def write_sqlite(name: str, rows: list[tuple[Any, ...]]) -> None:
    Path(name).unlink(missing_ok=True)
    connection = sqlite3.connect(name)
    connection.execute("CREATE TABLE events (user, item)")
    connection.executemany("INSERT INTO events VALUES (?, ?)", rows)
    connection.commit()
    connection.close()


def write_parquet() -> None:
    values = {"user": list(range(50)), "item": [f"i{n % 7}" for n in range(50)], "value": [1.5] * 50}
    pq.write_table(pa.table(values), "whole")


def write_database() -> None:
    write_sqlite("whole", [(n, f"i{n % 7}") for n in range(50)])


@pytest.mark.parametrize(
    ("write", "name", "config"),
    [
        (write_parquet, "events.parquet", table("events.parquet")),
        (write_database, "events.db", SqlData(source="sql", table="events", duplicates="keep")),
    ],
    ids=["parquet", "sqlite"],
)
def test_damaged_files_are_refused_or_hold_all_rows(
    write: Callable[[], None], name: str, config: DataConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_SQL_URL", "sqlite:///events.db")
    write()
    whole, refused = Path("whole").read_bytes(), 0
    for seed in range(60):
        Path(name).write_bytes(harmed(whole, ("cut", "flip", "flip")[seed % 3], seed))
        refused += isinstance(loaded(config), InputError)
    assert 5 < refused < 60


MOVIELENS = {
    "movielens-100k": {
        "u.data": b"1\t2\t3\t881250949\n2\t1\t4\t881250950\n1\t1\t5\t881250951\n",
        "u.item": b"1|Toy Story (1995)|01-Jan-1995||http://x|0|1\n2|Am\xe9lie (2001)|||http://x|1|0\n",
        "u.user": b"1|24|M|technician|85711\n2|53|F|other|94043\n",
        "u.genre": b"unknown|0\nAction|1\n",
    },
    "movielens-1m": {
        "ratings.dat": b"1::2::3::978300760\n2::1::4::978300761\n1::1::5::978300762\n",
        "movies.dat": b"1::Toy Story (1995)::Animation|Comedy\n2::Am\xe9lie::Drama\n",
        "users.dat": b"1::F::1::10::48067\n2::M::56::16::70072\n",
    },
    "movielens-latest-small": {
        "ratings.csv": b"userId,movieId,rating,timestamp\n1,2,4.0,964982703\n2,1,4.0,964981247\n1,1,5,964981248\n",
        "movies.csv": b'movieId,title,genres\n1,Toy Story (1995),Adventure|Comedy\n2,"A, b",(no genres listed)\n',
    },
}


@pytest.mark.parametrize("source", MOVIELENS)
@pytest.mark.parametrize("archived", [False, True])
def test_damaged_movielens_is_refused_or_holds_all_ratings(
    source: str, archived: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movielens, "FACTS", {source: dataclasses.replace(FACTS[source], ratings=3)})
    folder = Path(FACTS[source].folder)
    for seed in range(60):
        files = dict(MOVIELENS[source])
        victim = sorted(files)[seed % len(files)]
        if archived:
            with zipfile.ZipFile("set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in files.items():
                    archive.writestr(f"{folder}/{name}", content)
            Path("set.zip").write_bytes(harmed(Path("set.zip").read_bytes(), ("flip", "cut")[seed % 2], seed))
        else:
            folder.mkdir(exist_ok=True)
            for name, content in files.items():
                (folder / name).write_bytes(
                    harmed(content, ("flip", "cut")[seed // 4 % 2], seed) if name == victim else content
                )
        found = loaded(MovieLensData(source=source, path="set.zip" if archived else str(folder), duplicates="keep"))
        assert isinstance(found, InputError) or found.account["read"] == 3


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        (pa.array([2**64 - 1, 5], pa.uint64()), [str(2**64 - 1), "5"]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.array([1.0, 2.0], pa.float16()), ["1", "2"]),
        (pa.array([b"a", b"b"]), "user' holds values of type binary; integers or strings are needed"),
        (pa.array([[1], [2]]), "user' holds values of type list<element: int64>; integers or strings are needed"),
        (pa.array([1, None]), "row 2: user is empty, an id is needed; leave the row out"),
    ],
)
def test_ids_of_every_type_of_parquet(values: pa.Array, outcome: list[str] | str) -> None:
    pq.write_table(pa.table({"user": values, "item": ["x", "y"]}), "events.parquet")
    found = loaded(table("events.parquet"))
    if isinstance(found, InputError):
        assert str(found).endswith(str(outcome))
    else:
        assert [user for user, _ in pairs(found)] == outcome


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        (pa.array([2**62, 0], pa.timestamp("us")), "timestamp[us] outside the years 1 to 9999; mend that row"),
        (pa.array([2**40, 0], pa.timestamp("ms")), "2004-11-03"),
        (pa.array([2**62, 2**62], pa.timestamp("ns")), "2116-02-20"),
        (pa.array([2**31 - 1, 0], pa.date32()), "date32[day] outside the years 1 to 9999; mend that row"),
        (pa.array([2**63 + 2**61, 2**63], pa.uint64()), "2335-05-07"),
    ],
)
def test_times_of_every_type_of_parquet(values: pa.Array, outcome: str) -> None:
    pq.write_table(pa.table({"user": [1, 2], "item": ["x", "y"], "timestamp": values}), "events.parquet")
    found = loaded(table("events.parquet"))
    if isinstance(found, InputError):
        assert str(found).startswith("events.parquet, row 1: timestamp is '")
        assert str(found).endswith(outcome)
        return
    assert found.timestamp is not None
    assert str(np.datetime64(int(found.timestamp[0]), "us"))[:10] == outcome


def test_two_columns_of_parquet_with_one_name() -> None:
    columns = [pa.array([1, 2])] * 3
    pq.write_table(pa.Table.from_arrays(columns, names=["user", "item", "user"]), "events.parquet")
    assert str(loaded(table("events.parquet"))) == "events.parquet: two columns are named 'user'; rename one of them"


def test_features_that_cannot_be_read_are_named() -> None:
    Path("events.csv").write_text("user,item\n1,1\n2,2\n")
    for column, message in (
        (
            pa.array([b"\xff", b"a"]),
            "items.parquet: column 'picture' of type binary holds values that cannot be read",
        ),
        (
            pa.array([0, 2**31 - 1], pa.date32()),
            "items.parquet, row 2: picture is '2147483647', which is date32[day] outside the years 1 to 9999",
        ),
    ):
        pq.write_table(pa.table({"item": [1, 2], "picture": column}), "items.parquet")
        assert str(loaded(table(items="items.parquet"))).startswith(message)


def test_sums_and_weights_that_models_cannot_add_up_are_refused() -> None:
    Path("events.csv").write_text("user,item,value\n1,1,3e38\n1,1,3e38\n2,2,1\n")
    refusal = loaded(TableData(source="table", interactions="events.csv", duplicates="sum"))
    assert str(refusal) == "data.duplicates: a sum of values is too large: 3.4e38 at most; take first or last"
    data = loaded(table())
    assert isinstance(data, Dataset)
    check_weight(data, "log")
    with pytest.raises(
        InputError, match=r"^data\.weight: 'value' makes a row weigh 3e\+38, and models can add up to 1e"
    ):
        check_weight(data, "value")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("n", "pair_of"),
    [(10_000_000, lambda row: (row, row % 5000)), (1_000_001, lambda row: (row // 1_000_000, row))],
    ids=["ten million users of a row each", "a user of a million rows"],
)
def test_crowds_load_with_every_row(n: int, pair_of: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> None:
    user, item = pair_of(np.arange(n))
    pq.write_table(pa.table({"user": user, "item": item}), "events.parquet")
    data = loaded(table("events.parquet"))
    assert isinstance(data, Dataset)
    assert data.account["read"] == data.account["kept"] == len(data) == n
    np.testing.assert_array_equal(data.users.ids[data.user], user)
    np.testing.assert_array_equal(data.items.ids[data.item], item)


@pytest.mark.soak
def test_a_line_of_a_gigabyte_is_refused_in_the_memory_of_its_file() -> None:
    with Path("events.csv").open("wb") as file:
        file.write(HEAD + b"1,2\n3,")
        for _ in range(1000):
            file.write(b"x" * 1_000_000)
    code = """
from recsys.data.config import TableData
from recsys.data.load import load
from recsys.errors import InputError
from recsys.processes import peak_memory
from recsys.settings import Settings
try:
    load(TableData(source="table", interactions="events.csv"), None, Settings())
except InputError as error:
    print(error)
print(peak_memory())
"""
    said, memory = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said.startswith("events.csv, row 3: the line is longer than ")
    assert int(memory) < 1_300_000_000

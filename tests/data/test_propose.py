"""`recsys init`: roles guessed from names and values, and a spec that runs as it is."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from recsys.data.config import TableData
from recsys.data.guess import guess_roles, plain
from recsys.data.load import load
from recsys.data.propose import Proposal, propose
from recsys.data.tables import Table
from recsys.errors import InputError
from recsys.settings import Settings
from recsys.splits.config import SplitConfig
from recsys.splits.splitting import split


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, header: str, *rows: str) -> None:
    Path(name).write_text("\n".join([header, *rows]) + "\n")


def events(n: int = 400, users: int = 40, items: int = 30, **columns: Any) -> pd.DataFrame:
    """Distinct pairs in random order, with more columns: a function of (row numbers, generator) each."""
    generator = np.random.default_rng(0)
    pairs = generator.choice(users * items, n, replace=False)
    frame = pd.DataFrame({"user": pairs // items, "item": pairs % items})
    return frame.assign(**{name: make(np.arange(n), generator) for name, make in columns.items()})


def seconds(days: float) -> Any:
    return lambda row, _: 1_600_000_000 + row * int(days * 86_400)


def stars(row: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return generator.integers(1, 6, len(row))


def proposed(frame: pd.DataFrame, **files: str) -> Proposal:
    frame.to_csv("events.csv", index=False)
    proposal = propose("events.csv", **files)
    data = load(TableData.model_validate(proposal.spec["data"]), None, Settings())
    folds = list(split(data, TypeAdapter(SplitConfig).validate_python(proposal.spec["split"])))
    assert all(len(fold.test) and len(fold.train) for fold in folds)
    return proposal


@pytest.mark.parametrize(
    ("header", "row", "wanted"),
    [
        ("user,item,rating,timestamp", "1,2,3.5,881250949", "user item rating timestamp"),
        ("userId,movieId,rating,timestamp", "1,2,3.5,881250949", "userId movieId rating timestamp"),
        ("visitorid,event,itemid,transactionid,timestamp", "1,view,2,,1433221332117", "visitorid itemid - timestamp"),
        (
            "CustomerID,StockCode,SKU,Quantity,InvoiceDate",
            "1,x,y,3,2010-12-01 08:26",
            "CustomerID SKU Quantity InvoiceDate",
        ),
        ("order_id,customer_key,product_name,product_id,qty,price", "1,2,x,3,4,5", "customer_key product_id qty -"),
        (
            "reviewerID,asin,overall,unixReviewTime,summary",
            "A1,B2,5.0,1393545600,Good",
            "reviewerID asin overall unixReviewTime",
        ),
        ("User-ID;ISBN;Book-Rating", "1;0195153448;5", "User-ID ISBN Book-Rating -"),
        ("uid,iid,plays,created_at", "1,2,3,2020-01-01", "uid iid plays created_at"),
        ("Kunde,Artikel,Menge,Datum", "a,b,3,2020-01-01", "Kunde Artikel Menge Datum"),
        ("session_id,page_url,seen", "1,x,2020-01-01T00:00:00Z", "session_id page_url - seen"),
        ("user,user_name,item,item_title,score", "1,x,2,y,3", "user item score -"),
        ("user_id,thing", "1,2", "user_id thing - -"),
        ("who,product", "1,2", "who product - -"),
        ("user,item,rating", "1,2,great", "user item - -"),
    ],
)
def test_roles(header: str, row: str, wanted: str) -> None:
    write("events.csv", header, *[row] * 3)
    roles = guess_roles(Table("events.csv", "data.interactions"))
    assert [roles.get(role, "-") for role in ("user", "item", "value", "timestamp")] == wanted.split()


def test_names_are_compared_in_plain_words() -> None:
    assert [plain(name) for name in ("visitorID", "Book-Rating", " User  Id ", "x")] == [
        "visitor_id",
        "book_rating",
        "user_id",
        "x",
    ]


@pytest.mark.parametrize(("values", "kind"), [([True, False], "bool"), ([b"a", b"b"], "binary"), ([[1], [2]], "list")])
def test_ids_of_a_type_that_no_id_is(values, kind):
    pq.write_table(pa.table({"user": values, "item": [1, 2], "stars": [1.0, 2.0]}), "events.parquet")
    message = rf"events\.parquet: column 'user' is of type {kind}.*, which no id is; write its ids as integers or texts"
    with pytest.raises(InputError, match=message):
        propose("events.parquet")


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (
            "a,b,c",
            "1,2,3",
            "events.csv: no column looks like the users; it has: a, b, c; rename the column to 'user', or write a spec "
            "with data.columns: {user: NAME, item: NAME}",
        ),
        (
            "user,a,b",
            "1,2,3",
            "events.csv: no column looks like the items; it has: user, a, b; rename the column to 'item', or write a "
            "spec with data.columns: {user: NAME, item: NAME}",
        ),
        (
            "196,242,3",
            "1,2,3",
            "events.csv: the first line is '196, 242, 3'; a header line with column names is needed",
        ),
        (
            "user,item",
            "1,2",
            "events.csv: all 3 rows are of one user, 1; at least two users and two items are needed; "
            "is data.columns.user the right column?",
        ),
    ],
)
def test_refused(header: str, row: str, message: str) -> None:
    write("events.csv", header, *[row] * 3)
    with pytest.raises(InputError) as caught:
        propose("events.csv")
    assert str(caught.value) == message


def test_one_bad_rating_is_refused_and_not_passed_over() -> None:
    write("events.csv", "user,item,rating", "1,2,3", "2,3,4", "3,4,great")
    with pytest.raises(InputError, match=r"^events\.csv, row 4: rating is 'great', a number is needed; mend that row$"):
        propose("events.csv")


def test_ratings_without_times() -> None:
    proposal = proposed(events(stars=stars, note=lambda row, _: "x"))
    assert proposal.spec == {
        "name": "events",
        "data": {
            "source": "table",
            "interactions": "events.csv",
            "columns": {"user": "user", "item": "item", "value": "stars"},
            "duplicates": "error",
        },
        "split": {"kind": "random", "test": 0.2, "validation": 0.1, "seed": 42},
        "positive": 4.0,
        "models": ["popularity", "item-knn", "ease", "lightfm-warp"],
        "evaluation": {"k": [5, 10], "primary": "ndcg@10"},
    }
    assert "events.csv: user = user, item = item, value = stars, not used: note" in proposal.notes
    assert "split: 20% of the rows at random are the test, since there are no times to cut by" in proposal.notes
    assert any(re.fullmatch(r"positive: 4 and above of 1 to 5, \d\d% of the rows", note) for note in proposal.notes)


def test_times_cut_all_users_where_they_act_before_and_after() -> None:
    proposal = proposed(events(ts=seconds(1)))
    assert proposal.spec["split"] == {"kind": "temporal", "test": 0.2, "validation": 0.1}
    assert "split: the newest 20% of all rows are the test (34 users act before and after)" in proposal.notes


def test_times_cut_each_user_where_users_come_and_go() -> None:
    frame = events().sort_values("user", ignore_index=True)
    proposal = proposed(frame.assign(ts=1_600_000_000 + np.arange(len(frame)) * 86_400))
    assert proposal.spec["split"]["kind"] == "user-temporal"
    assert any("one cut for all would leave 1 user on both sides" in note for note in proposal.notes)


def test_counters_are_no_times() -> None:
    assert proposed(events(ts=lambda row, _: row)).spec["split"]["kind"] == "random"


@pytest.mark.parametrize(
    ("column", "duplicates", "weight"),
    [("rating", "last", None), ("quantity", "sum", "log"), (None, "first", None)],
)
def test_duplicates_get_a_policy_that_runs(column: str | None, duplicates: str, weight: str | None) -> None:
    frame = events(**({column: stars} if column else {}))
    proposal = proposed(pd.concat([frame, frame.head(7)]))
    assert proposal.spec["data"]["duplicates"] == duplicates
    assert proposal.spec["data"].get("weight") == weight
    assert any(note.startswith("duplicates: 7 rows repeat a user and item; ") for note in proposal.notes)


def test_negative_counts_get_no_weight() -> None:
    assert "weight" not in proposed(events(quantity=lambda row, _: row - 5)).spec["data"]


def test_a_constant_value_is_left_out() -> None:
    proposal = proposed(events(plays=lambda row, _: 1))
    assert proposal.spec["data"]["columns"] == {"user": "user", "item": "item"}
    assert "positive" not in proposal.spec
    assert "events.csv: user = user, item = item, plays is the same in every row and not used" in proposal.notes


def test_users_with_next_to_nothing_are_left_out() -> None:
    lone = pd.DataFrame({"user": np.arange(100, 140), "item": np.arange(40) % 30})
    proposal = proposed(pd.concat([events(), lone]))
    assert proposal.spec["data"]["min_user_count"] == 3
    assert "min_user_count: 3 leaves out 40 rows of 440" in proposal.notes


def test_but_not_when_most_rows_are_theirs() -> None:
    lone = pd.DataFrame({"user": np.arange(100, 2100), "item": np.arange(2000) % 30})
    assert "min_user_count" not in proposed(pd.concat([events(), lone])).spec["data"]


def test_too_many_items_for_ease() -> None:
    wide = pd.DataFrame({"user": np.arange(60_000) % 300, "item": np.arange(60_000) // 2})
    proposal = proposed(wide)
    assert "ease" not in proposal.spec["models"]
    tail = pd.DataFrame({"user": np.arange(21_000) % 300, "item": np.arange(21_000) + 10**6})
    proposal = proposed(pd.concat([wide.head(36_000), tail]))
    assert proposal.spec["data"]["min_item_count"] == 2
    assert "ease" in proposal.spec["models"]


def test_few_items_get_short_lists() -> None:
    proposal = proposed(events(n=100, users=40, items=4))
    assert proposal.spec["evaluation"] == {"k": [1], "primary": "ndcg@1"}


def test_items_and_users() -> None:
    pd.DataFrame({"item": range(30), "title": "T"}).to_csv("items.csv", index=False)
    pd.DataFrame({"user": range(40), "age": range(40)}).to_csv("users.csv", index=False)
    proposal = proposed(events(), items="items.csv", users="users.csv")
    assert (proposal.spec["data"]["items"], proposal.spec["data"]["users"]) == ("items.csv", "users.csv")
    assert "item: title (text)" in proposal.notes
    assert "user: age (0 to 39)" in proposal.notes


@pytest.mark.parametrize(
    ("path", "name"),
    [("my events!.2024.csv", "my-events"), ("folder/*.csv", "folder"), ("ünï.csv", "n"), ("__.csv", "my-data")],
)
def test_names_of_runs(path: str, name: str) -> None:
    Path("folder").mkdir()
    events().to_csv(path.replace("*", "x"), index=False)
    assert propose(path).spec["name"] == name


@pytest.mark.data
class TestReal:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("ml-latest-small/ratings.csv", {"split": "user-temporal", "positive": 4.0, "duplicates": "error"}),
            ("anime-small/anime_ratings.dat", {"split": "random", "positive": 8.0, "duplicates": "error"}),
            ("lastfm-2k/user_artists.dat", {"split": "random", "positive": None, "duplicates": "error"}),
            ("steam-200k/game_play.dat", {"split": "random", "positive": None, "duplicates": "sum"}),
            ("steam-200k/game_purchase.dat", {"split": "random", "positive": None, "duplicates": "first"}),
            ("retailrocket-small/*.dat", {"split": "random", "positive": None, "duplicates": "first"}),
            ("demo-notebook/interactions.csv", {"split": "random", "positive": 3.9, "duplicates": "error"}),
        ],
    )
    def test_other_peoples_tables(self, path: str, expected: dict[str, Any]) -> None:
        spec = propose(f"{Settings().data_dir}/{path}").spec
        assert {
            "split": spec["split"]["kind"],
            "positive": spec.get("positive"),
            "duplicates": spec["data"]["duplicates"],
        } == expected


def test_a_date_that_is_none_is_refused_and_no_reason_for_a_random_split() -> None:
    write("events.csv", "user,item,timestamp", *(f"{row % 7},{row},202309{row + 1:02}" for row in range(31)))
    with pytest.raises(InputError) as caught:
        propose("events.csv")
    assert str(caught.value) == (
        "events.csv, row 32: timestamp is '20230931', which is no YYYYMMDD of the years 1900 to 2100, "
        "as most others are; write all times in one form"
    )

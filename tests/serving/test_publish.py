"""What is published: the lists that are served, for every user, and nothing that is not allowed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from kitchen import bundle_of, same_list

from recsys.errors import InputError
from recsys.serving import publish_lists
from recsys.serving.allow import AllowList
from recsys.serving.answers import for_nobody, for_user
from recsys.serving.bundle import open_bundle
from recsys.serving.publish import publish, target_of
from recsys.serving.publish_folder import FolderTarget
from recsys.serving.publish_lists import UserLists
from recsys.serving.publish_table import TableTarget
from recsys.settings import Settings

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def lists_of(bundle, k=5, **more):
    return UserLists(bundle, "7", NOON, k, **more)


def frame_of(lists):
    return pa.concat_tables(lists.tables()).to_pandas()


@pytest.mark.parametrize(
    ("model", "strings"), [("ease", False), ("ease", True), ("user-knn", False), ("mf", True), ("random", False)]
)
def test_the_lists_that_are_served(tmp_path, model, strings, monkeypatch):
    bundle = open_bundle(bundle_of(tmp_path, model, strings=strings))
    monkeypatch.setattr(publish_lists, "ROWS_A_TABLE", 200)  # tables of 40 users
    monkeypatch.setattr(publish_lists, "CELLS_A_BLOCK", 17 * len(bundle.items))
    found = frame_of(lists_of(bundle))
    assert found["user"].tolist() == np.repeat(bundle.users.ids, 5).tolist()
    assert found["rank"].tolist() == [1, 2, 3, 4, 5] * len(bundle.users)
    items = bundle.items.positions(found["item"]).reshape(-1, 5)
    scores = found["score"].to_numpy().reshape(-1, 5)
    for user in range(len(bundle.users)):
        same_list(items[user], scores[user], for_user(bundle, user, 5))


def test_every_item_is_looked_at_where_requests_use_an_index(vectors):
    bundle = open_bundle(vectors)
    assert bundle.index is not None
    found = frame_of(lists_of(bundle, 10))
    wanted = [
        bundle.index.exact(bundle.model.user_vectors(batch)[0], 10, seen=bundle.histories.seen(user))[0]
        for user in range(100)
        for batch in [bundle.histories.batch(bundle.users, bundle.items, user, user + 1)]
    ]
    same = found["item"].to_numpy()[:1000] == bundle.items.ids[np.concatenate(wanted)]
    assert same.mean() > 0.99


def test_types_version_and_time(bundle):
    table = next(lists_of(bundle).tables())
    kinds = ["int64", "int64", "int32", "float", "string", "timestamp[us, tz=UTC]"]
    assert [str(kind) for kind in table.schema.types] == kinds
    assert table.schema.names == ["user", "item", "rank", "score", "version", "time"]
    assert set(table["version"].to_pylist()) == {"7"}
    assert set(table["time"].to_pylist()) == {NOON}


def test_the_list_of_unknown_users(bundle):
    table = lists_of(bundle).fallback()
    assert table["user"].null_count == len(table) == 5
    assert table["item"].to_pylist() == bundle.items.ids[for_nobody(bundle, 5).items].tolist()
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 5]
    assert table.schema == lists_of(bundle).schema


def test_a_list_ends_where_nothing_is_left(bundle):
    found = frame_of(lists_of(bundle, 40))
    lengths = found.groupby("user").size()
    seen = np.diff(bundle.histories.indptr)
    assert lengths.tolist() == (40 - seen).tolist()
    assert found.groupby("user")["rank"].max().tolist() == lengths.tolist()


def test_only_allowed_items(bundle, tmp_path):
    (tmp_path / "stock.txt").write_text("50\n51\n52\n53\n54\n55\n56\n57\n")
    done = publish(bundle, "1", str(tmp_path / "out"), Settings(), 5, AllowList(tmp_path / "stock.txt"))
    folder = (tmp_path / "out" / "current").resolve()
    for name in ("recommendations", "fallback"):
        assert set(pd.read_parquet(folder / f"{name}.parquet")["item"]) <= set(range(50, 58))
    assert done.rows == sum(
        len(pd.read_parquet(folder / f"{name}.parquet")) for name in ("recommendations", "fallback")
    )
    (tmp_path / "stock.txt").write_text("")
    with pytest.raises(InputError, match="names 0 items"):
        publish(bundle, "2", str(tmp_path / "out"), Settings(), 5, AllowList(tmp_path / "stock.txt"))


def test_no_list_of_nothing(bundle, tmp_path):
    with pytest.raises(InputError, match="at least one item"):
        publish(bundle, "1", str(tmp_path / "out"), Settings(), 0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("to", "folder"),
    [
        ("/a/b", "/a/b"),
        ("/a b/c%20d", "/a b/c%20d"),
        ("file:///a/b", "/a/b"),
        ("file:///a%20b/", "/a b"),
        ("file://localhost/a", "/a"),
        ("file:/a", "/a"),
        ("a", Path.cwd() / "a"),
        ("file:a", Path.cwd() / "a"),
        ("~/a", Path.home() / "a"),
    ],
)
def test_folders(to, folder):
    found = target_of(to, Settings())
    assert isinstance(found, FolderTarget)
    assert found.folder == Path(folder)


@pytest.mark.parametrize("to", ["sql:recs", "sql+shop:recs", 'sql:shop."my recs"'])
def test_tables(to, monkeypatch):
    monkeypatch.setenv("RECSYS_SQL_URL", "sqlite:////tmp/one.db")
    monkeypatch.setenv("RECSYS_SQL_URL_SHOP", "sqlite:////tmp/other.db")
    found = target_of(to, Settings())
    assert isinstance(found, TableTarget)
    assert found.address.variable == ("RECSYS_SQL_URL_SHOP" if "+" in to else "RECSYS_SQL_URL")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("", "names nothing"),
        ("file:", "names nothing"),
        ("file://elsewhere/a", "no folder of this machine"),
        ("file:///a?b", "no folder of this machine"),
        ("s3://bucket/a", "s3: is no target"),
        ("postgresql://me:secret@host/shop", "postgresql: is no target"),
        ("sql://me:secret@host/shop", "sql: is no target"),
        ("sql:a.b.c", "--to"),
        ("sql:recs", "RECSYS_SQL_URL: is not set"),
    ],
)
def test_what_is_no_target(to, message, monkeypatch):
    monkeypatch.delenv("RECSYS_SQL_URL", raising=False)
    with pytest.raises(InputError, match=message) as caught:
        target_of(to, Settings())
    assert "secret" not in str(caught.value)

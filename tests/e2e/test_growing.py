"""Sources that grow, from the command line: a data set replayed into a folder and into a table, and compared there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faults.harness import Ended, Workplace

WORLD = {"source": "synthetic", "users": 100, "items": 60, "interactions": 2500}
SPLIT = {"kind": "temporal", "test": 0.2}
MODELS = ["popularity", "random", "ease"]
EVALUATION = {"metrics": ["ndcg"], "k": [5], "primary": "ndcg@5"}
SPEC: dict[str, Any] = {"name": "grown", "split": SPLIT, "models": MODELS, "evaluation": EVALUATION}
LATE = ("--late", "0.1", "--repeat", "0.1", "--seed", "3")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, databases: Path) -> Workplace:
    """A spec of a made world, whose days of half a year arrive in a folder and in a table."""
    place = Workplace(tmp_path_factory.mktemp("grown"), {"data": WORLD, **SPEC}).seed(databases)
    for into in ("log", "sql+feed:events"):
        assert written(recsys(place, "simulate-traffic", "spec.yaml", "--into", into, "--until", "2024-06-01", *LATE))
    read = {"duplicates": "last"}
    place.write("folder.yaml", {**SPEC, "data": {"source": "table", "interactions": "log", **read}})
    place.write("table.yaml", {**SPEC, "data": {"source": "sql", "connection": "feed", "table": "events", **read}})
    return place


def recsys(place: Workplace, *arguments: str) -> Ended:
    """What people type, with the address of the table in the environment and answers in JSON."""
    ended = place.run(*arguments, "--json", RECSYS_SQL_URL_FEED=f"sqlite:///{place.folder}/feed.db")
    assert ended.status == 0, ended.said
    return ended


def written(ended: Ended) -> list[dict[str, Any]]:
    return json.loads(ended.out)["written"]


def is_done(place: Workplace, spec: str) -> bool:
    """Whether the store has the data set of a spec."""
    return json.loads(recsys(place, "compare", spec, "--dry-run").out)["data"]["done"]


def test_a_folder_and_a_table_of_the_same_rows_give_the_same_result(place: Workplace) -> None:
    boards = []
    for spec in ("folder.yaml", "table.yaml"):
        out = place.folder / f"{spec} result"
        ended = recsys(place, "compare", spec, "--out", str(out))
        rows = json.loads(ended.out)["leaderboard"]
        assert {row["model"] for row in rows} == set(MODELS)
        assert all(row["status"] == "ok" for row in rows)
        boards.append(pd.read_parquet(out / "per_user.parquet"))
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["data"]["account"]["dropped_duplicates"] > 50
    pd.testing.assert_frame_equal(boards[0], boards[1], check_exact=True)
    place.assert_kept_here()


@pytest.mark.soak
def test_a_night_more_is_another_data_set(place: Workplace) -> None:
    recsys(place, "compare", "table.yaml")
    assert is_done(place, "table.yaml")
    replay = recsys(place, "simulate-traffic", "spec.yaml", "--into", "sql+feed:events", "--days", "1", *LATE)
    assert [day["day"] > "2024-06-01" for day in written(replay)] == [True]
    assert not is_done(place, "table.yaml")

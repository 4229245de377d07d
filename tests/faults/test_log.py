"""MLflow goes while models are compared: the result is complete, and `recsys log` brings MLflow up to date, once."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faults.harness import Ended, Workplace, assert_recorded, assert_same, recorded
from faults.proxy import QUICK, Proxy, mlflow_server

from recsys.comparison.result import FILES

LABELS = ["popularity", "mf", "faulty", "random"]
# What differs between two runs of the same: when and where they ran, and for how long.
OWN_TAGS = ("process", "prefect.flow_run_id", "mlflow.note.content", "mlflow.parentRunId", "mlflow.artifactLocation")


@dataclass(frozen=True)
class Gone:
    """A comparison from which MLflow went when it was about to take the first model; until then, and when it is back,
    its first answer to every change is lost. records: the server's home."""

    place: Workplace
    records: Path
    proxy: Proxy
    ended: Ended
    env: dict[str, str]


@pytest.fixture(scope="module")
def gone(tmp_path_factory: pytest.TempPathFactory, databases: Path, server: str) -> Iterator[Gone]:
    place = Workplace(tmp_path_factory.mktemp("gone")).seed(databases)
    records = Workplace(tmp_path_factory.mktemp("records")).seed(databases).home
    with mlflow_server(records) as port, Proxy(port) as proxy:
        env = {"MLFLOW_TRACKING_URI": proxy.url, "PREFECT_API_URL": server, **QUICK}
        proxy.mode = "lost"
        proxy.trap("/logged-models", "refuse")
        yield Gone(place, records, proxy, place.run(FAULTY_WAITS_FOR="/", **env), env)


def test_the_comparison_goes_on_without(gone: Gone, undisturbed: dict) -> None:
    ended, place = gone.ended, gone.place
    assert ended.status == 1, ended.said
    assert sorted(path.name for path in place.out.iterdir()) == sorted(FILES)
    assert_same(place.result(), undisturbed)
    assert ended.out.count("this goes on without it") == 1
    message, last = ended.err.splitlines()
    assert message.startswith(f"MLflow ({gone.proxy.url}): has not answered since ")
    assert message.endswith(f"the result in {place.out} is complete; log it later: recsys log {place.out}")
    assert last.startswith("go on with: recsys compare")
    assert "FINISHED" not in {run.status for run in recorded(gone.records)}
    place.assert_empty()


def test_while_it_is_away_nothing_can_be_logged(gone: Gone) -> None:
    ended = gone.place.run("log", str(gone.place.out), **gone.env)
    assert ended.status == 1, ended.said
    assert "no answer" in ended.err.splitlines()[0]


def test_log_leaves_what_an_undisturbed_comparison_leaves(gone: Gone, undisturbed: dict, shared: Path) -> None:
    """In the order of the file from here on: MLflow is back."""
    gone.proxy.mode = "lost"
    ended = gone.place.run("log", str(gone.place.out), "--json", **gone.env)
    assert ended.status == 0, ended.said
    assert ended.err.count("fitted before") == len(LABELS)
    answer = json.loads(ended.out)
    assert (answer["logged_before"], answer["missing"]) == (False, "")
    assert_recorded(gone.records, LABELS)
    assert logged(gone.records) == logged(shared / "undisturbed" / "home")
    assert_same(gone.place.result(), undisturbed)


def test_once(gone: Gone) -> None:
    before = recorded(gone.records)
    ended = gone.place.run("log", str(gone.place.out), "--json", **gone.env)
    assert ended.status == 0, ended.said
    assert json.loads(ended.out)["logged_before"] is True
    assert recorded(gone.records) == before


def test_the_same_comparison_is_answered_as_finished(gone: Gone) -> None:
    ended = gone.place.run(**gone.env)
    assert ended.status == 0, ended.said
    assert "was finished before" in ended.out


def logged(home: Path) -> dict[str, Any]:
    """All that MLflow has of the runs of a home, by label, without what is measured or names a run."""
    with contextlib.closing(sqlite3.connect(f"file:{home / 'mlflow.db'}?mode=rw", uri=True)) as database:

        def rows(question: str) -> list[Any]:
            return database.execute(question).fetchall()

        active = {run.run_id: run for run in recorded(home) if run.active}
        found: dict[str, Any] = {}
        for run_id, run in active.items():
            found[run.tags.get("label", "parent")] = {
                "name": run.name,
                "status": run.status,
                "tags": {key: value for key, value in run.tags.items() if key not in OWN_TAGS},
                "params": sorted(rows(f"SELECT key, value FROM params WHERE run_uuid = '{run_id}'")),
                "metrics": sorted(
                    rows(f"SELECT key, step, value FROM metrics WHERE run_uuid = '{run_id}' AND key NOT LIKE 'cost.%'")
                ),
                "costs": sorted(rows(f"SELECT key FROM metrics WHERE run_uuid = '{run_id}' AND key LIKE 'cost.%'")),
                "models": rows(
                    f"SELECT name, status FROM logged_models WHERE source_run_id = '{run_id}'"
                    " AND lifecycle_stage = 'active'"
                ),
                "inputs": rows(f"SELECT count(*) FROM inputs WHERE destination_id = '{run_id}'"),
                "artifacts": sorted(path.name for path in home.glob(f"artifacts/**/{run_id}/artifacts/*")),
            }
    return found

"""A model that fails, is killed or breaks a limit: its row says why, the rest is there, and a rerun goes on."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from faults.harness import SPEC, WORLD, Command, Workplace, recorded

GOOD = ["popularity", "random", "ease"]
REASONS = {
    "raise": "ZeroDivisionError: the third party's bug",
    "exit": "its process failed",
    "kill": "its process was ended by SIGKILL (out of memory?)",
    "allocate": "ran out of its 0.6 GB of memory",
    "exhaust": "ran out of memory",
    "diverge": "its loss is nan in epoch 1; try a lower learning_rate",
    "compute": "ran out of its 15 seconds",
}


def faulty(deed: str) -> dict[str, Any]:
    return {"name": "faulty", "does": deed, "epochs": 1, "label": deed}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory, databases: Path, server: str) -> tuple[Workplace, Command]:
    """A comparison in which every model but a few fails in its own way."""
    models = [*(faulty(deed) for deed in REASONS), {"name": "faulty", "does": "print", "label": "print"}, *GOOD]
    spec = {**SPEC, "models": models, "runner": {"timeout": 15, "memory": 0.6}}
    place = Workplace(tmp_path_factory.mktemp("failed"), spec).seed(databases)
    command = place.start(PREFECT_API_URL=server)
    busiest = 0
    while command.process.poll() is None:
        busiest = max(busiest, sum(_threads(child) for child in place.children()))
        time.sleep(0.05)
    assert busiest <= len(psutil.Process().cpu_affinity() or [])
    return place, command


def _threads(child: psutil.Process) -> int:
    try:
        return int(child.environ().get("OMP_NUM_THREADS", "1"))
    except psutil.Error:
        return 0


def test_every_row_is_there_and_says_why(failed: tuple[Workplace, Command]) -> None:
    place, _ = failed
    board = pd.read_csv(place.out / "leaderboard.csv").set_index("model")
    assert set(board.index) == {*REASONS, *GOOD, "print"}
    assert (board.loc[[*GOOD, "print"], "status"] == "ok").all()
    for label, reason in REASONS.items():
        assert reason in board.loc[label, "status"], label
        assert pd.isna(board.loc[label, "ndcg@10"])
    assert board.loc["ease", "ndcg@10"] > 0
    assert (place.out / "report.html").exists()


def test_how_the_command_ends(failed: tuple[Workplace, Command]) -> None:
    place, command = failed
    assert command.process.returncode == 1
    assert "Traceback" not in command.out + command.err
    *_, message, last = command.err.splitlines()
    assert f"({len(REASONS) - 1} more failed)" in message
    assert last == f"go on with: recsys compare spec.yaml --out {shlex.quote(str(place.out))}"
    place.assert_empty()


def test_what_mlflow_holds(failed: tuple[Workplace, Command]) -> None:
    place, _ = failed
    runs = {run.tags.get("label", "parent"): run for run in recorded(place.home)}
    assert runs["parent"].status == "FAILED"
    assert {label: runs[label].status for label in runs if label != "parent"} == {
        **dict.fromkeys(REASONS, "FAILED"),
        **dict.fromkeys([*GOOD, "print"], "FINISHED"),
    }
    for label, reason in REASONS.items():
        assert reason in runs[label].tags["failure"]


def test_a_rerun_tries_the_failed_ones_alone(failed: tuple[Workplace, Command], server: str) -> None:
    """In the order of the file the last test: it goes on in the same home."""
    place, _ = failed
    spec = {**SPEC, "models": [faulty("raise"), *GOOD], "runner": {"timeout": 15, "memory": 0.6}}
    place.write("fewer.yaml", spec)
    ended = place.run("compare", "fewer.yaml", "--json", PREFECT_API_URL=server)
    assert ended.status == 1, ended.said
    assert ended.err.count("fitted before") == len(GOOD)
    assert json.loads(ended.out)["leaderboard"][-1]["status"].endswith(REASONS["raise"])


def test_no_model_is_left(place: Workplace, databases: Path, server: str) -> None:
    """Where nothing can be compared the first failure is the message."""
    place.seed(databases).write("spec.yaml", {**SPEC, "data": WORLD, "models": [faulty("refuse")]})
    ended = place.run(PREFECT_API_URL=server)
    assert ended.status == 2, ended.said
    assert ended.err.splitlines()[0] == "model 'faulty': these data have no colours; add a column `colour`"
    assert not place.out.exists()

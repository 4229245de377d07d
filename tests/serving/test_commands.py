"""`recsys serve` and `recsys publish`, as people type them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made.commands import answer_to
from registered import register

from recsys.processes import wait_until

ROOT = Path(__file__).parents[2]
RECSYS = str(Path(sys.executable).with_name("recsys"))
Run = Callable[..., tuple[int, Any, str]]
SPEC = "name: made\ndata: {source: synthetic}\nmodels: [ease]\n"


@pytest.fixture
def run(settings, tmp_path, monkeypatch, capsys) -> Iterator[Run]:
    """Runs a command here, beside a spec: exit status, the JSON on standard output, what stands on standard error."""
    (tmp_path / "made.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)

    def ran(*words: str) -> tuple[int, Any, str]:
        status, out, err = answer_to([*words, "--json"], monkeypatch, capsys)
        return status, json.loads(out), err

    yield ran
    signal.signal(signal.SIGTERM, before)


def test_publish(settings, ease, run, tmp_path):
    register(settings, "made", ease)
    (tmp_path / "stock.txt").write_text("\n".join(map(str, range(50, 80))))
    status, found, said = run("publish", "made.yaml", "--to", "out", "-k", "3", "--allow", "stock.txt")
    assert status == 0, said
    lists = pd.read_parquet((tmp_path / "out" / "current").resolve() / "recommendations.parquet")
    assert found["users"] == lists["user"].nunique() == 120
    assert found == {
        "name": "made",
        "version": "1",
        "users": 120,
        "rows": len(lists) + 3,
        "where": str(tmp_path / "out" / "current"),
    }
    assert lists["item"].max() < 80
    assert "made version 1: 3 of 40 items for each of 120 users" in said


@pytest.mark.parametrize(
    ("words", "place", "message"),
    [
        (["publish", "made.yaml", "--to", "out"], "champion of made", "there is none"),
        (["publish", "made.yaml", "--to", "s3://b"], "--to", "s3: is no target"),
        (["publish", "made.yaml", "--to", "out", "--max-age", "soon"], "--max-age", "'soon' is no length of time"),
        (["publish", "made.yaml", "--to", "out", "--max-age", "3d"], "maximum age", "needs an age and the column"),
        (["publish", "none.yaml", "--to", "out"], "none.yaml", ""),
        (["serve", "made"], "champion of made", "there is none"),
        (["serve", "../../x"], "champion of ../../x", "there is none"),
        (["serve", "made", "--host", "0.0.0.0"], "host '0.0.0.0'", "no key is set"),
    ],
)
def test_wrong_input(words, place, message, run, tmp_path):
    status, found, said = run(*words)
    assert status == 2
    assert found["error"]["place"] == place
    assert message in found["error"]["message"]
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
    if place.startswith("champion"):
        assert "recsys retrain" in found["error"]["remedy"]


@pytest.mark.stack
@pytest.mark.xdist_group("stack")
def test_serve_follows_the_champion_and_ends(settings, ease, vectors, tmp_path):
    register(settings, "made", ease)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [RECSYS, "serve", "made", "--port", "0", "--json"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline() or "{}")
        assert (found.get("name"), found.get("version")) == ("made", "1"), (tmp_path / "log").read_text()

        def version() -> str:
            with urllib.request.urlopen(f"{found['url']}/recommend?user=nobody", timeout=30) as answer:
                return json.load(answer)["version"]

        assert version() == "1"
        register(settings, "made", vectors)
        assert wait_until(lambda: version() == "2", 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stdout.read() == b""
    finally:
        process.kill()
        process.wait()
    log = (tmp_path / "log").read_text()
    assert "now serving version 2" in log
    assert "Traceback" not in log

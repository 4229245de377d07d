"""`mlflow models serve` answers from the champion, in the environment that is there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from registered import register

from recsys.processes import wait_until
from recsys.serving.answers import for_nobody, for_user
from recsys.serving.bundle import open_bundle
from recsys.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0


@pytest.fixture(scope="module")
def port(ease: Path, new_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where `mlflow models serve` serves the champion; its process group is ended afterwards."""
    home = tmp_path_factory.mktemp("serve")
    settings = Settings(home=home)
    settings.database.write_bytes(new_database.read_bytes())
    register(settings, "made", ease)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["models", "serve", "-m", "models:/recsys-made@champion", "--env-manager", "local", "-h", "127.0.0.1"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "RECSYS_", "COV_"))}
    telemetry = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    # MLflow starts uvicorn by its bare name, from the environment that is active.
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    env = {**kept, **telemetry, "MLFLOW_TRACKING_URI": settings.mlflow_uri, "PYTHONPATH": str(ROOT), "PATH": path}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("mlflow"), *words, "-p", str(port)],
            cwd=home,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        served = wait_until(lambda: process.poll() is not None or healthy(port), PATIENCE)
        assert served, (home / "log").read_text()
        assert process.poll() is None, (home / "log").read_text()
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def healthy(port: int) -> bool:
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).status == 200
    return False


def ask(port: int, question: object) -> tuple[int, dict]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_known_and_unknown_users(port, ease):
    bundle = open_bundle(ease)
    question = {"dataframe_records": [{"user": 1007}, {"user": "nobody"}], "params": {"k": 4}}
    status, found = ask(port, question)
    assert status == 200
    lines = found["predictions"]
    assert [list(line) for line in lines] == [["user", "item", "rank", "score"]] * 8
    for user, answer in ((1007, for_user(bundle, 7, 4)), ("nobody", for_nobody(bundle, 4))):
        own = [line for line in lines if line["user"] == user]
        assert [line["item"] for line in own] == bundle.items.ids[answer.items].tolist()
        assert [line["score"] for line in own] == pytest.approx(answer.scores.tolist())


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"dataframe_records": [{"usr": 1}]}, "missing inputs"),
        ({"dataframe_records": [{"user": 1007}], "params": {"k": 10**6}}, "k is 1000000; it must be from 1 to 200"),
        ({"dataframe_records": [{"user": [1007]}]}, "an integer or a text is needed"),
    ],
)
def test_a_question_that_is_wrong(port, question, message):
    status, found = ask(port, question)
    assert status == 400
    assert message in found["message"]

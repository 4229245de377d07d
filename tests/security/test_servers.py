"""What `recsys up` starts: it listens on this machine alone, and nothing it is made of calls home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from faults.harness import ROOT
from made.commands import answer_to

from flows import stack
from flows.environment import SWITCHES
from flows.stack import Stack
from recsys.errors import RunError
from recsys.settings import Settings
from recsys.tracking.database import require_server
from recsys.tracking.links import run_page
from recsys.tracking.registry import Registry

EVERYWHERE = ("0.0.0.0", "::", "192.168.0.7", "example.org")


@pytest.mark.parametrize("host", EVERYWHERE)
@pytest.mark.parametrize("name", ["PREFECT_SERVER_API_HOST", "MLFLOW_HOST"])
def test_the_environment_opens_no_server(
    name: str, host: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not with authentication either: the servers of `recsys up` have none that would be asked for."""
    monkeypatch.setenv(name, host)
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:secret")
    status, out, err = answer_to(["up"], monkeypatch, capsys)
    assert (status, name in err, repr(host) in err, "docs/security.md" in err) == (2, True, True, True), out + err
    assert not home.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", ""])
def test_this_machine_may_be_named(host: str) -> None:
    stack.refuse_open({"PREFECT_SERVER_API_HOST": host, "MLFLOW_HOST": host})


def test_mlflow_is_told_where_to_listen_and_nothing_loosens_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MLFLOW_GUNICORN_OPTS", "MLFLOW_UVICORN_OPTS"):
        monkeypatch.setenv(name, "--bind 0.0.0.0:5000")
    monkeypatch.setenv("MLFLOW_HOST", "localhost")
    started: list[tuple[list[str], Mapping[str, str]]] = []
    monkeypatch.setattr(stack, "start_leashed", lambda command, records, env, **more: started.append((command, env)))
    up = Stack(Settings(), print)
    up.settings.logs.mkdir(parents=True)
    up._start_mlflow()
    (command, environment), *_ = started
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert not {"MLFLOW_GUNICORN_OPTS", "MLFLOW_UVICORN_OPTS"} & environment.keys()


TELEMETRY = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def test_what_up_starts_is_told_to_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says, and Prefect's server does not ask for news either."""
    for name in TELEMETRY:
        monkeypatch.setenv(name, "")
    environment = Stack(Settings(), print).environment
    assert environment.items() >= TELEMETRY.items()
    assert environment.items() >= SWITCHES.items()


SILENT = """
import json, os
import flows.local, recsys.tracking.runs
from mlflow.telemetry.utils import is_telemetry_disabled
from prefect._internal.analytics.enabled import is_telemetry_enabled
from prefect.settings import PREFECT_SERVER_ANALYTICS_ENABLED

def talking():
    server = PREFECT_SERVER_ANALYTICS_ENABLED.value()
    return {"prefect": is_telemetry_enabled(), "mlflow": not is_telemetry_disabled(), "server": server}

found = [talking()]
for name in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
    del os.environ[name]
print(json.dumps([*found, talking()]))
"""


def test_prefect_and_mlflow_are_silent_as_we_import_them(tmp_path: Path) -> None:
    """In an interpreter that knows nothing of continuous integration, where both are silent anyway."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {**kept, "HOME": str(tmp_path), "RECSYS_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SILENT], env=environment, capture_output=True, text=True, cwd=tmp_path, check=True
    )
    ours, without = json.loads(done.stdout)
    assert ours == {"prefect": False, "mlflow": False, "server": False}
    assert (without["prefect"], without["mlflow"]) == (True, True), "the switches that are tested switch nothing"


def test_the_address_of_mlflow_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """In what is said where nobody answers there, and in the links that Prefect keeps."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:Canary-1@127.0.0.1:1/mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings = Settings()
    with pytest.raises(RunError) as silent:
        require_server(settings)
    with pytest.raises(RunError) as failed:
        Registry(settings).versions("shop")
    told = f"{silent.value} {failed.value} {run_page(settings, '1', '2')}"
    assert told.count("http://127.0.0.1:1/mlflow") >= 3
    assert "Canary" not in told

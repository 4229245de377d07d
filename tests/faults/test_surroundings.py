"""Servers that go: MLflow, Prefect and PostgreSQL. Each failure has its behaviour, which docs/faults.md states."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faults.fixtures import prefect_server
from faults.harness import HELD_UP, Workplace, environment, free_port, recorded
from faults.proxy import QUICK, Mode, Proxy, mlflow_server
from made import spec
from made.shop import LAST, spec_of, write_world

from flows.engine import Engine
from recsys.errors import RunError
from recsys.settings import Settings
from recsys.store import Ref
from recsys.tracking.entities import ParentRun, TrackingError
from recsys.tracking.runs import Tracker
from tasks.context import Cell
from tasks.recorder import Recorder


@pytest.fixture
def answering() -> Iterator[int]:
    """The port of a server that answers every question with an empty object."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def proxy(answering: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before it, which the environment names as MLflow's server."""
    for name, value in {**QUICK, "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}.items():
        monkeypatch.setenv(name, value)
    with Proxy(answering) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.url)
        yield proxy


REASONS: dict[Mode, tuple[str, int]] = {
    "refuse": ("Connection refused", 0),
    "slow": ("Read timed out", 2),
    "500": ("too many 500 error responses", 2),
    "429": ("too many 429 error responses", 2),
    "cut": ("Remote end closed connection without response", 2),
}


class TestMlflow:
    @pytest.mark.parametrize(("mode", "reason", "asked"), [(mode, *about) for mode, about in REASONS.items()])
    def test_it_is_asked_again_and_then_given_up(self, proxy: Proxy, mode: Mode, reason: str, asked: int) -> None:
        """Also where it wishes to be asked in an hour."""
        proxy.mode = mode
        with pytest.raises(TrackingError) as caught:
            Tracker(Settings()).tag("1", {"a": "b"})
        assert caught.value.place == f"MLflow ({proxy.url})"
        assert reason in caught.value.message
        assert len(proxy.asked) == asked

    def test_a_short_trouble_is_none(self, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "9")
        proxy.mode = "500"

        def mend() -> None:
            while len(proxy.asked) < 2:
                time.sleep(0.001)
            proxy.mode = "pass"

        threading.Thread(target=mend, daemon=True).start()
        Tracker(Settings()).tag("1", {"a": "b"})
        assert len(proxy.asked) >= 3

    def test_for_how_long(self) -> None:
        """Waits of 0, 4, 8 and 16 seconds; what the environment says comes first."""
        program = (
            "import os; os.environ['MLFLOW_HTTP_REQUEST_TIMEOUT'] = '77'; import recsys.tracking; "
            "print(*(os.environ['MLFLOW_HTTP_' + name] for name in ('REQUEST_TIMEOUT', 'REQUEST_MAX_RETRIES', "
            "'REQUEST_BACKOFF_FACTOR', 'RESPECT_RETRY_AFTER_HEADER')))"
        )
        env = environment(Path("nowhere"))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
        assert done.stdout.split() == ["77", "4", "2", "false"]


class Away:
    """A tracker whose server went after it had opened the runs so far; counts what it is still asked."""

    def __init__(self, after: int) -> None:
        self.after, self.asked = after, 0

    def __getattr__(self, name: str) -> Any:
        def ask(*args: Any) -> str:
            self.asked += 1
            if self.asked > self.after:
                raise TrackingError("MLflow (http://a)", "no answer", "look at its server")
            return f"run {self.asked}"

        return ask


class TestRecorder:
    cell = Cell(model=spec(models=["popularity"]).models[0], seed=1, fold=0)

    def recorder(self, after: int, said: list[str] | None) -> Recorder:
        tracker: Any = Away(after)
        return Recorder(None if said is None else said.append).open(tracker, ParentRun("parent", "7", {}), [])

    def finish(self, recorder: Recorder, folder: Path) -> None:
        (folder / "curves.json").write_text(json.dumps([{"phase": "fit", "epoch": 1, "epochs": 1, "loss": 0.5}]))
        ref = Ref(stage="fit", key="k", digest="d", folder=folder)
        recorder.finish(self.cell, ref, ref)

    def test_a_comparison_goes_on_without(self, tmp_path: Path) -> None:
        said: list[str] = []
        recorder = self.recorder(2, said)
        assert recorder.begin(self.cell) == "run 1"
        assert recorder.run_id(self.cell) == "run 1"
        self.finish(recorder, tmp_path)
        recorder.fail(self.cell, "why")
        recorder.step(self.cell, {"phase": "fit", "epoch": 1, "epochs": 1, "loss": 0.5})
        assert recorder.attempt(lambda: 1 / 0) is None
        recorder.close("FINISHED")
        assert said == ["MLflow (http://a): no answer; this goes on without it"]
        assert recorder.lost is not None
        assert abs(recorder.lost.since - time.time()) < 60
        assert recorder.run_id(self.cell) is None
        assert recorder.tracker.asked == 3  # type: ignore[attr-defined]

    def test_a_retraining_stops_and_does_not_ask_again(self, tmp_path: Path) -> None:
        recorder = self.recorder(2, None)
        recorder.begin(self.cell)
        for again in (lambda: self.finish(recorder, tmp_path), lambda: recorder.close("FAILED")):
            with pytest.raises(TrackingError, match="no answer"):
                again()
        assert recorder.tracker.asked == 3  # type: ignore[attr-defined]

    def test_a_full_disk_is_nothing_to_go_on_with(self) -> None:
        def full() -> None:
            raise RunError("/home", "its disk is full")

        recorder = self.recorder(0, [])
        with pytest.raises(RunError, match="its disk is full"):
            recorder.attempt(full)
        assert recorder.lost is None


class TestPrefect:
    def test_nobody_at_the_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
        monkeypatch.setattr("flows.engine.NAMED_SECONDS", 0.1)
        with pytest.raises(RunError) as caught:
            Engine(Settings()).start()
        assert str(caught.value).startswith("Prefect: no answer from http://127.0.0.1:")
        assert str(caught.value).endswith("start that server, or unset PREFECT_API_URL")

    def test_its_own_server_has_ended(self) -> None:
        engine = Engine(Settings())
        engine.url = "http://127.0.0.1:9/api"
        engine._process = SimpleNamespace(poll=lambda: -9)  # type: ignore[assignment]
        gone = engine.gone()
        assert gone is not None
        assert "its server has ended; what is finished is kept" in str(gone)

    @pytest.mark.soak
    def test_killed_in_mid_run(self, place: Workplace, databases: Path, tmp_path: Path) -> None:
        """The run ends with one message and is gone on with; nothing waits for the server for ever."""
        go_on = tmp_path / "go-on"
        command = place.seed(databases).start(FAULTY_WAITS_FOR=str(go_on))
        command.wait_for(lambda: place.stored("evaluation") and place.children(), "a fit beside a finished one")
        [server] = [process for process in place.processes() if "flows.server" in process.cmdline()]
        server.kill()
        go_on.touch()
        ended = command.wait()
        assert ended.status == 1, ended.said
        assert "Traceback" not in ended.said
        message, last = ended.err.splitlines()
        assert message.startswith("Prefect: its server has ended; what is finished is kept; see ")
        assert last.startswith("go on with: recsys compare")
        place.assert_empty()
        assert len(place.stored("fit")) == 4
        ended = place.run(FAULTY_WAITS_FOR=str(go_on))
        assert ended.status == 0, ended.said
        assert "fitted in" not in ended.out

    @pytest.mark.soak
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
    def test_a_named_one_goes_in_mid_run(
        self, place: Workplace, databases: Path, server: str, tmp_path: Path, number: signal.Signals
    ) -> None:
        """The same, where it may be on another machine: nobody sees that it has ended."""
        go_on, named = tmp_path / "go-on", Workplace(tmp_path / "named").seed(databases)
        with prefect_server(named) as url:
            command = place.seed(databases).start(PREFECT_API_URL=url, FAULTY_WAITS_FOR=str(go_on))
            command.wait_for(lambda: place.stored("evaluation") and place.children(), "a fit beside a finished one")
            [serving] = [process for process in named.processes() if "flows.server" in process.cmdline()]
            serving.send_signal(number)
            go_on.touch()
            ended = command.wait(600)
            serving.kill()
        assert ended.status == 1, ended.said
        assert "Traceback" not in ended.said
        message, last = ended.err.splitlines()
        assert message == f"Prefect: no answer from {url}; start that server, or unset PREFECT_API_URL"
        assert last.startswith("go on with: recsys compare")
        place.assert_empty()
        assert len(place.stored("fit")) == 4
        ended = place.run(PREFECT_API_URL=server, FAULTY_WAITS_FOR=str(go_on))
        assert ended.status == 0, ended.said
        assert "fitted in" not in ended.out


@pytest.mark.soak
def test_a_model_that_the_kernel_kills(place: Workplace, databases: Path, server: str) -> None:
    """As its killer of processes does where memory runs out; the others go on."""
    command = place.seed(databases).start(PREFECT_API_URL=server, **HELD_UP)
    command.wait_for(lambda: len(place.stored("evaluation")) == 3 and place.children(), "the last fit")
    for child in place.children():
        child.kill()
    ended = command.wait()
    assert ended.status == 1, ended.said
    board = place.result()["leaderboard"].set_index("model")
    assert "its process was ended by SIGKILL (out of memory?)" in board.loc["faulty", "status"]
    assert (board.drop("faulty")["status"] == "ok").all()


@pytest.mark.soak
def test_mlflow_is_locked_by_somebody_else(place: Workplace, databases: Path, server: str, tmp_path: Path) -> None:
    """Twenty seconds are waited for it; then the comparison goes on without, and `recsys log` mends it."""
    import sqlite3

    go_on = tmp_path / "go-on"
    command = place.seed(databases).start(PREFECT_API_URL=server, FAULTY_WAITS_FOR=str(go_on))
    command.wait_for(lambda: len(place.stored("evaluation")) == 3 and place.children(), "the last fit")
    with sqlite3.connect(place.home / "mlflow.db", isolation_level=None, timeout=60) as other:
        other.execute("BEGIN IMMEDIATE")
        go_on.touch()
        ended = command.wait()
        other.execute("ROLLBACK")
    assert ended.status == 1, ended.said
    assert "database is locked" in ended.err
    assert place.run("log", str(place.out), PREFECT_API_URL=server, FAULTY_WAITS_FOR=str(go_on)).status == 0
    assert {run.status for run in recorded(place.home) if run.active} == {"FINISHED"}


@pytest.mark.soak
@pytest.mark.parametrize("moment", ["/logged-models", "/registered-models/create", "decision.json"])
def test_mlflow_goes_while_a_challenger_is_decided_about(
    tmp_path: Path, databases: Path, server: str, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Nothing changes; once it is back the same command goes on: one version, decided once."""
    from tasks.night import Office

    write_world(tmp_path / "world.csv")
    data = {"source": "table", "interactions": str(tmp_path / "world.csv")}
    place = Workplace(tmp_path / "place", spec_of(data)).seed(databases)
    records = Workplace(tmp_path / "records").seed(databases).home
    with mlflow_server(records) as port, Proxy(port) as proxy:
        env = {"MLFLOW_TRACKING_URI": proxy.url, "PREFECT_API_URL": server, **QUICK}
        asked = ("retrain", "spec.yaml", "--as-of", LAST.isoformat())
        proxy.trap(moment, "refuse")
        ended = place.start(*asked, **env).wait()
        assert ended.status == 1, ended.said
        assert "Traceback" not in ended.said
        assert len(ended.err.splitlines()) == 2, ended.err
        place.assert_empty()
        proxy.mode = "pass"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.url)
        office = Office(Settings(home=place.home))
        assert office.registry.alias("shop", "champion") is None
        ended = place.start(*asked, **env).wait()
        assert ended.status == 0, ended.said
        assert [version.number for version in office.registry.versions("shop")] == [1]
        assert [each.record.verdict for each in office.decisions.all("shop")] == ["promoted"]
        champion = office.registry.alias("shop", "champion")
        assert champion is not None
        assert champion.number == 1

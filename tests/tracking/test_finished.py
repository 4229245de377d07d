"""Whether a comparison was finished before: its files whole, every model done, its run in MLflow FINISHED."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import pytest
from made import spec

from flows.command import Speech
from flows.commands.gc import run as collect
from recsys.comparison.result import FILES
from recsys.settings import Settings
from recsys.store import Store
from recsys.tracking import finished
from recsys.tracking.finished import finished_comparison
from recsys.tracking.runs import Tracker

KEY = "0123456789abcdef0123456789abcdef"


def store(settings, run_id, failures=None, stages=("comparison", "report")):
    """What a comparison that ended left in the store."""

    def build(names):
        def write(folder):
            for name in names:
                (folder / name).write_text(name)
            if "manifest.json" in names:
                manifest = {"mlflow_run_id": run_id, "failures": failures or {}}
                (folder / "manifest.json").write_text(json.dumps(manifest))

        return write

    names = {"comparison": FILES[:-1], "report": FILES[-1:]}
    for stage in stages:
        Store(settings.store).produce(stage, KEY, build(names[stage]))


@pytest.fixture
def run_id(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracker = Tracker(settings)
    found = tracker.open_parent("made", KEY, {}, {}, fresh=False).run_id
    tracker.close(found, "FINISHED")
    return found


def found(settings, out=None):
    return finished_comparison(spec(), KEY, settings, out)


class TestInADatabase:
    def test_a_finished_one_is_delivered(self, settings, run_id, tmp_path):
        store(settings, run_id)
        result = found(settings, tmp_path / "out")
        assert (result.out, result.run_key, result.run_id, result.cached) == (tmp_path / "out", KEY, run_id, True)
        assert sorted(path.name for path in result.out.iterdir()) == sorted(FILES)

    def test_where_nobody_says_where(self, settings, run_id, tmp_path):
        store(settings, run_id)
        assert found(settings).out == tmp_path / "runs" / "made" / KEY[:12]

    def test_nothing_was_stored(self, settings, run_id):
        assert found(settings) is None

    @pytest.mark.parametrize("stage", ["comparison", "report"])
    def test_half_of_it_was(self, settings, run_id, stage):
        store(settings, run_id, stages=[stage])
        assert found(settings) is None

    @pytest.mark.parametrize("name", ["leaderboard.csv", "report.html"])
    def test_a_file_was_damaged(self, settings, run_id, name, tmp_path):
        store(settings, run_id)
        stage = "report" if name == "report.html" else "comparison"
        (settings.store / stage / KEY / name).write_text("other")
        assert found(settings, tmp_path / "out") is None
        assert not (tmp_path / "out").exists()

    def test_a_model_failed(self, settings, run_id):
        store(settings, run_id, failures={"ease": "ran out of memory"})
        assert found(settings) is None

    @pytest.mark.parametrize("status", ["FAILED", "KILLED"])
    def test_its_run_did_not_finish(self, settings, run_id, status):
        store(settings, run_id)
        Tracker(settings).close(run_id, status)
        assert found(settings) is None

    def test_its_run_was_deleted(self, settings, run_id):
        store(settings, run_id)
        Tracker(settings).client.delete_run(run_id)
        assert found(settings) is None

    @pytest.mark.parametrize("moment", ["status_of", "deliver"])
    def test_gc_takes_it_meanwhile(self, settings, run_id, tmp_path, monkeypatch, moment):
        """Between two looks at it, or when it is about to be copied: it is made anew."""
        store(settings, run_id)
        real = getattr(finished, moment)

        def late(*args):
            collect(0, False, Speech(quiet=True, json=True))
            return real(*args)

        monkeypatch.setattr(finished, moment, late)
        assert found(settings, tmp_path / "out") is None
        assert list((tmp_path / "out").glob("*")) == []
        assert list(settings.store.glob("*/[!.]*")) == []

    def test_the_database_is_gone(self, settings, run_id):
        store(settings, run_id)
        settings.database.unlink()
        assert found(settings) is None


@pytest.fixture
def server(monkeypatch):
    """An MLflow server that answers with `server.answer`, or closes the door; notes the questions."""
    questions = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            questions.append(self.path)
            status, body = self.server.answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        serving.questions = questions
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{serving.server_port}/")
        yield serving
        serving.shutdown()


def answer(status, stage="active"):
    return 200, json.dumps({"run": {"info": {"status": status, "lifecycle_stage": stage}}}).encode()


class TestOnAServer:
    @pytest.mark.parametrize(
        ("says", "there"),
        [
            (answer("FINISHED"), True),
            (answer("RUNNING"), False),
            (answer("FINISHED", "deleted"), False),
            ((404, b"{}"), False),
            ((200, b"no json"), False),
            ((200, b"{}"), False),
        ],
    )
    def test_its_run_is_asked_for(self, server, tmp_path, says, there):
        server.answer = says
        store(Settings(), "r1")
        assert (found(Settings(), tmp_path / "out") is not None) == there
        question = urlparse(server.questions[0])
        assert question.path == "/api/2.0/mlflow/runs/get"
        assert parse_qs(question.query) == {"run_id": ["r1"]}

    def test_nobody_answers(self, server, tmp_path, monkeypatch):
        store(Settings(), "r1")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        assert found(Settings(), tmp_path / "out") is None

    def test_records_of_another_kind(self, tmp_path, monkeypatch):
        store(Settings(), "r1")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://nobody@127.0.0.1/mlflow")
        assert found(Settings(), tmp_path / "out") is None

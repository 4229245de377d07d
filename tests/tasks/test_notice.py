"""A word to whom it concerns: in a file, to a webhook; what cannot be told is a warning, and no secret is in it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from made.decisions import record

from recsys.settings import Settings
from tasks.context import Reporter
from tasks.notice import notify


class Warned(Reporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def webhook():
    """A server that notes what it is told; its address, and the notes."""
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path.startswith("/broken") else 204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", told
    server.shutdown()
    thread.join()
    server.server_close()


def test_nobody_asked() -> None:
    reporter = Warned()
    notify(Settings(), "text", None, reporter)
    assert reporter.warnings == []


def test_a_line_a_decision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_NOTIFY_FILE", str(tmp_path / "new" / "notes.jsonl"))
    for n in range(2):
        notify(Settings(), f"text {n}", record(n, "promoted"), Warned())
    lines = [json.loads(line) for line in (tmp_path / "new" / "notes.jsonl").read_text().splitlines()]
    assert [(line["text"], line["verdict"], line["name"]) for line in lines] == [
        ("text 0", "promoted", "shop"),
        ("text 1", "promoted", "shop"),
    ]


def test_the_webhook(webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    url, told = webhook
    monkeypatch.setenv("RECSYS_NOTIFY_URL", f"{url}/hook?token=canary")
    reporter = Warned()
    notify(Settings(), "retraining of shop failed", None, reporter)
    assert reporter.warnings == []
    assert [each["text"] for each in told] == ["retraining of shop failed"]


@pytest.mark.parametrize("path", ["/broken?token=canary", None])
def test_a_webhook_that_does_not_take_it(webhook, path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    url, _ = webhook
    monkeypatch.setenv("RECSYS_NOTIFY_URL", f"{url}{path}" if path else "file:///etc/passwd?token=canary")
    reporter = Warned()
    notify(Settings(), "text", record(1), reporter)
    assert len(reporter.warnings) == 1
    assert reporter.warnings[0].startswith("RECSYS_NOTIFY_URL: the webhook did not take it")
    assert "canary" not in reporter.warnings[0]


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_NOTIFY_FILE", str(tmp_path))
    reporter = Warned()
    notify(Settings(), "text", None, reporter)
    assert reporter.warnings[0].startswith("RECSYS_NOTIFY_FILE: ")

"""A proxy on loopback before an HTTP server, that fails in every way a server does; and an MLflow server behind it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from faults.harness import environment, free_port

from recsys.processes import wait_until

Mode = Literal["pass", "refuse", "slow", "500", "429", "cut", "lost"]
SLOW_SECONDS = 3600.0
QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
"""An environment in which MLflow gives a server up at once."""
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Proxy:
    """Hands requests on to a port of this machine. mode: how it behaves; may be changed at any time.

    refuse: nobody listens. slow: no answer within an hour, or until the mode changes. 500, 429: that answer, the latter
    with the wish to be asked again in an hour. cut: the server does what it is asked, and its answer is lost. lost: so
    the first time that it is asked for a change; the second time it answers.
    """

    def __init__(self, port: int) -> None:
        self.target, self.asked = port, list[str]()
        self._changed = set[tuple[str, str, bytes]]()
        self._mode: Mode = "pass"
        self._trap: tuple[str, Mode] | None = None
        self._server = self._serve(0)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        before, self._mode = self._mode, mode
        if mode == "refuse" and before != "refuse":
            self._end()
        if mode != "refuse" and before == "refuse":
            self._server = self._serve(self.port)

    def trap(self, part: str, mode: Mode) -> None:
        """From the next request on whose path holds this part, that one included, behave so."""
        self._trap = part, mode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._mode != "refuse":
            self.mode = "refuse"

    def step_into(self, method: str, path: str, body: bytes) -> Mode:
        """Note a request; how it is to be treated."""
        self.asked.append(path)
        if self._trap is not None and self._trap[0] in path:
            (_, mode), self._trap = self._trap, None
            # The listening socket cannot be closed by the thread that answers.
            threading.Thread(target=setattr, args=(self, "mode", mode)).start()
            return "cut" if mode == "refuse" else mode
        if self._mode == "lost":
            known = method == "GET" or (method, path, body) in self._changed
            self._changed.add((method, path, body))
            return "pass" if known else "cut"
        return self._mode

    def _serve(self, port: int) -> ThreadingHTTPServer:
        handler = type("Bound", (_Handler,), {"proxy": self})
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def _end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = self.proxy.step_into(self.command, self.path, body)
        ends = time.monotonic() + SLOW_SECONDS
        while mode == "slow" and self.proxy.mode == "slow" and time.monotonic() < ends:
            time.sleep(0.02)
        if mode in ("500", "429"):
            self._send(int(mode), {"Retry-After": "3600"} if mode == "429" else {}, b"{}")
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if mode not in ("cut", "slow"):
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
            self._send(answer.status, kept, content)

    def _send(self, status: int, headers: dict[str, Any], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": len(body), "Connection": "close"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 -- http.server asks for these names

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def mlflow_server(home: Path) -> Iterator[int]:
    """A real MLflow server that shows the database of a home; its port."""
    port, mlflow = free_port(), Path(sys.executable).with_name("mlflow")
    command = [str(mlflow), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"]
    command += ["--artifacts-destination", (home / "artifacts").as_uri()]
    env = {**environment(home), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (home / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        assert wait_until(lambda: _answers(port), 120.0, every=0.2), (home / "mlflow.log").read_text()
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
    except OSError:
        return False

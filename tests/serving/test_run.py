"""A real server on loopback: who may reach it, what it bears, and that nobody notices a newer model or its end."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kitchen import Pointer, bundle_of

from recsys.errors import InputError
from recsys.processes import wait_until
from recsys.serving import app
from recsys.serving.answers import for_user
from recsys.serving.bundle import open_bundle
from recsys.serving.run import _config, _Server, check_host, listen, serve
from recsys.serving.settings import ServeSettings, serve_settings
from recsys.serving.state import Serving


class Running:
    """A server in a thread of this process. It takes signals in the main thread alone, so it is told to end."""

    def __init__(self, state: Serving, **settings: object) -> None:
        chosen = ServeSettings(**settings)
        state.start()
        self.listener = listen("127.0.0.1", 0)
        self.port = self.listener.getsockname()[1]
        self.server = _Server(_config(app.create_app(state, chosen), chosen))
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],), daemon=True)
        self.thread.start()
        assert wait_until(lambda: self.server.started, 30)

    def end(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.listener.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def get(self, path: str) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body) if body.startswith(b"{") else {}


@contextmanager
def running(pointer: Pointer, every: float = 0.05, **settings: object) -> Iterator[Running]:
    state = Serving(pointer, every=every)
    server = Running(state, **settings)
    try:
        yield server
    finally:
        server.end()
        state.stop()


@pytest.fixture(scope="module")
def quick(ease: Path) -> Iterator[Running]:
    """A server with little patience."""
    with running(Pointer("1", ease), patience=0.5, idle=1.0, connections=20) as server:
        yield server


def wait_for_the_end(connection: socket.socket) -> None:
    """Until the other end closes; what it says meanwhile is thrown away. Raises TimeoutError where it does not."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(65_536):
            pass


def test_answers(quick):
    assert quick.get("/recommend?user=1007&k=3")[1]["source"] == "user"
    assert quick.get("/health") == (200, {"live": True, "ready": True, "version": "1", "troubles": []})


def test_a_user_id_of_a_megabyte(quick):
    for path in ("/recommend?user=" + "x" * 10**6, "/" + "x" * 10**6):
        with quick.connect() as connection:
            try:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                head = connection.recv(1000)
            except ConnectionError:
                head = b""  # it does not read to the end what it will not take
            assert head == b"" or head.startswith((b"HTTP/1.1 400", b"HTTP/1.1 414", b"HTTP/1.1 431"))
    body = json.dumps({"user": "x" * 10**6})
    connection = http.client.HTTPConnection("127.0.0.1", quick.port, timeout=30)
    with contextlib.suppress(ConnectionError):
        connection.request("POST", "/recommend", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 413
    connection.close()
    assert quick.get("/recommend?user=1007")[0] == 200


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /recommend?user=1007 HTTP/1.1\r\n", b"POST /recommend HTTP/1.1\r\nHost: localhost\r\n"
     b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"],
    ids=["nothing", "half a head", "half a body"],
)  # fmt: skip
def test_a_client_that_does_not_go_on(quick, begun):
    with quick.connect() as connection:
        connection.sendall(begun)
        wait_for_the_end(connection)


def test_a_client_that_goes_in_mid_body_leaves_no_trace_in_the_log(quick, caplog):
    with quick.connect() as connection:
        connection.sendall(
            b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )

    def counted():
        connection = http.client.HTTPConnection("127.0.0.1", quick.port, timeout=30)
        connection.request("GET", "/metrics")
        found = connection.getresponse().read()
        connection.close()
        return b'recsys_refused_total{reason="gone"}' in found

    assert wait_until(counted, 10)
    assert not [record for record in caplog.records if record.name.startswith("recsys")]


def test_a_client_that_sends_a_letter_now_and_then(quick):
    with quick.connect() as connection:
        ended = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                for letter in b"GET /recommend?user=1007&k=" + b"1" * 1000:
                    connection.sendall(bytes([letter]))
                    if ended.wait(0.05):
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        wait_for_the_end(connection)
        ended.set()
        thread.join()


def test_a_client_that_waits_between_requests(quick):
    with quick.connect() as connection:
        connection.sendall(b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        wait_for_the_end(connection)


def test_too_many_connections(quick):
    held = [quick.connect() for _ in range(60)]
    try:
        assert sum(closed_at_once(connection) for connection in held) >= 40
    finally:
        for connection in held:
            connection.close()
    assert wait_until(lambda: answered(quick), 20)


def closed_at_once(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def answered(server: Running) -> bool:
    try:
        return server.get("/health")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /%ff%fe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /recommend HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /recommend HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_no_request_of_ours(quick, request_):
    with quick.connect() as connection:
        connection.sendall(request_)
        head = connection.recv(1000)
        assert head == b"" or head.split()[1].startswith(b"4")
    assert quick.get("/health")[0] == 200


def test_a_newer_model_drops_no_request(ease, tmp_path):
    other = bundle_of(tmp_path, "popularity")
    pointer = Pointer("1", ease)
    bundles = {"1": open_bundle(ease), "2": open_bundle(other)}
    wanted = {name: one.items.ids[for_user(one, 7, 5).items].tolist() for name, one in bundles.items()}
    with running(pointer, every=0.02) as server:
        seen, done, failed = [], threading.Event(), []

        def ask():
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            try:
                while not done.is_set():
                    connection.request("GET", "/recommend?user=1007&k=5")
                    found = json.loads(connection.getresponse().read())
                    assert [line["item"] for line in found["recommendations"]] == wanted[found["version"]]
                    seen.append(found["version"])
            except Exception as error:
                failed.append(error)
            connection.close()

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for version, folder in (("2", other), ("1", ease)) * 3:
            pointer.version, pointer.folder = version, folder
            assert wait_until(lambda version=version: failed or (seen and seen[-1] == version), 30)
        done.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert sum(a != b for a, b in itertools.pairwise(seen)) >= 6


def test_answers_under_way_are_finished_at_the_end(ease, monkeypatch):
    begun = threading.Event()

    def slow(*given):
        begun.set()
        time.sleep(0.5)
        return for_user(*given)

    monkeypatch.setattr(app.answers, "for_user", slow)
    state = Serving(Pointer("1", ease), every=3600)
    server = Running(state)
    state.live.bundle.pace = 1.0  # long work, which is done in a thread
    found = []
    asking = threading.Thread(target=lambda: found.append(server.get("/recommend?user=1007")[0]))
    asking.start()
    assert begun.wait(30)
    server.end()
    asking.join()
    assert found == [200]
    state.stop()


SERVER = """
import sys
from pathlib import Path
from recsys.serving.run import serve
from recsys.serving.state import Serving
serve(Serving(lambda: ("1", Path(sys.argv[1]))), port=0, ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_by_a_signal_and_returns(ease, number):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SERVER, str(ease)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/recommend?user=1007")
        assert connection.getresponse().status == 200
        process.send_signal(number)
        assert process.stdout.read() == "ended\n"
        assert process.wait(30) == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_beyond_this_machine_a_key_is_needed(host):
    with pytest.raises(InputError, match="no key is set; set RECSYS_SERVE_KEY"):
        check_host(host, ServeSettings())
    check_host(host, ServeSettings(key="sixteen letters or more"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.9.9.9"])
def test_this_machine_needs_none(host):
    check_host(host, ServeSettings())


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 300])
def test_no_host(host):
    with pytest.raises(InputError, match="is not known"):
        check_host(host, ServeSettings())


def test_a_taken_port(ease):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        state = Serving(Pointer("1", ease))
        with pytest.raises(InputError, match=f"port {port}: cannot be used"):
            serve(state, port=port)
        assert not state.ready, "nothing is opened before it is known that it can be served"


def test_settings_of_the_environment(monkeypatch):
    monkeypatch.setenv("RECSYS_SERVE_RATE", "5")
    assert serve_settings().rate == 5
    for name, value, message in (
        ("RATE", "many", "RECSYS_SERVE_RATE"),
        ("MOST", "0", "RECSYS_SERVE_MOST"),
        ("KEY", "geheim", "RECSYS_SERVE_KEY: is shorter than 16 characters"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(f"RECSYS_SERVE_{name}", value)
            with pytest.raises(InputError, match=message) as caught:
                serve_settings()
        assert "geheim" not in str(caught.value)

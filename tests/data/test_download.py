"""Downloads against a server on this machine that cuts, refuses, stalls and lies."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest

from recsys.data.download import Resuming, download
from recsys.errors import InputError, RunError
from recsys.settings import Settings

BODY = bytes(range(256)) * 4000
CHECKSUM = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


@dataclass
class Home:
    """A server's behaviour: what it serves, after how many bytes it cuts each answer, and the ranges it was asked for.

    statuses: answers given instead, first to last. ranges: whether it knows them.
    """

    body: bytes = BODY
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    length: bool = True
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def home() -> Iterator[Home]:
    state = Home()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if start >= len(state.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.body)}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if state.length:
                self.send_header("Content-Length", str(len(state.body) - start))
            self.end_headers()
            end = start + state.cuts.pop(0) if state.cuts else len(state.body)
            self.wfile.write(state.body[start:end])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def settings(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(Resuming.__init__, "__defaults__", (*Resuming.__init__.__defaults__[:2], 0.01, 2.0))
    return Settings(home=tmp_path, movielens_url=home.url + "/")


def part(settings: Settings) -> Path:
    return settings.cache / "movielens" / "ml.zip.part"


def test_downloaded_once_with_progress(home: Home, settings: Settings) -> None:
    seen: list[tuple[str, int, int | None]] = []
    path = download("ml", CHECKSUM, settings, lambda *step: seen.append(step))
    assert path == settings.cache / "movielens" / "ml.zip"
    assert path.read_bytes() == BODY
    assert seen[-1] == (f"downloading {home.url}/ml.zip", len(BODY), len(BODY))
    assert len(seen) > 2
    assert download("ml", CHECKSUM, settings) == path
    assert home.asked == [None]
    assert sorted(file.name for file in path.parent.iterdir() if file.suffix != ".lock") == ["ml.zip"]


def test_goes_on_where_the_connection_was_cut(home: Home, settings: Settings) -> None:
    home.cuts = [300_000, 0, 200_000, 100_000, 1]
    assert download("ml", CHECKSUM, settings).read_bytes() == BODY
    assert home.asked == [None, *(f"bytes={n}-" for n in (300_000, 300_000, 500_000, 600_000, 600_001))]


def test_goes_on_where_a_killed_process_stopped(home: Home, settings: Settings) -> None:
    part(settings).parent.mkdir(parents=True)
    part(settings).write_bytes(BODY[:700_000])
    assert download("ml", CHECKSUM, settings).read_bytes() == BODY
    assert home.asked == ["bytes=700000-"]


def test_a_killed_process_had_all_but_the_name(home: Home, settings: Settings) -> None:
    part(settings).parent.mkdir(parents=True)
    part(settings).write_bytes(BODY)
    assert download("ml", CHECKSUM, settings).read_bytes() == BODY
    assert home.asked == [f"bytes={len(BODY)}-"]


@pytest.mark.parametrize("left", [b"other" * 10, b"x" * (len(BODY) + 5)])
def test_what_was_left_of_another_file_is_thrown_away(left: bytes, home: Home, settings: Settings) -> None:
    part(settings).parent.mkdir(parents=True)
    part(settings).write_bytes(left)
    assert download("ml", CHECKSUM, settings).read_bytes() == BODY
    assert home.asked == [f"bytes={len(left)}-", None]


def test_a_server_that_knows_no_ranges_or_lengths(home: Home, settings: Settings) -> None:
    home.ranges = home.length = False
    part(settings).parent.mkdir(parents=True)
    part(settings).write_bytes(BODY[:7])
    assert download("ml", CHECKSUM, settings).read_bytes() == BODY


def test_a_busy_server_is_asked_again(home: Home, settings: Settings) -> None:
    home.statuses = [503, 429]
    assert download("ml", CHECKSUM, settings).read_bytes() == BODY


def refusal(settings: Settings) -> str:
    started = time.monotonic()
    with pytest.raises(RunError) as caught:
        download("ml", CHECKSUM, settings)
    assert time.monotonic() - started < 5
    assert not (settings.cache / "movielens" / "ml.zip").exists()
    return str(caught.value)


def elsewhere(settings: Settings) -> str:
    return (
        f"; get it by other means and put it at {settings.cache}/movielens/ml.zip, or name the folder or archive where "
        "it is: data.path, or RECSYS_DATA_DIR for the folder above it"
    )


def test_wrong_bytes(home: Home, settings: Settings) -> None:
    home.body = BODY[:-1] + b"?"
    assert refusal(settings) == (
        f"{home.url}/ml.zip: cannot be downloaded (what it serves has not the published checksum {CHECKSUM})"
        + elsewhere(settings)
    )
    assert not part(settings).exists()


def test_not_there(home: Home, settings: Settings) -> None:
    home.statuses = [404]
    assert refusal(settings) == f"{home.url}/ml.zip: cannot be downloaded (404 Not Found)" + elsewhere(settings)
    assert len(home.asked) == 1


def test_busy_for_ever(home: Home, settings: Settings) -> None:
    home.statuses = [503] * 9
    assert refusal(settings).startswith(f"{home.url}/ml.zip: cannot be downloaded (503 Service Unavailable); get it by")
    assert len(home.asked) == 4


def test_always_cut(home: Home, settings: Settings) -> None:
    home.cuts = [10, *[0] * 9]
    assert refusal(settings).startswith(f"{home.url}/ml.zip: cannot be downloaded (the connection was cut); get it by")
    assert part(settings).read_bytes() == BODY[:10]


def no_such_name(*_: object) -> NoReturn:
    raise socket.gaierror(-3, "Temporary failure in name resolution")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://files.example"])
def test_no_network(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "example" in url:
        monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    settings = Settings(home=tmp_path, movielens_url=url)
    message = refusal(settings)
    assert message.startswith(f"{url}/ml.zip: cannot be downloaded (")
    assert message.endswith(elsewhere(settings))


def test_nowhere_to_write(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file/cache/movielens: cannot be written \(Not a directory\)"):
        download("ml", CHECKSUM, Settings(home=tmp_path / "file", movielens_url=home.url))

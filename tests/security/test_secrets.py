"""Secrets of the installation are searched for, in every form, in all that real commands leave and print.

The commands read a database, decide, publish, tell a webhook, and fail at each of these. Every secret begins with the
same word. While they run, their processes are looked at: silent, and open to this machine alone.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import gzip
import io
import ipaddress
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster import Cluster, Database
from faults.harness import Ended, Workplace
from made.shop import spec_of, write_world
from security.search import holds

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

WORD = b"Canary-"
SWITCHES = (b"DO_NOT_TRACK=1", b"PREFECT_SERVER_ANALYTICS_ENABLED=false")
NOBODY = "postgresql://me:Canary-down@127.0.0.1:1/shop?sslpassword=Canary-ssl"


@dataclass
class Watched:
    """Commands of one home. ended: how, by name. listening: addresses of their processes. seen: modules that these ran.
    loud: those of them that were not told to be silent."""

    place: Workplace
    cluster: Cluster
    ended: dict[str, Ended] = field(default_factory=dict)
    listening: set[str] = field(default_factory=set)
    loud: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def run(self, name: str, *arguments: str, **env: str) -> None:
        """Run `recsys ARGUMENTS` with a secret in every variable that may hold one."""
        secrets = {
            "RECSYS_SQL_URL": self.cluster.url("test"),
            "RECSYS_SQL_URL_DOWN": NOBODY,
            "RECSYS_PUBLISH_TO": "sql+DOWN:lists",
            "RECSYS_NOTIFY_URL": "http://127.0.0.1:1/hook?token=Canary-hook",
            "RECSYS_SERVE_KEY": "Canary-serve-0123456789",
        }
        command = self.place.start(*arguments, **{**secrets, **env})
        while command.process.poll() is None:
            for process in self.place.processes():
                with contextlib.suppress(psutil.Error, OSError):
                    self._look(process, process.pid == command.process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.process.wait(0.3)
        self.ended[name] = command.wait()

    def _look(self, process: psutil.Process, is_command: bool) -> None:
        connections = process.net_connections("inet")
        self.listening |= {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}
        words = next((word for word in process.cmdline() if word.startswith(("flows.", "recsys."))), "")
        self.seen.add(words)
        told = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        if not is_command and words in ("flows.server", "recsys.experiment.fork_server") and not {*SWITCHES} <= {*told}:
            self.loud.add(words)

    def holding(self, word: bytes) -> list[Path]:
        """Files of home and printed text that hold a word; of a database also what was deleted."""
        files = [path for path in self.place.folder.rglob("*") if path.is_file()]
        return [path.relative_to(self.place.folder) for path in files if holds(path, word)]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, databases: Path, cluster: Cluster) -> Iterator[Watched]:
    """A first champion whose lists cannot be published, then can, and two comparisons that find no database."""
    folder = tmp_path_factory.mktemp("secrets")
    write_world(folder / "world.csv")
    with (folder / "world.csv").open() as file:
        _, *rows = csv.reader(file)
    (folder / "world.csv").unlink()
    database = Database(cluster.empty("test"), cluster)
    database.table('"user" int, item int, value int, timestamp bigint', [tuple(map(int, row)) for row in rows])

    spec: dict[str, Any] = spec_of({"source": "sql", "table": "events"})
    watched = Watched(Workplace(folder, spec).seed(databases), cluster)
    watched.run("retrain", "retrain", "spec.yaml")
    watched.run("publish", "publish", "spec.yaml", "--to", "sql:lists")
    wrong = cluster.url("test", password="Canary-wrong@%")
    watched.run("let in", "compare", "spec.yaml", RECSYS_SQL_URL=wrong)
    watched.run("nobody there", "compare", "spec.yaml", "--set", "data.connection=down")
    yield watched
    for process in watched.place.processes():
        process.kill()


def test_the_search_knows_every_form(tmp_path: Path) -> None:
    secret = b"before Canary-shop after"
    packed, table = io.BytesIO(), pa.table({"url": [secret.decode()]})
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.gz", gzip.compress(secret))
    with sqlite3.connect(tmp_path / "rows") as database:
        database.execute("CREATE TABLE t (a TEXT)")
        # Longer than a page: a text in pieces, each on a page of its own.
        database.executemany("INSERT INTO t VALUES (?)", [("x" * n + secret.decode(),) for n in range(3990, 4200)])
    database.close()
    for shift in range(3):
        (tmp_path / f"base64-{shift}").write_bytes(base64.b64encode(b"x" * shift + secret))
    (tmp_path / "percent").write_bytes("".join(f"%{byte:02X}" for byte in secret).encode())
    (tmp_path / "hexadecimal").write_bytes(secret.hex().encode())
    (tmp_path / "gzip").write_bytes(gzip.compress(secret))
    (tmp_path / "zip").write_bytes(packed.getvalue())
    pq.write_table(table, tmp_path / "parquet", compression="zstd")
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert len(files) == 9
    assert [path.name for path in files if not holds(path, WORD)] == []
    assert [path.name for path in files if holds(path, b"Kanary-")] == []


def test_everything_was_reached(watched: Watched) -> None:
    said = {name: ended.said for name, ended in watched.ended.items()}
    assert "version 1 gives" in said["retrain"]
    assert "the webhook did not take it" in said["retrain"]
    for name in ("retrain", "nobody there"):
        assert "the connection to postgresql://127.0.0.1:1/shop was lost" in said[name]
    assert "password authentication failed" in said["let in"]
    status = {name: ended.status for name, ended in watched.ended.items()}
    assert status == {"retrain": 1, "publish": 0, "let in": 2, "nobody there": 1}, said
    held = {path.name for path in watched.holding(b"shop")}
    assert held >= {"mlflow.db", "prefect.db", "spec.yaml", "shop.html"}, "the search finds what is there"


def test_no_secret_is_anywhere(watched: Watched) -> None:
    assert watched.holding(WORD) == []


def test_nobody_else_was_asked_and_nobody_else_could_ask(watched: Watched) -> None:
    watched.place.assert_kept_here()
    assert {"flows.server", "recsys.experiment.fork_server"} <= watched.seen
    assert watched.loud == set()
    assert watched.listening
    assert all(ipaddress.ip_address(host).is_loopback for host in watched.listening), watched.listening

"""Load on a real server: requests at random moments, each timed from when it was due, not from when it was sent."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from recsys.settings import Settings
from recsys.tracking.database import ensure_database
from recsys.tracking.registry import Registry
from tests.benchmarks.measure import Figure
from tests.benchmarks.vectors import bundle
from tests.serving.registered import register

NAME = "benchmark"
N_USERS, N_ITEMS = 50_000, 100_000


@dataclass
class Load:
    """What a load came to. seconds: of each request answered with 200, ascending; others: how many of what else."""

    seconds: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.seconds, share))

    def __str__(self) -> str:
        times = ", ".join(f"p{share:g} {1e3 * self.percentile(share):.2f} ms" for share in (50, 90, 99, 99.9))
        return f"{len(self.seconds):,} answered, {sum(self.others.values())} not; {times}"


class Server:
    """`recsys serve` in a process of its own, on the champion of a home."""

    def __init__(self, home: Path, first: Path) -> None:
        self.settings = Settings(home=home)
        ensure_database(self.settings)
        self.promote(first)
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("recsys"), "serve", NAME, "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "RECSYS_HOME": str(home), "RECSYS_SERVE_RATE": "0"},
        )
        assert self.process.stdout is not None
        self.port = int(json.loads(self.process.stdout.readline())["url"].rpartition(":")[2])

    def promote(self, bundle: Path, champion: bool = True) -> int:
        """Register a bundle as the next version."""
        return register(self.settings, NAME, bundle, champion)

    def follow(self, version: int) -> None:
        """Make a registered version champion."""
        Registry(self.settings).promote(NAME, version, version - 1, {})

    def cpu(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def memory(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def close(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


async def load(port: int, rate: float, seconds: float, paths: list[str], connections: int = 32, seed: int = 0) -> Load:
    """Ask for these paths, over and over, at a mean rate a second, at moments that follow a Poisson process."""
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1 / rate, int(rate * seconds)))
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    found, began, tasks = Load(), time.perf_counter(), set()

    async def ask(path: str, moment: float) -> None:
        reader, writer = await free.get()
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            took = time.perf_counter() - began - moment
            status = head.split(b" ", 2)[1].decode()
            if status == "200":
                found.seconds.append(took)
                found.versions[body.partition(b'"version":"')[2].partition(b'"')[0].decode()] += 1
            else:
                found.others[status] += 1
            free.put_nowait((reader, writer))
        except (OSError, asyncio.IncompleteReadError) as error:
            found.others[type(error).__name__] += 1
            writer.close()
            free.put_nowait(await asyncio.open_connection("127.0.0.1", port))

    for number, moment in enumerate(due):
        wait = began + moment - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(ask(paths[number % len(paths)], moment))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    found.seconds.sort()
    return found


def questions(n_users: int, n_items: int, n: int = 5000, seed: int = 1) -> list[str]:
    """Mostly known users, some with a history, some unknown."""
    rng = np.random.default_rng(seed)
    paths = []
    for _ in range(n):
        kind = rng.random()
        if kind < 0.85:
            paths.append(f"/recommend?user={rng.integers(1, n_users + 1)}&k=20")
        elif kind < 0.95:
            history = "&".join(f"history={item}" for item in rng.integers(1, n_items + 1, 10))
            paths.append(f"/recommend?{history}&k=20")
        else:
            paths.append(f"/recommend?user=u{rng.integers(10**6)}&k=20")
    return paths


def figures(seconds: float = 30.0) -> Iterator[Figure]:
    """The served 99th percentile at 200 requests a second, quiet and while a newer champion is taken over."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        one = bundle(folder / "one", N_USERS, N_ITEMS)
        other = bundle(folder / "other", N_USERS, N_ITEMS, seed=1)
        server = Server(folder / "home", one)
        newer, paths = server.promote(other, champion=False), questions(N_USERS, N_ITEMS)
        try:
            asyncio.run(load(server.port, 200, 3, paths))
            yield _figure(server, "200 requests/s, 100,000 items × 64, 50,000 users: p99", paths, seconds, None)
            yield _figure(server, "the same, a newer champion taken over in the middle: p99", paths, seconds, newer)
        finally:
            server.close()


def _figure(server: Server, what: str, paths: list[str], seconds: float, newer: int | None) -> Figure:
    before, spent = os.getloadavg()[0], server.cpu()

    async def run() -> Load:
        loaded = asyncio.create_task(load(server.port, 200, seconds, paths))
        if newer is not None:
            await asyncio.sleep(seconds / 3)
            await asyncio.to_thread(server.follow, newer)
        return await loaded

    found = asyncio.run(run())
    note = f"{found}; versions {dict(found.versions)}"
    cpu = (server.cpu() - spent) / max(1, len(found.seconds))
    return Figure(what, found.percentile(99), cpu, "≤ 0.02 s", server.memory(), note, before)


if __name__ == "__main__":
    for figure in figures():
        print(figure, flush=True)

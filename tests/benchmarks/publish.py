"""The lists of a million users, made from vectors and published."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from recsys.processes import peak_memory
from recsys.serving.bundle import open_bundle
from recsys.serving.publish import publish
from recsys.settings import Settings
from tests.benchmarks.measure import Figure
from tests.benchmarks.vectors import bundle

N_USERS, N_ITEMS, K = 1_000_000, 100_000, 20


def figures(n_users: int = N_USERS, n_items: int = N_ITEMS) -> Iterator[Figure]:
    """To a folder, and to a table of SQLite."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        opened = open_bundle(bundle(folder / "made", n_users, n_items, index=False))
        os.environ["RECSYS_SQL_URL"] = f"sqlite:///{folder}/lists.db"
        for kind, to in (("parquet", str(folder / "lists")), ("SQLite", "sql:lists")):
            load, spent, began = os.getloadavg()[0], time.process_time(), time.perf_counter()
            done = publish(opened, "1", to, Settings(home=folder / "home"), K)
            wall, cpu = time.perf_counter() - began, time.process_time() - spent
            what = f"publish {n_users:,} users × {K} of {n_items:,} items × 64: {kind}"
            yield Figure(what, wall, cpu, "minutes", peak_memory() / 1e6, f"{done.rows:,} rows", load)


if __name__ == "__main__":
    for figure in figures():
        print(figure, flush=True)

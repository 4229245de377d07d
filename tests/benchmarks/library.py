"""The library's own inner loops, and other libraries beside it in the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.data.config import SyntheticData
from recsys.data.synthetic import load
from recsys.metrics.context import Context
from recsys.metrics.evaluate import evaluate
from recsys.metrics.registry import METRICS
from recsys.metrics.tables import metrics_from_tables
from recsys.models.registry import model_class
from recsys.retrieval.topk import top_k
from recsys.training.run import FitRun
from tests.benchmarks import ann
from tests.benchmarks.measure import Figure, function
from tests.benchmarks.vectors import all_positive

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv-peers"
N_USERS, N_ITEMS = 6040, 3700
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def figures() -> Iterator[Figure]:
    """All of them, in the order of the page."""
    yield _score_blocks()
    yield from _tables()
    yield from _fits()
    yield from ann.figures()
    yield _synthetic()


def _score_blocks() -> Figure:
    random = np.random.default_rng(0)
    scores = random.random((N_USERS, N_ITEMS), dtype=np.float32)
    seen = sparse.random_array((N_USERS, N_ITEMS), density=0.04, format="csr", rng=random)
    truth = sparse.random_array((N_USERS, N_ITEMS), density=0.01, format="csr", rng=random)
    counted = np.diff(truth.indptr) > 0
    features = sparse.random_array((N_ITEMS, 40), density=0.1, format="csr", rng=random)
    known = {"history": seen[counted], "seen": seen[counted], "features": features, "genres": features}
    context = Context(np.diff(seen.tocsc().indptr), N_USERS, N_ITEMS, **known)
    names = [name for name, metric in METRICS.items() if metric.of_lists]

    def body() -> None:
        items, _ = top_k(scores, 10, exclude=seen)
        evaluate(items[counted], truth[counted], names, [10], context)

    what = f"score blocks to metrics: mask seen, top 10, {len(names)} metrics; 6,040 × 3,700"
    return function(what, body, "≤ 1 s")


def _tables() -> Iterator[Figure]:
    random = np.random.default_rng(0)
    lists = pd.DataFrame(
        {
            "user": np.repeat(np.arange(N_USERS), 10),
            "item": np.concatenate([random.permutation(N_ITEMS)[:10] for _ in range(N_USERS)]),
            "rank": np.tile(np.arange(1, 11), N_USERS),
        }
    )
    pairs = random.choice(N_USERS * N_ITEMS, 200_000, replace=False)
    truth = pd.DataFrame({"user": pairs // N_ITEMS, "item": pairs % N_ITEMS})
    names = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")
    ours = function(
        "six metrics from tables of ids, 6,040 × 10", lambda: metrics_from_tables(lists, truth, names, [10]), ""
    )
    theirs = _elsewhere("rectools_metrics.py", lists=lists, truth=truth)
    if theirs is None:
        yield ours
        return
    note = f"{theirs['cpu'] / ours.cpu:.1f} times faster"
    yield Figure(ours.what, ours.wall, ours.cpu, "≥ 5 times RecTools", None, note, ours.load, ours.runs)
    yield Figure("the same by RecTools calc_metrics", theirs["cpu"], theirs["cpu"], "", None, "", ours.load, 5)


def _fits() -> Iterator[Figure]:
    """Fits beside implicit's on the same rows, one thread each; what is imported does not count."""
    data = load(SyntheticData(users=N_USERS, items=N_ITEMS, interactions=1_000_000)).interactions
    rows = data[["user", "item"]].to_numpy() - 1
    theirs = _elsewhere("implicit_fits.py", rows=rows) or {}
    train = all_positive(rows, N_USERS, N_ITEMS)
    for name, other in (("ials", "AlternatingLeastSquares, 64 factors, 10 epochs"), ("item-knn", "TFIDFRecommender")):
        kind = model_class(name)
        what = f"fit of {name} as it comes, 6,040 × 3,700, a million rows"
        ours = function(what, lambda kind=kind: kind(kind.Config()).learn(train, FitRun()), "", runs=3)
        aim, note = "≤ 1.2 times implicit", f"{ours.cpu / theirs[name]:.2f} times" if theirs else "implicit not there"
        yield Figure(what, ours.wall, ours.cpu, aim, None, note, ours.load, ours.runs)
        if theirs:
            yield Figure(f"the same by implicit: {other}", theirs[name], theirs[name], "", None, "", ours.load, 3)


def _elsewhere(script: str, **inputs: Any) -> dict[str, float] | None:
    """What a script prints in an environment of other libraries, which want another NumPy; None where it is not had.

    inputs: tables and arrays that it reads, by the names of their files.
    """
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        asked = [str(python), "-m", "pip", "install", "--quiet", "rectools==0.19.0", "implicit==0.7.3", "pyarrow<22"]
        if subprocess.run(asked, check=False).returncode != 0:
            return None
    for name, given in inputs.items():
        if isinstance(given, pd.DataFrame):
            given.to_parquet(PEERS / f"{name}.parquet")
        else:
            np.save(PEERS / f"{name}.npy", given)
    command = [str(python), str(Path(__file__).with_name(script)), str(PEERS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | ONE_THREAD)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else None


def _synthetic() -> Figure:
    config = SyntheticData(users=70_000, items=10_000, interactions=10_000_000)
    began, spent = time.perf_counter(), time.process_time()
    load(config)
    wall, cpu = time.perf_counter() - began, time.process_time() - spent
    return Figure("a made world of 10 million interactions", wall, cpu, "≤ 60 s")

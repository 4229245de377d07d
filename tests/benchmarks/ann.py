"""The index over item vectors against faiss looking at every item: single queries, one thread, a fitted model."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from recsys.config import FloatArray
from recsys.data.config import SyntheticData
from recsys.data.interactions import Interactions
from recsys.data.synthetic import load
from recsys.models.ials import IAls
from recsys.retrieval.ann import Shape, VectorIndex
from recsys.training.run import FitRun
from tests.benchmarks.measure import Figure
from tests.benchmarks.vectors import all_positive

N_USERS, N_ITEMS, N_ROWS, SIZE, K = 200_000, 1_000_000, 10_000_000, 64, 100
CHOOSING, ASKING = 200, 500
"""Users whose queries set the effort of the index, and others who are timed."""


def figures() -> Iterator[Figure]:
    """Building, exact search by faiss, and ours, with its recall@100 and how many times faster it is."""
    import faiss

    train = world()
    model = IAls(IAls.Config(embedding_size=SIZE, epochs=4))
    model.learn(train, FitRun())
    users = np.random.default_rng(0).choice(N_USERS, CHOOSING + ASKING, replace=False)
    batch = train.batch(users)
    queries, seen = model.user_vectors(batch), [batch.seen[[row]].indices for row in range(len(users))]
    shape = Shape(length=float(np.linalg.norm(queries, axis=1).mean()))
    began, spent = time.perf_counter(), time.process_time()
    index = VectorIndex.build(model.item_vectors, model.item_biases, reachable=train.popularity > 0, shape=shape)
    what = f"index over {N_ITEMS:,} × {SIZE}, fitted by ials on a made world of {N_ROWS:,} rows: build"
    yield Figure(what, time.perf_counter() - began, time.process_time() - spent, "", None, "one thread")

    index.calibrate(queries[:CHOOSING], K, seen=seen[:CHOOSING])
    queries, seen = queries[CHOOSING:], seen[CHOOSING:]
    flat = faiss.IndexFlatIP(SIZE)
    flat.add(index.vectors)
    faiss.omp_set_num_threads(1)
    load_before = os.getloadavg()[0]
    exact = median(queries, lambda row: flat.search(queries[row : row + 1], K))
    ours = median(queries, lambda row: index.search(queries[row], K, seen=seen[row]))
    recall = index.measure(queries, K, seen=seen).recall
    yield Figure(f"faiss IndexFlatIP, one query, best {K}", exact, exact, "", None, "", load_before, ASKING)
    note = f"recall@{K} {recall:.4f}, {exact / ours:.0f} times faster, effort {index.effort}, head {len(index.head):,}"
    what = f"the index, one query, best {K}, seen items left out"
    yield Figure(what, ours, ours, "recall ≥ 0.99, ≥ 10 times", None, note, load_before, ASKING)


def world() -> Interactions:
    """The rows of a made world, all of them to train on."""
    rows = load(SyntheticData(users=N_USERS, items=N_ITEMS, interactions=N_ROWS)).interactions
    return all_positive(rows[["user", "item"]].to_numpy() - 1, N_USERS, N_ITEMS)


def median(queries: FloatArray, ask: Callable[[int], object]) -> float:
    """Median CPU seconds of a query."""
    times = []
    for row in range(len(queries)):
        spent = time.thread_time()
        ask(row)
        times.append(time.thread_time() - spent)
    return statistics.median(times)

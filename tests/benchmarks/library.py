"""The library's own inner loops, and other libraries beside it in the same run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from recsys.config import FloatArray
from recsys.data.config import SyntheticData
from recsys.data.interactions import Interactions
from recsys.data.synthetic import load
from recsys.metrics.context import Context
from recsys.metrics.evaluate import evaluate
from recsys.metrics.registry import METRICS
from recsys.models.registry import model_class
from recsys.retrieval.topk import top_k
from recsys.training.run import FitRun
from tests.benchmarks import ann
from tests.benchmarks.measure import Figure, beside, function
from tests.benchmarks.peers import elsewhere
from tests.benchmarks.vectors import all_positive

N_USERS, N_ITEMS = 6040, 3700


def figures() -> Iterator[Figure]:
    """All of them, in the order of the page, on one thread as the others beside them are."""
    with threadpool_limits(1):
        yield _score_blocks()
        yield from _top_k()
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


def _top_k() -> Iterator[Figure]:
    """The best ten of each row, beside what torch and NumPy take for them without an order among equals."""
    random = np.random.default_rng(0)
    full = random.random((1_000, 27_000), dtype=np.float32)
    for scores, of in ((full, ""), (np.where(full < 0.9, 0, full), ", nine in ten of them 0")):
        best = partial(top_k, scores, 10)
        ours = function(f"best 10 of 27,000 scores, 1,000 rows{of}", best, "")
        torch_s = function(f"the same by torch.topk{of}", partial(torch.topk, torch.from_numpy(scores), 10), "")
        numpy_s = function(f"the same by numpy.argpartition{of}", partial(np.argpartition, scores, -10, axis=1), "")
        yield from beside(ours, "", (torch_s.what, torch_s.cpu), (numpy_s.what, numpy_s.cpu))


def _fits() -> Iterator[Figure]:
    """Fits beside implicit's on the same rows, one thread each; what is imported does not count."""
    data = load(SyntheticData(users=N_USERS, items=N_ITEMS, interactions=1_000_000)).interactions
    rows = data[["user", "item"]].to_numpy() - 1
    theirs = elsewhere("rectools", "implicit_fits.py", rows=rows)
    train = all_positive(rows, N_USERS, N_ITEMS)
    for name, other in (("ials", "AlternatingLeastSquares, 64 factors, 10 epochs"), ("item-knn", "TFIDFRecommender")):
        yield from beside(
            _fit(name, train), "≤ 1.2 times implicit", (f"the same by implicit: {other}", theirs.get(name))
        )
    gram = np.asarray((train.matrix.T @ train.matrix).toarray(), dtype=np.float32)
    gram[np.diag_indices_from(gram)] += 500
    alone = function("the same matrix inverted by LAPACK's spotrf and spotri", lambda: _inverted(gram), "", runs=3)
    yield from beside(_fit("ease", train), "", (alone.what, alone.cpu))


def _fit(name: str, train: Interactions) -> Figure:
    kind = model_class(name)
    what = f"fit of {name} as it comes, 6,040 × 3,700, a million rows"
    return function(what, lambda: kind(kind.Config()).learn(train, FitRun()), "", runs=3)


def _inverted(gram: FloatArray) -> FloatArray:
    factor, _ = lapack.spotrf(gram)
    return lapack.spotri(factor)[0]


def _synthetic() -> Figure:
    config = SyntheticData(users=70_000, items=10_000, interactions=10_000_000)
    began, spent = time.perf_counter(), time.process_time()
    load(config)
    wall, cpu = time.perf_counter() - began, time.process_time() - spent
    return Figure("a made world of 10 million interactions", wall, cpu, "≤ 60 s")

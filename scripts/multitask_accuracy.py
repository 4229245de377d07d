"""Prints what the multi-task document's top-100 accuracy of .5095 is made of: one model, one measure, several splits.

    RECSYS_DATA_DIR=/data python scripts/multitask_accuracy.py

MovieLens-100K. Every row of the table is a fit of `multitask`, or of `popularity` or `ials` beside it. Measured is
`topk_accuracy`, as TensorFlow Recommenders does: the share of test rows whose item is among the first k of all items of
training, items already seen left in. Nothing is chosen by these figures. docs/multitask.md reads them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.data.config import MovieLensData
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions, training_view
from recsys.data.load import load
from recsys.metrics.ranks import Ranks
from recsys.metrics.topk_accuracy import topk_accuracy
from recsys.models.multitask import Multitask
from recsys.models.registry import model_class
from recsys.retrieval.ranks import ranks_of
from recsys.settings import Settings
from recsys.splits.config import TemporalSplit
from recsys.splits.fold import Fold
from recsys.splits.leaks import Case, check_fold
from recsys.splits.splitting import split
from recsys.training.run import FitRun

SEED, SHARE = 42, 0.8
TOP = (1, 5, 10, 50, 100)
SETTINGS = Multitask.Config()
DOCUMENT = (0.0030, 0.0535, 0.1008, 0.3368, 0.5095)


@dataclass(frozen=True, eq=False)
class Part:
    """A way to part the rows of the data. train, test: row numbers; in a leaking one they overlap."""

    name: str
    train: IntArray
    test: IntArray


@dataclass(frozen=True, eq=False)
class Row:
    """A row of the table. accuracy: at each of TOP, (5,). rows: test rows it is the mean of, 0 where not known."""

    part: str
    model: str
    accuracy: Sequence[float]
    rows: int


def parts_of(data: Dataset) -> dict[str, Part]:
    """The splits by name.

    A shuffle that draws a new order whenever it is read gives `take` and `skip` different orders: a training part that
    is kept overlaps with the test by its share, one that is read anew in every epoch comes to hold all rows.
    """
    draws, n = np.random.default_rng(SEED), round(SHARE * len(data))
    first, second = draws.permutation(len(data)), draws.permutation(len(data))
    newest = split(data, TemporalSplit(kind="temporal", test=1 - SHARE, validation=0.0))[0]
    parts = (
        Part("reshuffled every epoch", first, first[n:]),
        Part("reshuffled once", first[:n], second[n:]),
        Part("random", first[:n], first[n:]),
        Part("temporal", newest.train, newest.test),
    )
    return {part.name: part for part in parts}


def leaks(data: Dataset, part: Part) -> list[str]:
    """What the leak check says of a split, in its own words."""
    none = np.zeros(0, dtype=np.int64)
    fold = Fold(train=np.sort(part.train), validation=none, test=np.sort(part.test), history=none)
    return [f"{found.severity}: {found.message}" for found in check_fold(Case(data, fold, exclude_seen=False))]


def accuracies(scores: FloatArray, item: IntArray) -> list[float]:
    """Accuracy at each of TOP. scores: (n, n_items), a row a test row; item: (n,), -1 where not in training."""
    rank = ranks_of(scores, np.arange(len(item)), item)
    ranks = Ranks(rank, user=np.zeros(len(item), dtype=np.int64), n_candidates=np.array([scores.shape[1]]))
    return [float(topk_accuracy(ranks, k)[0]) for k in TOP]


def plain(data: Dataset, part: Part, name: str) -> Iterator[Row]:
    """What a model of histories reaches; a user whom training does not know gets popularity."""
    train = training_view(data, part.train, None, None)
    user, item = questions(data, part, train)
    model = model_class(name)(model_class(name).Config(name=name))
    model.learn(train, FitRun(seed=SEED))
    scores = model.scores(train.batch(np.arange(train.n_users)))
    yield from rows_of(part.name, name, np.where(user[:, None] >= 0, scores[user], model.popularity), user, item)


def multitask(data: Dataset, part: Part, config: Multitask.Config, query: str) -> Iterator[Row]:
    """Fit, and ask about every test row; with time alone also as of the user's newest training row.

    query: what the query holds, for people; what it names of time and rating stands in the place of a row's time.
    """
    moments = moments_of(data, query)
    train = replace(training_view(data, part.train, None, None), timestamp=moments[np.sort(part.train)])
    user, item = questions(data, part, train)
    model = Multitask(config.model_copy(update={"time": query != "user"}))
    model.learn(train, FitRun(seed=SEED))
    ways = {query: None if query == "user" else moments[part.test]}
    if query == "user, time":
        ways["user, time as of training"] = None
    for way, asked in ways.items():
        scores = model.query_vectors(user, asked) @ model.item_vectors.T + model.item_biases
        yield from rows_of(part.name, way, scores, user, item)


def moments_of(data: Dataset, query: str) -> IntArray:
    """What `multitask` is told as each row's time, (n,): its time, its rating, or the times of each rating apart."""
    rating = data.value.astype(np.int64)
    if "rating" not in query:
        return data.timestamp
    return rating if "time" not in query else rating * (1 + data.timestamp.max()) + data.timestamp


def questions(data: Dataset, part: Part, train: Interactions) -> tuple[IntArray, IntArray]:
    """User and item of every test row as training knows them, (n,) each, -1 where it does not."""
    users, items = data.users.ids[data.user[part.test]], data.items.ids[data.item[part.test]]
    return train.users.positions(users), train.items.positions(items)


def rows_of(part: str, name: str, scores: FloatArray, user: IntArray, item: IntArray) -> Iterator[Row]:
    """The row of all test rows, and where training lacks users the row of those whose user it knows."""
    yield Row(part, name, accuracies(scores, item), len(item))
    known = user >= 0
    if not known.all():
        yield Row(part, f"{name}, known users", accuracies(scores[known], item[known]), int(known.sum()))


def table(data: Dataset) -> Iterator[Row]:
    """All rows, as they are done."""
    parts = parts_of(data)
    for part in parts.values():
        for name in ("popularity", "ials"):
            yield from plain(data, part, name)
        for query in ("user", "user, time"):
            yield from multitask(data, part, SETTINGS, query)
    for name in ("random", "reshuffled every epoch"):
        for query in ("user, rating", "user, time, rating"):
            yield from multitask(data, parts[name], SETTINGS, query)


def shown(row: Row) -> str:
    """The row as Markdown."""
    figures = " | ".join(f"{value:.4f}".lstrip("0") for value in row.accuracy)
    return f"| {row.part} | {row.model} | {f'{row.rows:,}' if row.rows else ''} | {figures} |"


def main() -> None:
    data = load(MovieLensData(source="movielens-100k"), None, Settings())
    for part in parts_of(data).values():
        print("\n".join(f"{part.name}: {said}" for said in leaks(data, part) or ["no leak found"]))
    print(f"\n| split | query | test rows | {' | '.join(f'top-{k}' for k in TOP)} |\n|{'---|' * (3 + len(TOP))}")
    print(shown(Row("not told", "the document", DOCUMENT, rows=0)))
    for row in table(data):
        print(shown(row), flush=True)


if __name__ == "__main__":
    main()

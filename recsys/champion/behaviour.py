"""What any recommender must do, whatever its metrics: checked on a fitted model for some of its users.

The list is that of RecList (Chia et al., "Beyond NDCG", WWW 2022) as far as it needs no judgement of people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from recsys.config import Config, FloatArray, IntArray
from recsys.data.interactions import Interactions, history_view
from recsys.models.base import Recommender
from recsys.retrieval.lists import recommend

USERS = 200
NEIGHBOURS = 10
# Users behind a mean below which nothing is said of it, and the standard errors it has to be away from 0.
FEWEST = 30
ERRORS = 3.0


class Finding(Config):
    """One check. value: how many users fell out of the rule, or the mean that was tested. text: what was found."""

    name: str
    fell: bool
    value: float
    text: str


@dataclass(frozen=True, eq=False)
class Sample:
    """Some users of training. users: (n,) positions in train, ascending. k: length of a list."""

    model: Recommender
    train: Interactions
    users: IntArray
    k: int
    exclude_seen: bool

    def lists(self) -> tuple[IntArray, FloatArray]:
        """Items and scores, (n, k) each."""
        return recommend(self.model, self.train, self.users, self.k, exclude_seen=self.exclude_seen)


def check_behaviour(
    model: Recommender,
    train: Interactions,
    k: int = 10,
    *,
    exclude_seen: bool = True,
    users: int = USERS,
    seed: int = 0,
) -> list[Finding]:
    """Check a fitted model on up to `users` users of its training part, drawn from the seed.

    train: the rows that the model was fitted on, in its own codes. Without finite scores there are no lists, and
    nothing else is checked.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(train.n_users, min(users, train.n_users), replace=False))
    sample = Sample(model, train, chosen, k, exclude_seen)
    finite = _finite(sample)
    if finite.fell:
        return [finite]
    items, scores = sample.lists()
    found = [
        finite,
        _whole(sample, items),
        _no_duplicates(items),
        _repeatable(sample, items, scores),
        _cold(sample),
    ]
    if exclude_seen:
        found.insert(1, _nothing_seen(sample, items))
    return [*found, *_monotone(sample, random)]


def _finite(sample: Sample) -> Finding:
    """Scores of these users, known and as strangers with the same rows, and of somebody without any row."""
    model, train, users = sample.model, sample.train, sample.users
    batches = [train.batch(users), train.batch(users, known=False), _nobody(train).batch(np.array([0]), known=False)]
    known, strangers, nobody = (np.isfinite(model.scores(batch)).all(axis=1) for batch in batches)
    bad = int(np.count_nonzero(~(known & strangers & nobody)))
    return _counted("finite scores", bad, sample, "have scores that are NaN or infinite, known or as strangers")


def _nothing_seen(sample: Sample, items: IntArray) -> Finding:
    seen = sample.train.seen[sample.users]
    rows = np.repeat(np.arange(len(sample.users)), np.diff(seen.indptr))
    pairs = sparse.csr_array((np.ones(len(rows), np.int8), (rows, seen.indices)), shape=seen.shape)
    row, place = np.nonzero(items >= 0)
    hit = np.asarray(pairs[row, items[row, place]]).ravel() > 0
    return _counted("nothing seen", len(np.unique(row[hit])), sample, "are recommended what they have seen")


def _no_duplicates(items: IntArray) -> Finding:
    ordered = np.sort(items, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    return _found("no duplicates", int(twice.sum()), len(items), "are recommended an item twice")


def _whole(sample: Sample, items: IntArray) -> Finding:
    """A list ends early only where nothing is left to recommend."""
    n_items = sample.train.n_items
    left = n_items - np.diff(sample.train.seen[sample.users].indptr) if sample.exclude_seen else n_items
    short = (items >= 0).sum(axis=1) < np.minimum(sample.k, left)
    return _counted("whole lists", int(short.sum()), sample, f"get fewer than {sample.k} items although more are left")


def _repeatable(sample: Sample, items: IntArray, scores: FloatArray) -> Finding:
    again, same = sample.lists()
    differs = (again != items).any(axis=1) | (same != scores).any(axis=1)
    return _counted("determinism", int(differs.sum()), sample, "get another list when asked again")


def _cold(sample: Sample) -> Finding:
    """Somebody of whom nothing is known gets a whole list."""
    items, _ = recommend(sample.model, _nobody(sample.train), np.array([0]), sample.k, known=False)
    wanted = min(sample.k, sample.train.n_items)
    there = int(np.count_nonzero(items >= 0))
    text = f"a user of whom nothing is known gets {there} of {wanted} items"
    return Finding(name="cold user", fell=there < wanted, value=float(there), text=text)


def _nobody(train: Interactions) -> Interactions:
    return history_view(train, np.array([], dtype=np.int32))


def _monotone(sample: Sample, random: np.random.Generator) -> Iterator[Finding]:
    """An item more in a history must not push its own neighbours down, on average; for models that read histories.

    A user's positives are given to a stranger once without a random one of them and once with it. Its neighbours are
    the 10 items with the highest cosine to it among the users of training, those of the history left out. Measured is
    the mean change of their places in the ranking of all items, as a share of the ranking; it has fallen where it is
    worse by more than three standard errors over users. A model that does not read a stranger's history changes
    nothing and passes.
    """
    matrix = sample.train.matrix
    n_liked = np.diff(matrix.indptr)[sample.users]
    users = sample.users[n_liked >= 2]
    if not sample.model.needs.history or len(users) < FEWEST or sample.train.n_items <= 2 * NEIGHBOURS:
        return
    added = np.array([random.choice(matrix.indices[matrix.indptr[u] : matrix.indptr[u + 1]]) for u in users])
    neighbours = _neighbours(matrix, users, added)
    before, after = (_places(sample, users, added, neighbours, keep) for keep in (False, True))
    there = neighbours >= 0
    moved = np.where(there, after - before, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    change = moved / sample.train.n_items
    mean, error = float(change.mean()), float(change.std(ddof=1)) / np.sqrt(len(change))
    text = (
        f"an item more in a history moves its {NEIGHBOURS} nearest neighbours by {abs(mean):.1%} of the ranking "
        f"{'down' if mean > 0 else 'up'}, on average over {len(users)} users"
    )
    yield Finding(name="monotonicity", fell=mean > ERRORS * error, value=mean, text=text)


def _neighbours(matrix: sparse.csr_array, users: IntArray, added: IntArray) -> IntArray:
    """(n, 10) items nearest to the added ones by cosine, without what the user has; -1 where none is left."""
    columns = matrix.tocsc()
    norms = np.sqrt(np.maximum(columns.power(2).sum(axis=0), 1e-12))
    near = (columns[:, added].T @ matrix).toarray() / norms
    own = matrix[users]
    near[np.repeat(np.arange(len(users)), np.diff(own.indptr)), own.indices] = -1
    near[np.arange(len(users)), added] = -1
    first = np.argpartition(-near, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return np.where(np.take_along_axis(near, first, axis=1) > 0, first, -1)


def _places(sample: Sample, users: IntArray, added: IntArray, asked: IntArray, keep: bool) -> FloatArray:
    """(n, 10) places of the asked items in the ranking for strangers with these users' positives; equals share one."""
    train = sample.train
    rows = np.flatnonzero(np.isin(train.user, users) & train.positive)
    who = np.searchsorted(users, train.user[rows])
    kept = np.ones(len(rows), dtype=bool) if keep else train.item[rows] != added[who]
    rows, who = rows[kept], who[kept]
    strangers = replace(
        train,
        user=who.astype(np.int32),
        item=train.item[rows],
        value=None if train.value is None else train.value[rows],
        timestamp=None if train.timestamp is None else train.timestamp[rows],
        positive=train.positive[rows],
        weight=train.weight[rows],
        users=train.users.take(users),
        sessions=None,
    )
    scores = sample.model.scores(strangers.batch(np.arange(len(users)), known=False))
    own = np.take_along_axis(scores, np.maximum(asked, 0), axis=1)
    higher = [np.count_nonzero(scores > each[:, None], axis=1) for each in own.T]
    equal = [np.count_nonzero(scores == each[:, None], axis=1) for each in own.T]
    return np.stack(higher, axis=1) + np.stack(equal, axis=1) / 2


def _counted(name: str, bad: int, sample: Sample, what: str) -> Finding:
    return _found(name, bad, len(sample.users), what)


def _found(name: str, bad: int, n: int, what: str) -> Finding:
    return Finding(name=name, fell=bad > 0, value=float(bad), text=f"{bad} of {n} users {what}")

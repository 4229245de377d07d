"""The validation part as a model sees it while it is being fitted: one number that says how good it is."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.metrics.context import Context
from recsys.metrics.evaluate import evaluate, evaluate_values
from recsys.metrics.registry import METRICS, parse_column
from recsys.retrieval.lists import recommend
from recsys.training.run import Scorer, Validation

MOST_USERS = 5_000


class RankingValidation:
    """A metric of lists such as `ndcg@10`, mean over warm users with validation positives.

    Seen are the training rows, candidates the training items; an item that training does not know stays in the truth,
    so that it counts as missed. At most `most_users` users, drawn by seed, so that a look stays cheap.
    """

    def __init__(
        self,
        train: Interactions,
        user: IntArray,
        item: IntArray,
        column: str = "ndcg@10",
        most_users: int = MOST_USERS,
        seed: int = 0,
    ) -> None:
        """user, item: (n,) the positive validation rows as positions in train, -1 where unknown, no pair twice."""
        self.name, self.train = column, train
        self.metric, k = parse_column(column)
        self.k = k or 1
        self.higher_is_better = self.metric.higher_is_better
        users = np.unique(user[user >= 0])
        if len(users) > most_users:
            users = np.sort(np.random.default_rng(seed).choice(users, most_users, replace=False))
        self.users = users
        kept = np.isin(user, users)
        # Each unknown item gets a column of its own, behind those that a list can hold.
        unknown = kept & (item < 0)
        n_items = train.n_items + int(unknown.sum())
        column_of = np.where(item < 0, train.n_items + np.cumsum(unknown) - 1, item)
        rows = np.searchsorted(users, user[kept])
        ones = np.ones(len(rows), dtype=np.int8)
        self.truth = sparse.csr_array((ones, (rows, column_of[kept])), shape=(len(users), n_items))
        self.context = Context(train.popularity, train.n_users, train.n_items)

    def __len__(self) -> int:
        return len(self.users)

    def __call__(self, model: Scorer) -> float:
        """The metric of the lists that the model makes now."""
        items, _ = recommend(model, self.train, self.users, self.k)
        return evaluate(items, self.truth, [self.metric.name], [self.k], self.context).overall[self.name]


class ValueValidation:
    """Root mean squared error of predicted values, over all validation rows."""

    name = "rmse"
    higher_is_better = METRICS["rmse"].higher_is_better

    def __init__(self, user: IntArray, item: IntArray, value: FloatArray) -> None:
        """user, item: (n,) positions in training, -1 where unknown. value: (n,)."""
        self.user, self.item, self.value = user, item, value

    def __len__(self) -> int:
        return len(self.value)

    def __call__(self, model: Scorer) -> float:
        """The error of what the model predicts now."""
        predicted = model.predict(self.user, self.item)
        everybody = np.zeros(len(self.value), dtype=np.int64)
        return evaluate_values(predicted, self.value, everybody, 1, [self.name]).overall[self.name]


def validation_of(
    data: Dataset, train: Interactions, rows: IntArray, positive: float | None, primary: str, predicts_values: bool
) -> Validation | None:
    """What a model is checked on while it is being fitted, or None where the part has nothing to check it on.

    rows: of the validation part in the data set. primary: the metric that ends training early; a model that predicts
    values is checked by their RMSE instead.
    """
    user = train.users.positions(data.users.ids[data.user[rows]])
    item = train.items.positions(data.items.ids[data.item[rows]])
    value = None if data.value is None else np.asarray(data.value[rows])
    found: RankingValidation | ValueValidation
    if predicts_values and value is not None:
        found = ValueValidation(user, item, value)
    else:
        pairs = np.asarray(data.user[rows]).astype(np.int64) * len(data.items) + data.item[rows]
        kept = np.zeros(len(rows), dtype=bool)
        kept[np.unique(pairs, return_index=True)[1]] = True
        if positive is not None and value is not None:
            kept &= value >= positive
        found = RankingValidation(train, user[kept], item[kept], primary)
    return found if len(found) else None

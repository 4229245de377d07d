"""From the long table of users' values to matrices of users by models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.comparison.bootstrap import FEWEST_USERS, Bootstrap, bootstrap
from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.metrics.registry import parse_column
from recsys.metrics.value_errors import PLAIN
from recsys.splits.fold import Fold


@dataclass(frozen=True, eq=False)
class UserValues:
    """One value a user and model in each column, the mean over seeds and folds.

    users: (n_users,) ascending. values: column -> (n_users, models), what is averaged over users: for `rmse` the mean
    square, for the rest the value itself. weights: column -> (n_users, models): the share a user has in that average,
    0 without a value. present: column -> (models,), which models have values at all.
    """

    users: NDArray
    labels: tuple[str, ...]
    values: dict[str, FloatArray]
    weights: dict[str, FloatArray]
    present: dict[str, BoolArray]

    def means(self) -> dict[str, FloatArray]:
        """The mean over users of each model in each column, (models,); NaN for a model without values there."""
        found = {}
        for column, weights in self.weights.items():
            back = (parse_column(column)[0].pool or PLAIN).back
            sums = np.where(weights > 0, self.values[column], 0.0) * weights
            total = weights.sum(axis=0)
            found[column] = back(np.divide(sums.sum(axis=0), total, out=np.full(len(total), np.nan), where=total > 0))
        return found

    def resampled(self, columns: Sequence[str], resamples: int, seed: int) -> dict[str, Bootstrap]:
        """One joint bootstrap of these columns: means of all models, NaN for a model without values in a column."""
        if not columns:
            return {}
        n = len(self.labels)
        values = np.concatenate([self.values[column] for column in columns], axis=1)
        weights = np.concatenate([self.weights[column] for column in columns], axis=1)
        alike = bool(np.all(weights == 1))
        whole = bootstrap(values, resamples, seed, weights=None if alike else weights)
        back = [(parse_column(column)[0].pool or PLAIN).back for column in columns]
        return {
            column: Bootstrap(
                back[i](whole.observed[i * n : i * n + n]),
                back[i](whole.resampled[:, i * n : i * n + n]),
                whole.level,
                _too_few(self.weights[column][:, self.present[column]]),
            )
            for i, column in enumerate(columns)
        }


def user_values(per_user: pd.DataFrame, labels: Sequence[str], columns: Sequence[str]) -> UserValues:
    """The values of these models in these columns, which have a value a user.

    per_user: columns model, seed, fold, user and the metrics; NaN where a user or model has no value. `rows`, the
    user's test rows, weighs errors of predicted values; without it users weigh alike. Raises ValueError where a row
    stands twice, or models were evaluated on different users.
    """
    if per_user.duplicated(["model", "seed", "fold", "user"]).any():
        raise ValueError("a user stands twice under one model, seed and fold")
    asked = per_user["model"].isin(labels)
    per_user = per_user if asked.all() else per_user[asked]
    users, row = np.unique(per_user["user"].to_numpy(), return_inverse=True)
    model = pd.Index(labels).get_indexer(pd.Index(per_user["model"]))
    cell = row * len(labels) + model
    shape = (len(users), len(labels))
    values: dict[str, FloatArray] = {}
    weights: dict[str, FloatArray] = {}
    present: dict[str, BoolArray] = {}
    for column in columns:
        metric, _ = parse_column(column)
        pool = metric.pool or PLAIN
        value = per_user[column].to_numpy(dtype=np.float64)
        by_rows = metric.pool is not None and "rows" in per_user
        weight = per_user["rows"].to_numpy(dtype=np.float64) if by_rows else np.ones(len(value))
        values[column], weights[column] = _averaged(pool.into(value), weight, cell, shape)
        if not by_rows:
            weights[column] = (weights[column] > 0).astype(np.float64)
        present[column] = np.count_nonzero(weights[column], axis=0) > 0
        _refuse_different_users(weights[column][:, present[column]], column)
    return UserValues(users, tuple(labels), values, weights, present)


def with_test_rows(per_user: pd.DataFrame, data: Dataset, folds: Iterable[Fold]) -> pd.DataFrame:
    """The users' values with the column `rows`: the test rows of each user, which weigh errors of predicted values."""
    position, rows = data.users.positions(per_user["user"]), np.zeros(len(per_user), dtype=np.int64)
    for fold in folds:
        own = (per_user["fold"] == fold.number).to_numpy()
        rows[own] = np.bincount(data.user[fold.test], minlength=len(data.users))[position[own]]
    return per_user.assign(rows=rows)


def _averaged(
    value: FloatArray, weight: FloatArray, cell: IntArray, shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Weighted mean of what falls in each cell, and the weight there; NaN does not count."""
    there = np.isfinite(value)
    cell, weight = cell[there], weight[there]
    weights = np.bincount(cell, weights=weight, minlength=shape[0] * shape[1]).astype(np.float64)
    sums = np.bincount(cell, weights=value[there] * weight, minlength=shape[0] * shape[1])
    means: FloatArray = np.divide(sums, weights, out=np.full(len(sums), np.nan), where=weights > 0)
    return means.reshape(shape), weights.reshape(shape)


def _refuse_different_users(weights: FloatArray, column: str) -> None:
    counted = weights > 0
    if counted.size and (counted != counted[:, :1]).any():
        raise ValueError(f"{column}: the models were evaluated on different users, and differences need the same")


def _too_few(weights: FloatArray) -> str | None:
    counted = int(np.count_nonzero(weights, axis=0).min(initial=len(weights)))
    return f"{counted} users are too few for intervals, which need {FEWEST_USERS}" if counted < FEWEST_USERS else None

"""Errors of predicted values: RMSE and MAE."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recsys.config import FloatArray, IntArray


def rmse(predicted: FloatArray, actual: FloatArray, user: IntArray, n_users: int) -> FloatArray:
    """Root mean squared error of each user's rows, (n_users,); NaN for a user without any.

    predicted, actual: (n_rows,) values. user: (n_rows,) whose row it is.

    >>> rmse(np.array([3.0, 5.0, 2.0]), np.array([3.0, 3.0, 1.0]), np.array([0, 0, 1]), 2).round(4)
    array([1.4142, 1.    ])
    """
    return np.sqrt(_mean_by_user(np.square(predicted - actual), user, n_users))


def mae(predicted: FloatArray, actual: FloatArray, user: IntArray, n_users: int) -> FloatArray:
    """Mean absolute error of each user's rows, (n_users,); NaN for a user without any.

    >>> mae(np.array([3.0, 5.0, 2.0]), np.array([3.0, 3.0, 1.0]), np.array([0, 0, 1]), 2)
    array([1., 1.])
    """
    return _mean_by_user(np.abs(predicted - actual), user, n_users)


class Pool(NamedTuple):
    """How users' values make one over all rows: the mean of `into(value)` weighted by rows, taken `back`."""

    into: Callable[[FloatArray], FloatArray]
    back: Callable[[FloatArray], FloatArray]

    def over(self, values: FloatArray, rows: IntArray) -> float:
        """One value over all rows, of users' values and their numbers of rows.

        >>> round(SQUARES.over(np.array([1.0, 3.0]), np.array([3, 1])), 4)
        1.7321
        """
        counted = rows > 0
        mean = np.average(self.into(values[counted]), weights=rows[counted])
        return float(self.back(np.asarray(mean)))


def _same(values: FloatArray) -> FloatArray:
    return values


SQUARES = Pool(np.square, np.sqrt)
PLAIN = Pool(_same, _same)


def _mean_by_user(values: FloatArray, user: IntArray, n_users: int) -> FloatArray:
    rows = np.bincount(user, minlength=n_users)
    total = np.bincount(user, weights=values, minlength=n_users)
    return np.divide(total, rows, out=np.full(n_users, np.nan), where=rows > 0)

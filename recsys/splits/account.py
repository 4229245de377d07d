"""What a fold holds, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.config import BoolArray, IntArray
from recsys.data.dataset import Dataset
from recsys.splits.fold import PARTS, Fold, training_rows


def positives(data: Dataset, rows: IntArray, positive: float | None) -> IntArray:
    """Those of the rows that are positives: value at or above `positive`; all where that is None or there are none."""
    if positive is None or data.value is None:
        return rows
    return rows[data.value[rows] >= positive]


def account(data: Dataset, fold: Fold, positive: float | None, refit: bool = True) -> dict[str, Any]:
    """Rows, users and items of each part, and who and what in the test is cold: unknown to the final fit.

    Plain JSON numbers: {"rows", "unused", "train": {"rows", "users", "items"}, "validation", "test", "history",
    "cold_users", "cold_items", "test_positives", "test_positives_of_cold_users", "test_positives_on_cold_items",
    "test_users_with_positives", "warm_test_users_with_positives"}.
    """
    fitted = training_rows(data, fold, refit)
    known_user = _present(data.user[fitted], len(data.users))
    known_item = _present(data.item[fitted], len(data.items))
    test_user, test_item = data.user[fold.test], data.item[fold.test]
    truth = positives(data, fold.test, positive)
    truth_user, truth_item = data.user[truth], data.item[truth]
    parts = {part: _size(data, getattr(fold, part)) for part in PARTS}
    return {
        "rows": len(data),
        "unused": len(data) - sum(part["rows"] for part in parts.values()),
        **parts,
        "cold_users": _distinct(test_user[~known_user[test_user]], len(data.users)),
        "cold_items": _distinct(test_item[~known_item[test_item]], len(data.items)),
        "test_positives": len(truth),
        "test_positives_of_cold_users": int(np.count_nonzero(~known_user[truth_user])),
        "test_positives_on_cold_items": int(np.count_nonzero(~known_item[truth_item])),
        "test_users_with_positives": _distinct(truth_user, len(data.users)),
        "warm_test_users_with_positives": _distinct(truth_user[known_user[truth_user]], len(data.users)),
    }


def _size(data: Dataset, rows: IntArray) -> dict[str, int]:
    return {
        "rows": len(rows),
        "users": _distinct(data.user[rows], len(data.users)),
        "items": _distinct(data.item[rows], len(data.items)),
    }


def _present(codes: IntArray, n: int) -> BoolArray:
    found = np.zeros(n, dtype=bool)
    found[codes] = True
    return found


def _distinct(codes: IntArray, n: int) -> int:
    return int(np.count_nonzero(_present(codes, n)))

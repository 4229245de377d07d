"""What each kind of split would do with a data set, at the same fractions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from recsys.config import IntArray
from recsys.data.dataset import Dataset
from recsys.errors import InputError
from recsys.splits.account import account
from recsys.splits.config import MICROSECONDS, SPLITS, SplitConfig, SplitOptions
from recsys.splits.fold import Fold, training_rows
from recsys.splits.splitting import split

MOST_ROWS = 5_000_000
SEED = 42
TEST, VALIDATION = 0.2, 0.1


def split_choices(
    data: Dataset, config: SplitConfig, positive: float | None, refit: bool, most: int = MOST_ROWS
) -> dict[str, Any]:
    """Rows, users and items under every kind of split, as a plain JSON dict.

    config: the experiment's own split; the others take over its fractions. most: of more rows, those of users drawn at
    random count. Gives rows, users: what was split; sampled: whether that is not all; splits: [{kind, own, settings,
    folds, train, validation, test, unused (rows), test_users, warm_users, cold_users, test_items, cold_items,
    overlap}], of several folds the last; refused: [{kind, reason}] where the data do not allow it. warm: with rows
    that the final fit is trained on. overlap: as `overlap` says.
    """
    some = _some(data, most)
    found, refused = [], []
    for kind in SPLITS:
        options = config if kind == config.kind else _options(kind, config, some)
        if options is None:
            continue
        try:
            folds = split(some, options)
        except InputError as error:
            refused.append({"kind": kind, "reason": str(error)})
            continue
        about = {"kind": kind, "own": kind == config.kind, "settings": options.as_json(), "folds": len(folds)}
        found.append(about | _did(some, folds[-1], positive, refit))
    users = int(np.count_nonzero(np.bincount(some.user)))
    return {"rows": len(some), "users": users, "sampled": some is not data, "splits": found, "refused": refused}


def overlap(data: Dataset, train: IntArray, test: IntArray) -> float | None:
    """Of all pairs of a training and a test row, the share in which the training row is the newer one.

    0 under one cut in time, about a half at random; None without times that all users share. train, test: row numbers.
    """
    if data.timestamp is None or data.clock != "time":
        return None
    times, tested = np.sort(data.timestamp[train]), data.timestamp[test]
    not_newer = np.searchsorted(times, tested, side="right")
    return float(1 - not_newer.mean() / len(times))


def _did(data: Dataset, fold: Fold, positive: float | None, refit: bool) -> dict[str, Any]:
    about = account(data, fold, positive, refit)
    return {
        **{part: about[part]["rows"] for part in ("train", "validation", "test")},
        "unused": about["unused"] + about["history"]["rows"],
        "test_users": about["test"]["users"],
        "warm_users": about["test"]["users"] - about["cold_users"],
        "cold_users": about["cold_users"],
        "test_items": about["test"]["items"],
        "cold_items": about["cold_items"],
        "overlap": overlap(data, training_rows(data, fold, refit), fold.test),
    }


def _options(kind: str, config: SplitConfig, data: Dataset) -> SplitOptions | None:
    """The settings of another kind of split at the fractions of this one; None where it needs a file."""
    if kind == "predefined":
        return None
    test, validation = (_share(config, name, usual) for name, usual in (("test", TEST), ("validation", VALIDATION)))
    settings: dict[str, Any] = {"kind": kind}
    fields = SPLITS[kind].model_fields
    if "test" in fields:
        settings["test"] = test
    if "validation" in fields and kind != "leave-one-out":  # there it is a share of users
        settings["validation"] = validation
    if kind == "k-fold":
        settings["folds"] = min(max(2, round(1 / test)), 100)
    if kind == "rolling" and data.timestamp is not None:
        settings["window"] = _window(data.timestamp, test / SPLITS[kind].model_fields["folds"].default)
    return SPLITS[kind].model_validate(settings)


def _share(config: SplitConfig, name: str, usual: float) -> float:
    if config.kind == "leave-one-out":
        return usual
    if config.kind == "k-fold" and name == "test":
        return 1 / config.folds
    value = getattr(config, name, None)
    return value if isinstance(value, float) else usual


def _window(timestamp: IntArray, share: float) -> str:
    """This share of the time that the rows take, as a length of time in the largest unit that fits."""
    length = share * (int(timestamp.max()) - int(timestamp.min()))
    unit = next((name for name in ("d", "h", "min") if length >= MICROSECONDS[name]), "s")
    return f"{min(max(1, int(length // MICROSECONDS[unit])), 9_999_999)}{unit}"


def _some(data: Dataset, most: int) -> Dataset:
    """The data, or all rows of as many users, drawn at random, as have `most` rows together."""
    if len(data) <= most:
        return data
    rows = np.bincount(data.user, minlength=len(data.users))
    users = np.random.default_rng(SEED).permutation(np.flatnonzero(rows))
    n = max(1, int(np.searchsorted(np.cumsum(rows[users]), most, side="right")))
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[users[:n]] = True
    kept = np.flatnonzero(chosen[data.user])

    def of(array: Any) -> Any:
        return None if array is None else array[kept]

    return replace(
        data,
        user=data.user[kept],
        item=data.item[kept],
        value=of(data.value),
        timestamp=of(data.timestamp),
        part=of(data.part),
    )

"""From a data set and the section `split` to folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from recsys.data.dataset import Dataset
from recsys.errors import InputError
from recsys.splits.cold_users import cold_users_split
from recsys.splits.config import SplitConfig, SplitOptions
from recsys.splits.fold import Fold
from recsys.splits.k_fold import k_fold_split
from recsys.splits.leave_one_out import leave_one_out_split
from recsys.splits.predefined import predefined_split
from recsys.splits.random import random_split
from recsys.splits.rolling import rolling_split
from recsys.splits.temporal import temporal_split, user_temporal_split

SPLITTERS: dict[str, Callable[[Dataset, Any], Iterator[Fold]]] = {
    "random": random_split,
    "leave-one-out": leave_one_out_split,
    "temporal": temporal_split,
    "user-temporal": user_temporal_split,
    "k-fold": k_fold_split,
    "cold-users": cold_users_split,
    "rolling": rolling_split,
    "predefined": predefined_split,
}


def split(data: Dataset, config: SplitConfig | SplitOptions) -> list[Fold]:
    """The folds of a data set: one, or several for k-fold and rolling. The same data and settings give the same folds.

    Raises InputError where a part that is needed comes out empty, or the data lack what the splitter needs.
    """
    kind: str = config.kind  # type: ignore[union-attr]
    folds = list(SPLITTERS[kind](data, config))
    for fold in folds:
        _refuse_empty(data, config, fold)
    return folds


def _refuse_empty(data: Dataset, config: SplitConfig | SplitOptions, fold: Fold) -> None:
    where = f" in {fold.name}" if fold.name else ""
    settings = ", ".join(f"{name} {value}" for name, value in config.as_json().items())
    if not len(fold.test):
        raise InputError("split.test", f"no test rows among {len(data):,}{where} ({settings})", _remedy(config))
    if not len(fold.train):
        raise InputError("split", f"no rows to train on among {len(data):,}{where} ({settings})", _remedy(config))


def _remedy(config: SplitConfig | SplitOptions) -> str:
    if getattr(config, "kind", "") == "predefined":
        return "the test file needs rows, and so does the file of interactions"
    return "give more data or change the shares"

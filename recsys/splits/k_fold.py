"""Cross-validation: every row is tested once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys.data.dataset import Dataset
from recsys.splits.config import KFoldSplit
from recsys.splits.cut import tail
from recsys.splits.fold import Fold


def k_fold_split(data: Dataset, config: KFoldSplit) -> Iterator[Fold]:
    """One permutation cut into equal pieces (by one row at most); each is the test of one fold."""
    order = np.random.default_rng(config.seed).permutation(len(data))
    pieces = np.array_split(order, config.folds)
    for number, test in enumerate(pieces):
        fitted = np.concatenate([*pieces[:number], *pieces[number + 1 :]])
        _, validation = tail(fitted, config.validation)
        yield Fold.of(len(data), test=test, validation=validation, number=number, name=f"fold {number + 1}")

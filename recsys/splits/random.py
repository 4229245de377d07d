"""A random split of rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys.data.dataset import Dataset
from recsys.splits.config import RandomSplit
from recsys.splits.cut import tail
from recsys.splits.fold import Fold


def random_split(data: Dataset, config: RandomSplit) -> Iterator[Fold]:
    """A random share of the rows is the test: the end of one permutation."""
    order = np.random.default_rng(config.seed).permutation(len(data))
    fitted, test = tail(order, config.test)
    _, validation = tail(fitted, config.validation)
    yield Fold.of(len(data), test=test, validation=validation)

"""A split somebody else made: the test is a file of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys.config import IntArray
from recsys.data.dataset import Dataset
from recsys.errors import InputError
from recsys.splits.config import PredefinedSplit
from recsys.splits.cut import tail
from recsys.splits.fold import Fold

TRAIN, TEST, VALIDATION = 0, 1, 2


def predefined_split(data: Dataset, config: PredefinedSplit) -> Iterator[Fold]:
    """The parts that the data came in; where `validation` is a number, a random share of the training rows."""
    if data.part is None:
        raise InputError("split.kind", "predefined needs a source with a test file", "use data.source: table")
    part = np.asarray(data.part)
    validation: IntArray = np.flatnonzero(part == VALIDATION)
    if isinstance(config.validation, int | float):
        order: IntArray = np.random.default_rng(config.seed).permutation(np.flatnonzero(part == TRAIN))
        _, validation = tail(order, config.validation)
    yield Fold.of(len(data), test=np.flatnonzero(part == TEST), validation=validation)

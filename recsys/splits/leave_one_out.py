"""Leave one out: one row of each user is the test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys.data.dataset import Dataset, in_time
from recsys.splits.config import LeaveOneOutSplit
from recsys.splits.cut import by_user, last_of_each
from recsys.splits.fold import Fold
from recsys.splits.temporal import refuse_no_order


def leave_one_out_split(data: Dataset, config: LeaveOneOutSplit) -> Iterator[Fold]:
    """Each user's last or random row; users with a single row stay in train, for validation as for the test.

    Raises InputError where the last is asked for and rows have no order in time.
    """
    if config.order == "time":
        refuse_no_order(data, "leave-one-out by time")
    random = np.random.default_rng(config.seed)
    order = in_time(data.timestamp, len(data)) if config.order == "time" else random.permutation(len(data))
    fitted, test = last_of_each(by_user(order, data.user), data.user)
    _, validation = last_of_each(fitted, data.user)
    drawn = random.permutation(len(validation))[: round(config.validation * len(validation))]
    yield Fold.of(len(data), test=test, validation=validation[drawn])

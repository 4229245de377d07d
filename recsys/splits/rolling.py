"""Rolling windows: the future again and again, as a model in service meets it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys.data.dataset import Dataset, in_time
from recsys.errors import InputError
from recsys.splits.config import RollingSplit, microseconds
from recsys.splits.cut import tail
from recsys.splits.fold import Fold
from recsys.splits.temporal import refuse_private_clocks


def rolling_split(data: Dataset, config: RollingSplit) -> Iterator[Fold]:
    """Equal windows up to the newest row, oldest first. Rows newer than a fold's window are in none of its parts.

    Raises InputError without timestamps, with too little time, and where a window is empty.
    """
    if data.timestamp is None:
        raise InputError(
            "split.window", f"{config.window} needs timestamps, and these data have none", "use split.kind: temporal"
        )
    refuse_private_clocks(data, "rolling")
    order = in_time(data.timestamp, len(data))
    times = data.timestamp[order]
    window = microseconds(config.window)
    start, end = int(times[0]), int(times[-1]) + 1
    if end - config.folds * window <= start:
        raise InputError(
            "split.window",
            f"{config.folds} folds of {config.window} leave nothing to train on: the data run from {_date(start)} to "
            f"{_date(end)}",
            "choose a shorter window or fewer folds",
        )
    for number in range(config.folds):
        closes = end - (config.folds - 1 - number) * window
        first, last = np.searchsorted(times, [closes - window, closes])
        name = f"{_date(closes - window)} to {_date(closes)}"
        if first == last:
            raise InputError(
                "split.window", f"no row falls in fold {number + 1} of {config.folds}, {name}", "choose a longer window"
            )
        _, validation = tail(order[:first], config.validation)
        yield Fold.of(
            len(data),
            test=order[first:last],
            validation=validation,
            unused=order[last:],
            number=number,
            name=name,
        )


def _date(time: int) -> str:
    return str(np.datetime64(time, "us").astype("datetime64[s]")).replace("T", " ")

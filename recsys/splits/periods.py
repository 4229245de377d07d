"""Time cut into equal periods, newest last: what a backtest is made on."""

from __future__ import annotations

import numpy as np
from pydantic import TypeAdapter, ValidationError

from recsys.config import IntArray
from recsys.data.dataset import Dataset
from recsys.data.summary import moment
from recsys.errors import InputError
from recsys.splits.config import Duration, microseconds

PERIODS = 8
# With fewer users a mean over users has no interval.
ENOUGH_USERS = 30
# The first that fits and has users enough in every period; shorter ones only for data of less than 16 weeks.
LENGTHS = ("7d", "14d", "28d", "91d", "182d", "364d")
SHORTER = ("1d", "1h", "1min", "1s")


def periods_for(data: Dataset, every: str | None = None, periods: int | None = None) -> tuple[str, int]:
    """Length and number of the newest periods that a backtest looks at.

    every: a Duration; None: a week, or as much longer as it takes that 30 users with rows before have rows in every
    period. periods: None: eight. What is left out is chosen so that the first model knows half of the time.
    Raises InputError without times that all users share, and where the periods leave nothing to train on or are empty.
    """
    times = _times(data)
    if every is None:
        every = _length(data, times, periods or PERIODS)
    length = length_of(every)
    if periods is None:
        periods = max(2, min(PERIODS, (_span(times) // 2) // length))
    if periods < 2:
        raise InputError("periods", f"{periods} leaves no model to grow old", "give 2 or more")
    _refuse_too_long(times, every, length, periods)
    return every, periods


def users_by_period(data: Dataset, length: int, periods: int) -> IntArray:
    """Users of each of the newest periods, oldest first, who had a row before it, (periods,). length: microseconds."""
    times, user = np.asarray(data.timestamp), np.asarray(data.user)
    number = _number(times, length, periods)
    first = np.full(len(data.users), periods)
    np.minimum.at(first, user, number)
    known = (number >= 0) & (first[user] < number)
    pairs = np.unique(number[known].astype(np.int64) * len(data.users) + user[known])
    return np.bincount(pairs // len(data.users), minlength=periods)


def _times(data: Dataset) -> IntArray:
    if data.timestamp is None or data.clock != "time":
        message = "a backtest cuts all users at one time, and these data have no times that all users share"
        raise InputError("data.columns.timestamp", message, "name the column that holds the times")
    return np.asarray(data.timestamp)


def _length(data: Dataset, times: IntArray, periods: int) -> str:
    """The first length with users enough in each period; else, of those that fit, the one with most."""
    fitting = [each for each in LENGTHS if periods * microseconds(each) <= _span(times) / 2]
    if not fitting:
        fitting = [each for each in SHORTER if periods * microseconds(each) <= _span(times) / 2][:1]
    if not fitting:
        span = f"the data run from {moment(int(times.min()))} to {moment(int(times.max()))}"
        raise InputError("every", f"{span}, too short for {periods} periods", "give fewer periods")
    fewest = {each: int(users_by_period(data, microseconds(each), periods).min()) for each in fitting}
    return next((each for each in fitting if fewest[each] >= ENOUGH_USERS), max(fitting, key=lambda each: fewest[each]))


def length_of(every: str) -> int:
    """Microseconds. Raises InputError where that is no length of time."""
    try:
        return microseconds(TypeAdapter(Duration).validate_python(every))
    except ValidationError:
        raise InputError("every", f"'{every}' is no length of time", "write 7d, 12h or 2w") from None


def _refuse_too_long(times: IntArray, every: str, length: int, periods: int) -> None:
    span = f"the data run from {moment(int(times.min()))} to {moment(int(times.max()))}"
    number = _number(times, length, periods)
    if number.min() >= 0:
        message = f"{periods} periods of {every} leave nothing to train on: {span}"
        raise InputError("every", message, "choose a shorter length, or fewer periods")
    rows = np.bincount(number[number >= 0], minlength=periods)
    if not rows.all():
        empty = int(np.flatnonzero(rows == 0)[0])
        begins = int(times.max()) + 1 - (periods - empty) * length
        message = f"no row falls into the {every} from {moment(begins)}"
        raise InputError("every", message, "choose a longer length, or fewer periods")


def _number(times: IntArray, length: int, periods: int) -> IntArray:
    """The period of each time, 0 the oldest, negative before; as the rolling split cuts them, the newest row last."""
    return periods - 1 - (int(times.max()) - times) // length


def _span(times: IntArray) -> int:
    return int(times.max()) - int(times.min()) + 1

"""The newest stretch of time as a fold: what both sides are scored on, and the fold of the final fit."""

from __future__ import annotations

import numpy as np

from recsys.config import IntArray
from recsys.data.dataset import Dataset, in_time
from recsys.data.summary import moment
from recsys.errors import InputError
from recsys.splits.config import microseconds
from recsys.splits.cut import tail
from recsys.splits.fold import Fold

PLACE = "retrain.window"


def newest_row(data: Dataset, as_of: int | None = None) -> int:
    """Time of the newest row not after `as_of`, microseconds since 1970; None: of the newest row.

    Raises InputError where rows have no time, users share no clock, or no row is that old.
    """
    times = _times(data)
    if as_of is None:
        return int(times.max())
    known = times[times <= as_of]
    if not len(known):
        first = moment(int(times.min()))
        raise InputError("as_of", f"no row is from {moment(as_of)} or before", f"the first is from {first}")
    return int(known.max())


def window_fold(data: Dataset, window: str, as_of: int | None = None, validation: float = 0.0) -> Fold:
    """The fold of the gate: the newest window to test on, all rows before it to train on.

    The window ends at the newest row not after `as_of`, that row included, and holds the rows less than its length
    older; the clock plays no part. Rows after `as_of` are in no part.

    validation: for a challenger that watches it, the newest share of the rows before the window, cut by the rule of
    the temporal split: rows in the order of time, equal times in the order of the source; the first
    round((1 - share) × n) stay in train. The final fit is on train and validation, so this changes nothing for a model
    that watches none; give 0 for it.

    Raises InputError without times that users share, and where the window leaves nothing to train on.
    """
    order, first, last = _cut(data, window, as_of)
    if not first:
        times = _times(data)
        span = f"the data run from {moment(int(times.min()))} to {moment(newest_row(data, as_of))}"
        raise InputError(PLACE, f"{window} leaves no row to train on: {span}", "choose a shorter window")
    _, watched = tail(order[:first], validation)
    test, later = order[first:last], order[last:]
    return Fold.of(len(data), test=test, validation=watched, unused=later, name=_name(data, test))


def full_fold(data: Dataset, window: str, as_of: int | None = None) -> Fold:
    """The fold of the final fit: every row not after `as_of` to train on, those of the window as test rows besides.

    Test rows only say for whom the fit writes lists: the users of the window, with all that they have seen left out.
    These lists are what a stored version must give again before it serves; nothing is evaluated on them. There is no
    validation part: a model trains for its `epochs`, which the fit on the window's fold has chosen.
    """
    order, first, last = _cut(data, window, as_of)
    nothing = np.array([], dtype=np.int64)
    test = np.sort(order[first:last])
    return Fold(train=np.sort(order[:last]), validation=nothing, test=test, history=nothing, name=_name(data, test))


def _cut(data: Dataset, window: str, as_of: int | None) -> tuple[IntArray, int, int]:
    """Rows in the order of time, and where the window begins and ends among them."""
    end = newest_row(data, as_of)
    order = in_time(data.timestamp, len(data))
    times = _times(data)[order]
    first, last = np.searchsorted(times, [end - microseconds(window), end], side="right")
    return order, int(first), int(last)


def _times(data: Dataset) -> IntArray:
    if data.timestamp is None:
        raise InputError(PLACE, "retraining needs timestamps, and these data have none", "name a column of times")
    if data.clock == "order":
        message = "retraining cuts all users at one time, and these data know only the order of each user's own rows"
        raise InputError(PLACE, message, "name a column of times")
    return np.asarray(data.timestamp)


def _name(data: Dataset, test: IntArray) -> str:
    times = _times(data)[test]
    return f"{moment(int(times.min()))} to {moment(int(times.max()))}"

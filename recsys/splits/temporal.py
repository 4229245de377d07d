"""Splits in time: one cut for all users, or one for each."""

from __future__ import annotations

from collections.abc import Iterator

from recsys.data.dataset import Dataset, in_time
from recsys.errors import InputError
from recsys.splits.config import TemporalSplit, UserTemporalSplit
from recsys.splits.cut import by_user, tail, tail_of_each
from recsys.splits.fold import Fold


def temporal_split(data: Dataset, config: TemporalSplit) -> Iterator[Fold]:
    """The newest share of all rows. Raises InputError where users share no clock."""
    refuse_private_clocks(data, "temporal")
    fitted, test = tail(in_time(data.timestamp, len(data)), config.test)
    _, validation = tail(fitted, config.validation)
    yield Fold.of(len(data), test=test, validation=validation)


def user_temporal_split(data: Dataset, config: UserTemporalSplit) -> Iterator[Fold]:
    """The newest share of each user's rows, rounded; everyone keeps a row to train on.

    Raises InputError where rows have no order in time.
    """
    refuse_no_order(data, "user-temporal")
    order = by_user(in_time(data.timestamp, len(data)), data.user)
    fitted, test = tail_of_each(order, data.user, config.test)
    _, validation = tail_of_each(fitted, data.user, config.validation)
    yield Fold.of(len(data), test=test, validation=validation)


def refuse_private_clocks(data: Dataset, kind: str) -> None:
    """Raise InputError where timestamps only order each user's own rows, or there is no order at all."""
    refuse_no_order(data, kind)
    if data.clock == "order" and data.timestamp is not None:
        raise InputError(
            "split.kind",
            f"{kind} cuts all users at one time, and these data know only the order of each user's own rows",
            "use user-temporal or leave-one-out",
        )


def refuse_no_order(data: Dataset, kind: str) -> None:
    """Raise InputError where rows have no order in time: those of a database without times."""
    if data.clock == "none":
        raise InputError(
            "split.kind",
            f"{kind} needs an order in time, and a table of a database without times has none",
            "name a column of times, or use random",
        )

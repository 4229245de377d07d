"""A source as of a time: the rows that are not later, whenever they arrived."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import numpy as np

from recsys.config import IntArray
from recsys.data.raw import Raw, origins_of
from recsys.data.summary import moment
from recsys.data.text import count
from recsys.errors import InputError


def rows_until(timestamp: IntArray, as_of: int, place: str) -> IntArray:
    """The rows that are not later than `as_of`, ascending. timestamp: (n,) microseconds since 1970, UTC.

    place: what to call the source. Raises InputError where there are rows and all are later.
    """
    kept = np.flatnonzero(timestamp <= as_of)
    if len(timestamp) and not len(kept):
        refuse_all_later(len(timestamp), int(timestamp.min()), as_of, place)
    return kept


def cut(raw: Raw, as_of: int) -> Raw:
    """The tables of a source with the interactions that are not later than `as_of`.

    Ids that only occur later are gone with their rows; tables of users, items and sessions have no time and stay whole.
    Raises InputError where the source has no times, and where all rows are later.
    """
    place = raw.name("interactions")
    if "timestamp" not in raw.interactions or raw.clock != "time":
        refuse_no_times(place, as_of, ordered="timestamp" in raw.interactions)
    kept = rows_until(raw.interactions["timestamp"].to_numpy(), as_of, place)
    if len(kept) == len(raw.interactions):
        return raw
    origins = {**raw.origins, "interactions": origins_of(raw.rows_of_interactions(), kept)}
    interactions = raw.interactions.take(kept).reset_index(drop=True)
    return replace(raw, interactions=interactions, origins=origins)


def refuse_no_times(place: str, as_of: int | None = None, ordered: bool = False) -> NoReturn:
    """Raise InputError since a source without times cannot be read up to one. ordered: it knows the order of rows."""
    wanted = "rows up to a time are asked for" if as_of is None else f"rows up to {moment(as_of)} are asked for"
    if ordered:
        message = f"it holds each user's own order in place of times, and {wanted}"
        raise InputError(place, message, "use the official file with times, or ask for all rows")
    raise InputError(
        "data.columns.timestamp",
        f"{place} has no column of times, and {wanted}",
        "name the column that holds them, or ask for all rows",
    )


def refuse_all_later(n_rows: int, first: int, as_of: int, place: str) -> NoReturn:
    """Raise InputError since no row is left."""
    rows = "its only row is" if n_rows == 1 else f"all {count(n_rows, 'row')} are"
    message = f"{rows} later than {moment(as_of)}, the first of {moment(first)}"
    raise InputError(place, message, "ask for a later time; times are UTC")

"""How much there is to retrain on: asked for before anything heavy is imported, and again by the night itself."""

from __future__ import annotations

from datetime import UTC, datetime

from recsys.champion.record import microseconds_of
from recsys.data.config import DataConfig
from recsys.data.newest import Freshness, newest
from recsys.errors import InputError
from recsys.settings import Settings


def rows_until(data: DataConfig, settings: Settings, as_of: datetime | None) -> tuple[Freshness, int | None]:
    """Number and newest time of the rows up to a time (None: of all), and that time in microseconds since 1970.

    Raises InputError where there is no row.
    """
    time = None if as_of is None else as_of.astimezone(UTC) if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    asked = None if time is None else microseconds_of(time)
    fresh = newest(data, settings, asked)
    if fresh.newest is not None:
        return fresh, asked
    if time is not None and fresh.later:
        raise InputError("as_of", f"no row is from {time:%Y-%m-%d %H:%M} UTC or before", "ask for a later time")
    raise InputError("data", "the source holds no rows", "retrain when there are some")

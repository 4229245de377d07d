"""Axes of dates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import MAXYEAR, UTC, datetime, timedelta

from recsys.report.scales import Scale

HOUR, DAY = 3600.0, 86_400.0
STEPS = (HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY)
MONTHS = (1, 2, 3, 6, *(12 * years for years in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)))
FIRST, LAST = (time.replace(tzinfo=UTC).timestamp() for time in (datetime.min, datetime.max.replace(microsecond=0)))
"""Of the times that a date can be written for."""


def time_scale(times: Iterable[datetime], start: float, end: float) -> Scale:
    """An axis on which all times fit, in seconds since 1970."""
    seconds = [time.timestamp() for time in times]
    room = 0.02 * (max(seconds) - min(seconds)) or HOUR
    return Scale(max(min(seconds) - room, FIRST), min(max(seconds) + room, LAST), start, end)


def time_ticks(scale: Scale, about: int = 5) -> list[tuple[float, str]]:
    """Round times within the axis, some `about` of them at most, and how to write them (UTC).

    >>> time_ticks(Scale(1_704_067_200, 1_704_067_200 + 12 * 86_400, 0, 500))
    [(1704326400.0, '4 Jan'), (1704931200.0, '11 Jan')]
    >>> [text for _, text in time_ticks(Scale(1_704_067_200, 1_704_067_200 + 400 * 86_400, 0, 500))]
    ['Jan 2024', 'Apr 2024', 'Jul 2024', 'Oct 2024', 'Jan 2025']
    """
    span = scale.high - scale.low
    for step in STEPS:
        if span / step <= about:
            first = -(-scale.low // step)
            ticks = [(first + i) * step for i in range(int(scale.high // step - first) + 1)]
            return [(tick, _written(tick, step)) for tick in ticks]
    for months in MONTHS:
        found = list(_month_starts(scale, months))
        if len(found) <= about:
            break
    return [(each.timestamp(), f"{each:%b %Y}" if months < 12 else f"{each:%Y}") for each in found]


def day(time: datetime) -> str:
    """A date as a reader sees it.

    >>> day(datetime(2024, 3, 5, tzinfo=UTC))
    '5 March 2024'
    """
    return f"{time.day} {time:%B %Y}"


def minute(time: datetime) -> str:
    """A time to the minute, UTC.

    >>> minute(datetime(2024, 3, 5, 3, 7, tzinfo=UTC))
    '2024-03-05 03:07'
    """
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def lasted(span: timedelta) -> str:
    """A length of time in its largest units.

    >>> [lasted(timedelta(hours=hours)) for hours in (0.02, 30, 41 * 24, 900 * 24)]
    ['1 minute', '30 hours', '41 days', '2.5 years']
    """
    seconds = abs(span.total_seconds())
    if seconds >= 730 * DAY:
        return f"{seconds / DAY / 365.25:.1f} years"
    sizes = ((2 * DAY, DAY, "day"), (2 * HOUR, HOUR, "hour"), (0, 60, "minute"))
    _, size, unit = next(each for each in sizes if seconds >= each[0])
    n = int(seconds // size)
    return f"{n} {unit}" + ("" if n == 1 else "s")


def _written(tick: float, step: float) -> str:
    """A day by its date, an hour by the clock, and midnight by the day that begins."""
    time = datetime.fromtimestamp(tick, UTC)
    return f"{time:%H:%M}" if step < DAY and tick % DAY else f"{time.day} {time:%b}"


def _month_starts(scale: Scale, months: int) -> Iterator[datetime]:
    first = datetime.fromtimestamp(scale.low, UTC)
    place = first.year * 12 + first.month - 1
    place -= place % months
    for month in range(place if place >= 12 else months, 12 * (MAXYEAR + 1), months):
        time = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if time.timestamp() > scale.high:
            return
        if time.timestamp() >= scale.low:
            yield time

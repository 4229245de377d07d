"""Simulated traffic: a data set replayed, day by day, into a source that grows. For demos and tests.

plan       what arrives when: late rows, rows that come twice, days that are poisoned
targets    a folder with a file a day, a table of a database
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recsys.data.config import DataConfig
from recsys.data.dataset import Dataset
from recsys.data.load import load
from recsys.data.progress import Progress, silent
from recsys.data.traffic.plan import Day, Plan, Poison, Traffic
from recsys.data.traffic.targets import Form, Target, target_of
from recsys.errors import InputError
from recsys.settings import Settings


@dataclass(frozen=True)
class Replay:
    """What was done. written: the days that were added. present: days that were there and stayed as they were."""

    written: tuple[Day, ...]
    present: tuple[dt.date, ...]

    def lines(self) -> list[str]:
        """The same in words, for the terminal."""
        lines = []
        if self.present:
            lines.append(f"{_span(self.present)} there already, left as before")
        if self.written:
            n_rows = sum(day.rows.num_rows for day in self.written)
            lines.append(f"{_span([day.day for day in self.written])} written, {n_rows:,} rows")
        return lines


def simulate(
    source: Dataset | DataConfig,
    into: str | Target,
    settings: Settings | None = None,
    traffic: Traffic | None = None,
    start: dt.date | None = None,
    until: dt.date | None = None,
    days: int | None = None,
    form: Form = "parquet",
    progress: Progress = silent,
    written: Callable[[Day], None] = lambda day: None,
) -> Replay:
    """Append a data set's rows to a growing source, a day after the other, all at once up to a day.

    source: with times; its days are those of its own times, UTC. into: a folder, which gets one file a day, or
    `sql:TABLE` (at RECSYS_SQL_URL) or `sql+NAME:TABLE` (at RECSYS_SQL_URL_NAME), which gets one transaction a day; see
    `target_of`. traffic: the seed; late, repeated and poisoned rows. start, until: the first and last day of arrival,
    both included; default: all. days: at most so many days that are not there yet. form: of the files. progress: of
    reading the source. written: called after each day that was added.

    What arrives on a day depends on source, traffic and day alone, so that a replay goes on where it stopped: a day
    that is there, whoever wrote it, is left as it is and named in the result.

    Raises InputError where the source has no times or is what is written to, the days are not among its own, or the
    target cannot be written; RunError where a database is lost or a disk is full.
    """
    settings = settings or Settings()
    target = target_of(into, settings, form) if isinstance(into, str) else into
    if not isinstance(source, Dataset):
        if target.feeds(source):
            raise InputError("into", "names what the data set itself is read from", "name a source of its own")
        source = load(source, None, settings, progress)
    plan = Plan(source, traffic or Traffic())
    asked = [day for day in plan.days if (start is None or day >= start) and (until is None or day <= until)]
    if not asked:
        _refuse_days(plan.days, start, until)
    there = target.days()
    missing = [day for day in asked if day not in there]
    added, present = [], [day for day in asked if day in there]
    for day in missing if days is None else missing[:days]:
        arriving = plan.day(day)
        if target.append(day, arriving.rows):
            added.append(arriving)
            written(arriving)
        else:
            present.append(day)
    return Replay(tuple(added), tuple(sorted(present)))


def _refuse_days(days: Sequence[dt.date], start: dt.date | None, until: dt.date | None) -> None:
    asked = " ".join(f"{word} {day}" for word, day in (("from", start), ("until", until)) if day is not None)
    raise InputError("days", f"nothing arrives {asked}", f"rows arrive from {days[0]} to {days[-1]}")


def _span(days: Sequence[dt.date]) -> str:
    """How many days, and which.

    >>> _span([dt.date(2024, 1, 1), dt.date(2024, 1, 2)]), _span([dt.date(2024, 1, 1)])
    ('2 days (2024-01-01 to 2024-01-02)', '1 day (2024-01-01)')
    """
    if len(days) == 1:
        return f"1 day ({days[0]})"
    return f"{len(days):,} days ({days[0]} to {days[-1]})"


__all__ = ["Day", "Form", "Plan", "Poison", "Replay", "Target", "Traffic", "simulate", "target_of"]

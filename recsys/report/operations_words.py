"""What the pages about decisions say: sentences and lines of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recsys.champion.drift import Drift
from recsys.champion.gate import Guard
from recsys.champion.record import Bounded, Contender, DecisionRecord
from recsys.report.figures.base import Table
from recsys.report.figures.times import lasted
from recsys.report.words import count, interval, number, plural


@dataclass(frozen=True)
class Standing:
    """What serves. version: in the registry. label: of the model. since: when it was put there, and by which record."""

    version: int | None
    label: str
    since: datetime
    record: DecisionRecord


@dataclass(frozen=True)
class GuardLine:
    """A guard as a line; judged: whether it has a limit, or is a check."""

    name: str
    fell: bool
    judged: bool
    text: str


def standing(records: Sequence[DecisionRecord]) -> Standing | None:
    """The model that the last promotion or rollback has put in place. records: in the order of time."""
    labels: dict[int | None, str] = {}
    found = None
    for record in records:
        if not record.changes_champion:
            continue
        if record.verdict == "promoted" and record.challenger is not None:
            labels[record.version] = record.challenger.label
        found = Standing(record.version, labels.get(record.version, "model"), record.time, record)
    return found


def awaits_approval(record: DecisionRecord) -> bool:
    """Whether a challenger has passed and a person is to say yes; with too few users, nothing has been judged."""
    return (
        record.verdict == "waiting"
        and record.mode == "manual"
        and record.gain is not None
        and not (record.gain.low is None or record.fallen)
    )


def ago(time: datetime, now: datetime) -> str:
    """How long ago; the future is said too."""
    if abs(now - time) < timedelta(minutes=1):
        return "just now"
    return f"{lasted(now - time)} ago" if time < now else f"in {lasted(time - now)}"


def around(value: Bounded | None, signed: bool = False) -> str:
    """The interval of a number, or nothing."""
    if value is None or value.low is None or value.high is None:
        return ""
    return interval(value.low, value.high, sign=signed)


def guard_lines(guards: Iterable[Guard], checks: Iterable[str]) -> list[GuardLine]:
    """The guards, those that fell first. checks: names of those that have no limit and may not fail."""
    names = set(checks)
    lines = [
        GuardLine(each.name, each.fell, each.limit is not None or each.name in names, each.text) for each in guards
    ]
    return sorted(lines, key=lambda line: (not line.fell, not line.judged))


def measures_table(drift: Drift | None) -> Table | None:
    """What the new rows look like."""
    if drift is None or not drift.measures:
        return None
    rows = tuple(
        (each.name, _measured(each.value), _measured(each.usual), number(each.units, 1)) for each in drift.measures
    )
    header = ("What", "New rows", "Usually", "Times the usual spread")
    return Table(f"{plural(drift.rows, 'new row')} beside {plural(drift.earlier, 'earlier period')}", header, rows)


def _measured(value: float) -> str:
    """Rows whole, all else with three digits, as in the text of a guard."""
    return count(value) if abs(value) >= 100 else f"{value:.3g}".replace("-", "−")


def settings_of(contender: Contender | None) -> str:
    """The settings of a model in a line."""
    if contender is None:
        return ""
    return ", ".join(f"{key} {value}" for key, value in contender.settings.items() if key not in ("name", "label"))

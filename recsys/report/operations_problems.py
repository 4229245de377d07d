"""What the operations page says needs a person, and from which ages on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recsys.champion.record import MICROSECOND, DecisionRecord, usual_step
from recsys.report.figures.times import lasted, minute
from recsys.report.operations_words import Standing, awaits_approval

# Nights without a decision that are no chance: a window or a source is too small.
MANY_WAITING = 3
LEAST_SILENCE = timedelta(hours=6)
OVERDUE = timedelta(minutes=5)


@dataclass(frozen=True)
class Freshness:
    """What the source holds now. newest: time of its newest row. rows: how many. new_rows: since the last decision."""

    newest: datetime | None = None
    rows: int | None = None
    new_rows: int | None = None


@dataclass(frozen=True)
class Limits:
    """Ages from which the page warns.

    silence: of the last decision; None: half as long again as what lies between the newest rows of two decisions, 6
    hours at least. data: of the newest row; champion: of the promotion; None: never.
    """

    silence: timedelta | None = None
    data: timedelta | None = None
    champion: timedelta | None = None


def problems(
    place: Standing | None,
    records: Sequence[DecisionRecord],
    fresh: Freshness,
    now: datetime,
    next_run: datetime | str | None,
    limits: Limits,
) -> Iterator[str]:
    """What needs a person."""
    silence = limits.silence or max(1.5 * usual_step(records) * MICROSECOND, LEAST_SILENCE)
    if records and now - records[-1].time > silence:
        yield f"Nothing was decided for {lasted(now - records[-1].time)}, and {lasted(silence)} are allowed."
    if isinstance(next_run, datetime) and next_run < now - OVERDUE:
        yield f"The run of {minute(next_run)} UTC has not come."
    if place is not None and limits.champion is not None and now - place.since > limits.champion:
        yield f"The champion is {lasted(now - place.since)} old, and {lasted(limits.champion)} are allowed."
    if fresh.newest is not None and limits.data is not None and now - fresh.newest > limits.data:
        yield f"The newest row is {lasted(now - fresh.newest)} old, and {lasted(limits.data)} are allowed."
    yield from _undecided([record for record in records if record.verdict not in ("skipped", "rolled back")])


def _undecided(judged: Sequence[DecisionRecord]) -> Iterator[str]:
    """What the last decisions that judged a challenger leave to a person."""
    rejected, waiting = _in_a_row(judged, "rejected"), _in_a_row(judged, "waiting")
    if rejected:
        nights = "The last decision rejected" if rejected == 1 else f"The last {rejected} decisions all rejected"
        why = "; ".join(guard.text for guard in judged[-1].fallen)
        yield f"{nights} the challenger: {why}." if why else f"{nights} the challenger."
    if waiting and awaits_approval(judged[-1]):
        yield "A challenger has passed and waits for approval."
    elif waiting >= MANY_WAITING:
        yield f"The last {waiting} decisions could decide nothing: {judged[-1].reasons[0]}."


def _in_a_row(records: Sequence[DecisionRecord], verdict: str) -> int:
    n = 0
    for record in reversed(records):
        if record.verdict != verdict:
            break
        n += 1
    return n

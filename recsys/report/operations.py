"""The operations page: which model serves, how good it is, what was decided, and what needs a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from recsys.champion.record import DecisionRecord
from recsys.report.figures.base import Figure
from recsys.report.figures.champion import course, quality, served
from recsys.report.figures.times import day, minute
from recsys.report.fill import fill
from recsys.report.operations_problems import OVERDUE, Freshness, Limits, problems
from recsys.report.operations_words import (
    GuardLine,
    Standing,
    ago,
    around,
    guard_lines,
    measures_table,
    settings_of,
    standing,
)
from recsys.report.words import MISSING, column_name, count, number, plural, signed

STYLES = ("page.css", "operations.css")
MOST_LINES = 30
FOOT = "One file, no network. What to do when: docs/runbook.md. How the gate decides: docs/retraining.md."


def operations_page(
    name: str,
    records: Sequence[DecisionRecord],
    now: datetime,
    *,
    next_run: datetime | str | None = None,
    freshness: Freshness | None = None,
    limits: Limits | None = None,
) -> str:
    """The page of an experiment, of all its decisions so far. The same arguments give the same text.

    records: in any order. now: with a zone; every age on the page is as of then. next_run: when retraining runs again,
    as a time or in words ("not scheduled"); None: not known, and nothing is said of it. freshness: what the source
    holds now; None: as the last decision found it.
    """
    ordered = sorted(records, key=lambda record: record.time)
    last, limits = (ordered[-1] if ordered else None), limits or Limits()
    fresh = freshness or _as_found(ordered)
    place = standing(ordered)
    compared = [record for record in ordered if record.guards]
    drifted = next((record for record in reversed(ordered) if record.drift), None)
    return fill(
        "operations.html",
        STYLES,
        title=f"{name}: operations",
        eyebrow="Operations of a recommender",
        name=name,
        meta=f"{plural(len(ordered), 'decision')} · written {minute(now)} UTC; every age is as of then",
        headline=_headline(place, last, now),
        problems=list(problems(place, ordered, fresh, now, next_run, limits)),
        points=list(_points(ordered, next_run, now)),
        sections=_sections(bool(compared)),
        quality=quality(ordered),
        decisions=[_line(record) for record in reversed(ordered[-MOST_LINES:])],
        older=count(len(ordered) - MOST_LINES) if len(ordered) > MOST_LINES else "",
        champion=_champion(place, ordered, now),
        data=_data(fresh, now),
        courses=_courses(ordered),
        measures=measures_table(drifted.drift if drifted else None),
        measured=minute(drifted.as_of) if drifted else "",
        guard_lines=_guards(compared),
        guard_lead=f"From {minute(compared[-1].time)} UTC." if compared else "",
        foot=FOOT,
    )


def _sections(has_guards: bool) -> list[tuple[str, str]]:
    found = [("quality", "Quality"), ("decisions", "Decisions"), ("champion", "Champion"), ("data", "Data and drift")]
    return [*found, ("guards", "Guards")] if has_guards else found


def _as_found(records: Sequence[DecisionRecord]) -> Freshness:
    known = next((record for record in reversed(records) if record.newest is not None), None)
    return Freshness() if known is None else Freshness(known.newest, known.rows)


def _headline(place: Standing | None, last: DecisionRecord | None, now: datetime) -> str:
    if last is None:
        return "Nothing has been decided yet."
    if place is None:
        return f"No model serves yet; the last decision, {ago(last.time, now)}: {last.verdict}."
    how = "rolled back to" if place.record.verdict == "rolled back" else "promoted"
    serves = f"Version {place.version} ({place.label}) serves" if place.version is not None else f"{place.label} serves"
    if last is place.record:
        return f"{serves}, {how} {ago(place.since, now)}."
    return f"{serves}, {how} {ago(place.since, now)}; the last decision, {ago(last.time, now)}: {last.verdict}."


def _points(records: Sequence[DecisionRecord], next_run: datetime | str | None, now: datetime) -> Iterator[str]:
    measured = next((record for record in reversed(records) if served(record) is not None), None)
    if measured is not None and (value := served(measured)) is not None:
        bounds = around(value)
        said = f" (95\xa0% interval {bounds})" if bounds else ""
        on = f", measured on data up to {day(measured.newest)}" if measured.newest else ""
        yield f"{column_name(measured.primary or '')} {number(value.value)}{said}{on}."
    if isinstance(next_run, datetime) and next_run >= now - OVERDUE:
        late = "Where that is past and this page still says so, it has not come."
        yield f"Next run {minute(next_run)} UTC, {ago(next_run, now)}. {late}"
    elif isinstance(next_run, str):
        yield f"Next run: {next_run}."


def _line(record: DecisionRecord) -> dict[str, Any]:
    who = record.challenger.label if record.challenger else ""
    version = f"version {record.version}" if record.version is not None else ""
    return {
        "time": minute(record.time),
        "verdict": record.verdict,
        "model": ", ".join(filter(None, (who, version))),
        "gain": signed(record.gain.value) if record.gain else "",
        "around": around(record.gain, signed=True),
        "new_rows": "" if record.new_rows is None else count(record.new_rows),
        "reasons": record.reasons,
    }


def _champion(place: Standing | None, records: Sequence[DecisionRecord], now: datetime) -> list[tuple[str, str]]:
    if place is None:
        return [("Champion", "none: the first must beat popularity")]
    made = next((r for r in reversed(records) if r.version == place.version and r.verdict == "promoted"), place.record)
    contender = made.challenger
    by = place.record.person or place.record.decided_by
    facts = [
        ("Model", place.label),
        ("Version", str(place.version or MISSING)),
        ("Settings", settings_of(contender) or "as by default"),
        ("In place since", f"{minute(place.since)} UTC, {ago(place.since, now)}, by {by}"),
    ]
    if contender is not None and contender.newest is not None:
        facts.append(("Trained on rows up to", f"{minute(contender.newest)} UTC, {ago(contender.newest, now)}"))
    if contender is not None and contender.rows is not None:
        facts.append(("Rows", count(contender.rows)))
    promotions = sum(record.verdict == "promoted" for record in records)
    rollbacks = sum(record.verdict == "rolled back" for record in records)
    return [*facts, ("So far", f"{plural(promotions, 'promotion')}, {plural(rollbacks, 'rollback')}")]


def _data(fresh: Freshness, now: datetime) -> list[tuple[str, str]]:
    if fresh.newest is None:
        return [("Newest row", "not known")]
    facts = [("Newest row", f"{minute(fresh.newest)} UTC, {ago(fresh.newest, now)}")]
    if fresh.rows is not None:
        facts.append(("Rows", count(fresh.rows)))
    if fresh.new_rows is not None:
        facts.append(("New since the last decision", plural(fresh.new_rows, "row")))
    return facts


def _courses(records: Sequence[DecisionRecord]) -> list[Figure]:
    """Drift, rows that look made, and new rows over time."""
    far, made = (_limit(records, name) for name in ("drift", "anomalous rows"))
    found = (
        course(records, "Drift of the new rows", _drift, far),
        course(records, "New rows that look made, %", _made, None if made is None else 100 * made),
        course(records, "New rows", lambda record: record.new_rows, digits=0),
    )
    return [figure for figure in found if figure is not None]


def _drift(record: DecisionRecord) -> float | None:
    return None if record.drift is None else record.drift.units


def _made(record: DecisionRecord) -> float | None:
    return None if record.drift is None else 100 * record.drift.anomalous


def _limit(records: Sequence[DecisionRecord], name: str) -> float | None:
    """The limit of a guard as it last was."""
    guards = [guard for record in records for guard in record.guards if guard.name == name]
    return guards[-1].limit if guards else None


def _guards(compared: Sequence[DecisionRecord]) -> list[GuardLine]:
    return guard_lines(compared[-1].guards, (each.name for each in compared[-1].behaviour)) if compared else []


__all__ = ["Freshness", "Limits", "operations_page"]

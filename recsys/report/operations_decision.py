"""The page of one decision."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from markupsafe import Markup

from recsys.champion.record import Bounded, Contender, DecisionRecord
from recsys.comparison.bootstrap import Interval
from recsys.report.figures.bars import difference_bar, difference_scale, value_bar, value_scale
from recsys.report.figures.times import minute
from recsys.report.fill import fill
from recsys.report.operations import FOOT, STYLES
from recsys.report.operations_words import around, awaits_approval, guard_lines, measures_table, settings_of
from recsys.report.words import column_name, count, listed, number, percent, plural, signed


@dataclass(frozen=True)
class Bar:
    """A number with its interval and a bar."""

    column: str
    name: str
    text: str
    around: str
    bar: Markup


def decision_page(record: DecisionRecord) -> str:
    """The page of a decision. The same record gives the same text."""
    sides = _sides(record)
    lines = guard_lines(record.guards, (each.name for each in record.behaviour))
    measures = measures_table(record.drift)
    sections = [("why", "Why"), ("models", "The two models"), ("guards", "Guards"), ("rows", "New rows")]
    there = {"why": True, "models": bool(sides), "guards": bool(lines), "rows": measures is not None}
    return fill(
        "operations_decision.html",
        STYLES,
        title=f"{record.name}: {record.verdict}, {minute(record.time)}",
        eyebrow="Decision on a recommender",
        name=record.name,
        meta=f"{minute(record.time)} UTC · data as of {minute(record.as_of)} UTC",
        headline=_headline(record),
        problems=[guard.text for guard in record.fallen],
        points=[],
        sections=[each for each in sections if there[each[0]]] + [("origin", "Fingerprints")],
        reasons=[reason for reason in record.reasons if reason not in {guard.text for guard in record.fallen}],
        facts=_facts(record),
        sides=sides,
        other="Popularity" if record.kind == "first" else "Champion",
        window=_window(record),
        bars=_bars(record),
        guard_lines=lines,
        measures=measures,
        drift_lead=_drift_lead(record),
        origin=_origin(record),
        text=json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False),
        foot=FOOT,
    )


def _headline(record: DecisionRecord) -> str:
    who = record.challenger.label if record.challenger else "the challenger"
    version = f" as version {record.version}" if record.version is not None else ""
    serving = f"version {record.serving}" if record.serving is not None else "the champion"
    return {
        "promoted": f"{who} was promoted{version}.",
        "kept": f"{who} was not promoted; {serving} goes on serving." if record.serving else f"{who} was not promoted.",
        "rejected": f"{who} was rejected{_which_fell(record)}.",
        "waiting": f"{who} has passed and waits for approval."
        if awaits_approval(record)
        else "Nothing could be decided yet.",
        "skipped": "There was nothing to decide.",
        "rolled back": f"Rolled back to version {record.version}.",
    }[record.verdict]


def _which_fell(record: DecisionRecord) -> str:
    names = [guard.name for guard in record.fallen]
    return f": the {'guard' if len(names) == 1 else 'guards'} {listed(names)} fell" if names else ""


def _facts(record: DecisionRecord) -> list[tuple[str, str]]:
    by = f"{record.person} (by hand)" if record.person else record.decided_by
    facts = [("Verdict", record.verdict), ("Decided by", by), ("Mode", record.mode)]
    if record.newest is not None:
        facts.append(("Newest row", f"{minute(record.newest)} UTC"))
    if record.rows is not None:
        facts.append(("Rows", count(record.rows)))
    if record.new_rows is not None:
        facts.append(("New rows", count(record.new_rows)))
    return facts


def _sides(record: DecisionRecord) -> list[tuple[str, str, str]]:
    pair = (record.challenger, record.champion)
    if pair == (None, None):
        return []

    def row(what: str, *texts: str) -> tuple[str, str, str]:
        return what, *texts  # type: ignore[return-value]

    def each(attribute: str) -> list[str]:
        found = [None if side is None else getattr(side, attribute) for side in pair]
        return ["" if value is None else str(value) for value in found]

    rows = [
        row("Model", *each("label")),
        row("Settings", *map(settings_of, pair)),
        row("Version", *each("version")),
        row("Serves trained on rows up to", *map(_newest, pair)),
        row("Rows", *("" if side is None or side.rows is None else count(side.rows) for side in pair)),
        row("Scored by a stand-in", *each("stand_in")),
    ]
    return [line for line in rows if line[1] or line[2]]


def _newest(side: Contender | None) -> str:
    return "" if side is None or side.newest is None else f"{minute(side.newest)} UTC"


def _window(record: DecisionRecord) -> str:
    if record.window is None:
        return ""
    window = record.window
    return (
        f"Both were scored on the rows from {minute(window.start)} to {minute(window.end)} UTC, on which neither was "
        f"trained: {plural(window.rows, 'row')}, {plural(window.users, 'user')} counted."
    )


def _bars(record: DecisionRecord) -> list[Bar]:
    if record.primary is None or record.challenger_value is None or record.champion_value is None:
        return []
    column, values = column_name(record.primary), (record.challenger_value, record.champion_value)
    scale = value_scale(map(_interval, values))
    names = ("Challenger", "Popularity" if record.kind == "first" else "Champion")
    bars = [
        Bar(column, name, number(value.value), around(value), value_bar(_interval(value), scale, css, name))
        for name, value, css in zip(names, values, ("c0", "control"), strict=True)
    ]
    if record.gain is not None:
        gain = _interval(record.gain)
        bar = difference_bar(gain, difference_scale([gain]), "c0", "Gain")
        bars.append(Bar(column, "Gain, user by user", signed(gain.value), around(record.gain, signed=True), bar))
    return bars


def _interval(value: Bounded) -> Interval:
    low, high = (math.nan if bound is None else bound for bound in (value.low, value.high))
    return Interval(value.value, low, high)


def _drift_lead(record: DecisionRecord) -> str:
    drift = record.drift
    if drift is None:
        return ""
    made = ", ".join(f"{count(n)} {reason}" for reason, n in drift.made.items())
    said = f"{percent(drift.anomalous)} of them look made" + (f" ({made})." if made else ".")
    return f"{said} {drift.note[0].upper()}{drift.note[1:]}." if drift.note else said


def _origin(record: DecisionRecord) -> list[tuple[str, str]]:
    found = [("Record", record.digest), ("Data", record.data or "")]
    for name, side in (("Challenger's data", record.challenger), ("Champion's data", record.champion)):
        found.append((name, side.data if side and side.data else ""))
    return [pair for pair in found if pair[1]] + [(f"Run: {what}", run) for what, run in record.runs.items()]

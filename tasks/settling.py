"""What follows from a decision that is written down: the alias, the lists, the page, a word to whom it concerns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from recsys.champion.record import DecisionRecord
from recsys.report.operations import operations_page
from recsys.report.operations_decision import decision_page
from recsys.store import replacing
from recsys.tracking.decisions import Decided
from recsys.tracking.registry import CHAMPION, OvertakenError
from tasks.context import Reporter
from tasks.night import Office
from tasks.notice import notify
from tasks.publishing import publish_champion


def write_down(office: Office, run_id: str, record: DecisionRecord) -> DecisionRecord:
    """The record and its page as artifacts of its run: from now on it is decided, whatever happens."""
    office.decisions.write(run_id, record, {"decision.html": decision_page(record)})
    return record


def settle(office: Office, run_id: str, record: DecisionRecord, reporter: Reporter) -> DecisionRecord:
    """Do what a written decision says; doing it twice does nothing the second time. Returns the record as it stands.

    The alias comes first and the lists after it. Where another promotion came between, this one has lost, and its
    record says so.
    """
    record = settle_alias(office, run_id, record, reporter)
    try:
        write_page(office, run_id, record.name)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # a page keeps nobody from what is decided
        reporter.warn(f"the operations page could not be drawn ({type(error).__name__}: {error}); the former one stays")
    if record.changes_champion and office.settings.publish_to is not None:
        said = publish_champion(record.name, office.settings.publish_to, office.settings)
        reporter.stage("publish", said)
    if record.verdict != "skipped":
        notify(office.settings, _news(record), record, reporter)
    return record


def settle_unfinished(office: Office, name: str, past: list[Decided], reporter: Reporter) -> list[Decided]:
    """Do what the last written decision still asks for where a kill came between; the decisions as they stand."""
    if not past or past[-1].settled:
        return past
    last = past[-1]
    reporter.stage("repair", f"the decision of {last.record.time:%Y-%m-%d %H:%M} UTC is carried out")
    record = settle(office, last.run_id, last.record, reporter)
    office.tracker.close_parent(last.run_id, "FINISHED")
    return [*past[:-1], replace(last, record=record, settled=True)]


def write_page(office: Office, run_id: str, name: str) -> None:
    """The operations page as an artifact of a run, and as a file of the home, where `recsys serve` finds it."""
    records = [each.record for each in office.decisions.all(name)]
    page = operations_page(name, records, datetime.now(UTC), next_run=office.next_run)
    office.tracker.log_text(run_id, "operations.html", page)
    path = office.settings.operations_page(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")


def settle_alias(office: Office, run_id: str, record: DecisionRecord, reporter: Reporter) -> DecisionRecord:
    """The first thing that a written decision asks for, where it changes the champion; the record as it stands."""
    if not record.changes_champion or record.version is None:
        return record
    expected = None if record.champion is None else record.champion.version
    tags = {"verdict": record.verdict, "decided": record.time.isoformat(), "decision_run": run_id}
    try:
        office.registry.promote(record.name, record.version, expected, tags)
    except OvertakenError as lost:
        reporter.warn(str(lost))
        champion = office.registry.alias(record.name, CHAMPION)
        about: dict[str, Any] = {"verdict": "kept", "version": None, "reasons": (*record.reasons, str(lost))}
        about["serving"] = None if champion is None else champion.number
        return write_down(office, run_id, record.model_copy(update=about))
    reporter.stage("champion", f"version {record.version} serves from now on")
    return record


def _news(record: DecisionRecord) -> str:
    serving = "" if record.serving is None else f", version {record.serving} serves"
    return f"{record.name}: {record.verdict}{serving}. {record.reasons[0] if record.reasons else ''}".strip()

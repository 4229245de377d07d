"""Promotion, refusal and rollback by a person: decided, written down, settled like any other."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from recsys.champion.record import DecisionRecord
from recsys.errors import InputError, RunError, did_you_mean
from recsys.tracking.decisions import Decided
from recsys.tracking.entities import RETRAINING
from recsys.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS
from tasks.context import Reporter, alone
from tasks.night import Office, contender_of, time_of_decision
from tasks.settling import settle, settle_alias, settle_unfinished, write_down


def by_hand(
    office: Office, name: str, version: int | None, who: str, reason: str, reporter: Reporter, verdict: str = "promoted"
) -> DecisionRecord:
    """Make a version champion because a person says so; None: the challenger is refused, and nothing changes.

    verdict: "promoted" or "rolled back". The version is opened before, so that nothing broken can serve. Of two people
    at once one waits for the other. Raises InputError where there is no such version, it is champion already, or it
    cannot be opened.
    """
    busy = f"somebody else decides about {name}; this goes on when that is done"
    with alone(office.settings, f"by-hand-{name}", reporter, busy):
        past = office.decisions.all(name)
        if version is None:
            past = settle_unfinished(office, name, past, reporter)
        unfinished = [each for each in past[-1:] if not each.settled]
        # Only its alias, so that going back never waits for lists: those of this decision take their place.
        for each in unfinished:
            settle_alias(office, each.run_id, each.record, reporter)
        try:
            record = _decided(office, name, version, who, reason, verdict, past)
        except InputError:
            settle_unfinished(office, name, past, reporter)
            raise
        run = office.tracker.open_parent(name, uuid4().hex, {"decided_by": "person"}, {}, role=RETRAINING)
        try:
            write_down(office, run.run_id, record)
            record = settle(office, run.run_id, record, reporter)
        except BaseException:
            with contextlib.suppress(RunError):  # the first trouble is the one to tell
                office.tracker.close_parent(run.run_id, "FAILED")
            raise
        for run_id in (run.run_id, *(each.run_id for each in unfinished)):
            office.tracker.close_parent(run_id, "FINISHED")
    return record


def _decided(
    office: Office, name: str, version: int | None, who: str, reason: str, verdict: str, past: Sequence[Decided]
) -> DecisionRecord:
    """The record of what a person says."""
    champion = office.registry.alias(name, CHAMPION)
    now = time_of_decision(past)
    known: dict[str, Any] = {
        "name": name,
        "time": now,
        "as_of": past[-1].record.as_of if past else now,
        "reasons": (reason,),
        "champion": None if champion is None else contender_of(champion),
        "serving": None if champion is None else champion.number,
        "decided_by": "person",
        "person": who,
    }
    if version is None:
        return DecisionRecord.model_validate(known | {"verdict": "kept", "reasons": (f"refused: {reason}",)})
    chosen = office.registry.version(name, version)
    if champion is not None and champion.number == version:
        raise InputError(
            f"version {version} of {name}", "is champion already", f"name another one: recsys champion show {name}"
        )
    office.registry.open(chosen)
    about = {"verdict": verdict, "version": version, "serving": version, "challenger": contender_of(chosen)}
    if verdict == "promoted":
        about["newest"] = contender_of(chosen).newest
    return DecisionRecord.model_validate(known | about)


def waiting_version(office: Office, name: str) -> int:
    """The version that waits for a word. Raises InputError where none does."""
    found = office.registry.alias(name, CHALLENGER)
    if found is None:
        raise InputError(f"challenger of {name}", "no version waits", "name one: --version N")
    return found.number


def previous_version(office: Office, name: str) -> int:
    """The champion before this one. Raises InputError where there is none, or it is the one that was rolled back."""
    found = office.registry.alias(name, PREVIOUS)
    if found is None:
        raise InputError(f"previous champion of {name}", "there is none to go back to", "name a version: --version N")
    why = rolled_back(office, name, found.number)
    if why is not None:
        message = f"is version {found.number}, which was rolled back ({why})"
        raise InputError(f"previous champion of {name}", message, "name the one to go to: --version N")
    return found.number


def rolled_back(office: Office, name: str, version: int) -> str | None:
    """Why the last change of the champion was to go back from this version; None where it was another change."""
    changes = [each.record for each in office.decisions.all(name) if each.record.changes_champion]
    last = changes[-1] if changes else None
    if last is None or last.verdict != "rolled back" or last.champion is None or last.champion.version != version:
        return None
    return last.reasons[0]


def require_known(office: Office, name: str) -> None:
    """Raises InputError where no experiment of this name has a registered model or a decision."""
    names = office.registry.names()
    if name not in names and not office.decisions.all(name):
        remedy = did_you_mean(name, names) if names else "make a champion: recsys retrain SPEC"
        raise InputError(name, "no model of this name is registered", remedy)

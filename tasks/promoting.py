"""Promotion, refusal and rollback by a person: decided, written down, settled like any other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from recsys.champion.record import DecisionRecord
from recsys.errors import InputError, did_you_mean
from recsys.serving.bundle import open_bundle
from recsys.tracking.pyfunc import bundle_of
from recsys.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS
from recsys.tracking.runs import RETRAINING
from tasks.context import Reporter
from tasks.night import Office, contender_of
from tasks.settling import settle, settle_unfinished, write_down


def by_hand(
    office: Office, name: str, version: int | None, who: str, reason: str, reporter: Reporter, verdict: str = "promoted"
) -> DecisionRecord:
    """Make a version champion because a person says so; None: the challenger is refused, and nothing changes.

    verdict: "promoted" or "rolled back". The version is opened before, so that nothing broken can serve. Raises
    InputError where there is no such version, it is champion already, or it cannot be opened.
    """
    champion = office.registry.alias(name, CHAMPION)
    past = settle_unfinished(office, name, office.decisions.all(name), reporter)
    now = datetime.now(UTC)
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
        record = DecisionRecord.model_validate(known | {"verdict": "kept", "reasons": (f"refused: {reason}",)})
    else:
        chosen = office.registry.version(name, version)
        if champion is not None and champion.number == version:
            raise InputError(f"version {version} of {name}", "is champion already", "nothing to do")
        open_bundle(bundle_of(office.registry.folder(chosen)))
        about = {"verdict": verdict, "version": version, "serving": version, "challenger": contender_of(chosen)}
        if verdict == "promoted":
            about["newest"] = contender_of(chosen).newest
        record = DecisionRecord.model_validate(known | about)
    run = office.tracker.open_parent(name, uuid4().hex, {"decided_by": "person"}, {}, role=RETRAINING)
    write_down(office, run.run_id, record)
    record = settle(office, run.run_id, record, reporter)
    office.tracker.close(run.run_id, "FINISHED")
    return record


def waiting_version(office: Office, name: str) -> int:
    """The version that waits for a word. Raises InputError where none does."""
    found = office.registry.alias(name, CHALLENGER)
    if found is None:
        raise InputError(f"challenger of {name}", "no version waits", "name one: --version N")
    return found.number


def previous_version(office: Office, name: str) -> int:
    """The champion before this one. Raises InputError where there is none."""
    found = office.registry.alias(name, PREVIOUS)
    if found is None:
        raise InputError(f"previous champion of {name}", "there is none to go back to", "name a version: --version N")
    return found.number


def require_known(office: Office, name: str) -> None:
    """Raises InputError where no experiment of this name has a registered model or a decision."""
    names = office.registry.names()
    if name not in names and not office.decisions.all(name):
        remedy = did_you_mean(name, names) if names else "make a champion: recsys retrain SPEC"
        raise InputError(name, "no model of this name is registered", remedy)

"""`recsys champion`: who serves, what was decided, and a person's word."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from flows.command import Speech
from flows.commands.retrain import answer_of, show
from recsys.errors import InputError
from recsys.settings import Settings
from recsys.tracking.database import require_server

if TYPE_CHECKING:
    from tasks.night import Office


def show_champion(name: str, speech: Speech) -> None:
    """Who serves, since when, and by which decision."""
    office = _office(name)
    from recsys.tracking.registry import CHAMPION, PREVIOUS
    from tasks.night import contender_of
    from tasks.promoting import rolled_back

    champion, previous = (office.registry.alias(name, alias) for alias in (CHAMPION, PREVIOUS))
    told: dict[str, Any] = {"name": name, "champion": None, "previous": previous.number if previous else None}
    if champion is None:
        speech.say(f"{name}: no champion yet; make one with: recsys retrain SPEC")
    else:
        about = contender_of(champion)
        told["champion"] = about.model_dump(mode="json") | {"tags": champion.tags}
        speech.say(f"{name}: version {champion.number}, {about.label}")
        newest = "unknown" if about.newest is None else f"{about.newest:%Y-%m-%d %H:%M} UTC"
        speech.say(
            f"  data up to {newest}; {about.rows or 0:,} rows; {champion.tags.get('verdict', '')} "
            f"{champion.tags.get('decided', '')[:16]}"
        )
        if previous is not None:
            why = rolled_back(office, name, previous.number)
            back = (
                f"go back with: recsys champion rollback {name} --reason WHY" if why is None else f"rolled back ({why})"
            )
            speech.say(f"  before it: version {previous.number}; {back}")
    speech.answer(told)


def show_history(name: str, speech: Speech) -> None:
    """Every decision, oldest first."""
    from recsys.champion.record import logbook

    records = [each.record for each in _office(name).decisions.all(name)]
    for line in logbook(records):
        speech.say(line)
    speech.answer({"decisions": [answer_of(record) for record in records]})


def promote(name: str, version: int | None, reason: str | None, speech: Speech) -> None:
    """Make the waiting version, or another one, champion."""
    _decide(name, version, reason, "promoted", speech)


def rollback(name: str, version: int | None, reason: str | None, speech: Speech) -> None:
    """Go back to the champion before this one, or to another version."""
    _decide(name, version, reason, "rolled back", speech)


def _decide(name: str, version: int | None, reason: str | None, verdict: str, speech: Speech) -> None:
    if not (reason or "").strip():
        raise InputError("--reason", "is missing", "say why in a few words: it stands in the logbook")
    office = _office(name)
    from flows.console import TerminalReporter
    from flows.events import tell_prefect
    from tasks.promoting import by_hand, previous_version, waiting_version

    chosen = version or (waiting_version if verdict == "promoted" else previous_version)(office, name)
    assert reason is not None
    record = by_hand(office, name, chosen, getpass.getuser(), reason.strip(), TerminalReporter(speech.console), verdict)
    tell_prefect(record)
    speech.answer(answer_of(record))
    show(record, speech)


def _office(name: str) -> Office:
    settings = Settings()
    if settings.owns_tracking and not settings.database.exists():
        raise InputError(
            name, f"nothing is registered in {settings.mlflow_place}", "make a champion: recsys retrain SPEC"
        )
    require_server(settings)
    from tasks.night import Office
    from tasks.promoting import require_known

    office = Office(settings)
    require_known(office, name)
    return office

"""Mode manual in a deployment: the flow run pauses and asks in the Prefect UI."""

from __future__ import annotations

from prefect import pause_flow_run
from prefect.exceptions import FlowPauseTimeout
from prefect.input import RunInput
from prefect.runtime import deployment

from recsys.champion.record import DecisionRecord
from tasks.night import Night
from tasks.promoting import by_hand

SECONDS = 12 * 3600


class Approval(RunInput):
    """May the challenger serve? who: is asked, for the record."""

    approve: bool = False
    who: str = ""
    reason: str = ""


def ask_for_approval(night: Night, record: DecisionRecord) -> DecisionRecord:
    """Promote what waits where somebody approves in time; else it goes on waiting for `recsys champion promote`."""
    waits = record.challenger is not None and record.challenger.version is not None
    if not (waits and deployment.id):
        return record
    try:
        question = Approval.with_initial_data(description=_question(record))
        answer = pause_flow_run(wait_for_input=question, timeout=SECONDS)
    except FlowPauseTimeout:
        return record
    assert record.challenger is not None
    who = answer.who or "somebody in the Prefect UI"
    reason = answer.reason or f"{'approved' if answer.approve else 'refused'} in the Prefect UI"
    version = record.challenger.version if answer.approve else None
    return by_hand(night.office, record.name, version, who, reason, night.run.reporter)


def _question(record: DecisionRecord) -> str:
    lines = "\n".join(f"- {reason}" for reason in record.reasons)
    version = record.challenger.version if record.challenger is not None else None
    return f"Version {version} of **{record.name}** passed and waits:\n\n{lines}"

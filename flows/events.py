"""What Prefect is told of decisions, so that deployments and automations can follow them."""

from __future__ import annotations

import os

from flows.engine import running_stack
from recsys.champion.record import DecisionRecord
from recsys.settings import Settings

DONE, CHANGED = "recsys.retraining.done", "recsys.champion.changed"


def tell_prefect(record: DecisionRecord) -> None:
    """Emit the events of a decision, where a Prefect API is known: the flow's, the environment's, or that of
    `recsys up`."""
    settings = Settings()
    url = os.environ.get("PREFECT_API_URL") or running_stack(settings)
    if url is None:
        return
    os.environ["PREFECT_API_URL"] = url
    from prefect.events import emit_event

    resource = {"prefect.resource.id": resource_of(record.name), "prefect.resource.name": record.name}
    payload = {"name": record.name, "verdict": record.verdict, "version": record.version, "serving": record.serving}
    if record.decided_by != "person":
        emit_event(DONE, resource=resource, payload=payload)
    if record.changes_champion:
        emit_event(CHANGED, resource=resource, payload=payload)


def resource_of(name: str) -> str:
    """What Prefect calls the champion of an experiment."""
    return f"recsys.champion.{name}"

"""Flows that can be called as plain functions on a machine without any server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flows.engine import engine
from flows.flow_runs import called
from recsys.settings import Settings

import flows.environment  # isort: skip

flows.environment.switch_off()

from prefect import Flow  # noqa: E402 -- after the switches
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings  # noqa: E402

from flows.watch import cancelled_after_all, end_with_worker, started_by_worker  # noqa: E402

if started_by_worker():
    end_with_worker()

# They tell of a run that died. Whoever called one knows, and each run waits half a second for the thread that sends
# them to end; those that a worker starts, which nobody waits for, go on sending them.
NO_HEARTBEAT = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}


class LocalFlow(Flow[Any, Any]):
    """A flow that brings its own Prefect API where the environment names none."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow and return its result."""
        settings = Settings()
        with engine(settings), temporary_settings(NO_HEARTBEAT), called(settings):
            return super().__call__(*args, **kwargs)


def local_flow(**options: Any) -> Callable[[Callable[..., Any]], LocalFlow]:
    """Like `prefect.flow`, for a LocalFlow."""
    return lambda function: LocalFlow(function, on_crashed=[cancelled_after_all], **options)

"""A word about trouble that no run can tell of itself: one that failed, hangs, or never began."""

from __future__ import annotations

from prefect.logging import get_run_logger

from flows.local import local_flow
from flows.logs import LogReporter
from recsys.settings import Settings
from tasks.notice import notify as tell


@local_flow(name="notify", description="Tell of trouble: RECSYS_NOTIFY_FILE, RECSYS_NOTIFY_URL")
def notify(text: str) -> None:
    """Write to the file and the webhook of the installation; where it has none, the log of this run has to do."""
    get_run_logger().warning(text)
    tell(Settings(), text, None, LogReporter())

"""The champion's lists for every user, where others read them: after a promotion, or whenever asked."""

from __future__ import annotations

from prefect.logging import get_run_logger

from flows.local import local_flow
from recsys.settings import Settings
from tasks.publishing import publish_champion


@local_flow(name="publish", description="Put the champion's lists where others read them")
def publish(name: str, to: str | None = None) -> str:
    """Publish what serves now; what was done, in words.

    name: of the experiment. to: a folder, sql:TABLE or sql+NAME:TABLE; None: what RECSYS_PUBLISH_TO says; where that is
    not set either, nothing is done. Doing it again does no harm. Raises InputError where there is no champion.
    """
    settings = Settings()
    target = to or settings.publish_to
    said = "RECSYS_PUBLISH_TO names no place" if target is None else publish_champion(name, target, settings)
    get_run_logger().info(said)
    return said

"""What the Prefect UI shows beside a run: no run fails for want of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


def shown(show: Callable[[], object]) -> bool:
    """Whether the Prefect UI shows it; where it cannot be told, half a minute is lost, and the log says so."""
    try:
        show()
    except Exception as error:
        log.warning("not shown in the Prefect UI: %s: %s", type(error).__name__, error)
        return False
    return True

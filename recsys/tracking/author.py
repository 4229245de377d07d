"""Whose a run is: what MLflow's UI shows of its author, and the process that works on it."""

from __future__ import annotations

import getpass
import os
import socket

from recsys.processes import is_alive, started


def author_tags() -> dict[str, str]:
    """What MLflow's UI shows in the columns User and Source."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = str(os.getuid())
    return {"mlflow.user": user, "mlflow.source.name": "recsys", "mlflow.source.type": "LOCAL"}


def process_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{started():.0f}"


def process_lives(name: str) -> bool:
    """Whether the process that a tag names may still be running; one on another host may."""
    host, _, rest = name.partition(":")
    pid, _, began = rest.partition(":")
    if not (pid.isdigit() and began.isdigit()):
        return False
    if host != socket.gethostname():
        return True
    return is_alive(int(pid), int(began))

"""Switches of Prefect that have to be set before it is imported."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path

import yaml

SWITCHES = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SHOW_UPGRADE_MESSAGE": "false",
    "PREFECT_CLIENT_MAX_RETRIES": "4",  # half a minute: 2, 4, 8 and 16 seconds
    "PREFECT_API_REQUEST_TIMEOUT": "20",  # of each of the five, where a server does not answer
}

LOGGING = """\
version: 1
disable_existing_loggers: False
formatters:
  plain:
    format: "%(asctime)s | %(levelname)-7s | %(name)s | %(message)s"
handlers:
  file:
    class: logging.FileHandler
    filename: {file}
    delay: true
    encoding: utf-8
    formatter: plain
  api:
    level: 0
    class: prefect.logging.handlers.APILogHandler
loggers:
  prefect:
    level: INFO
  prefect.flow_runs:
    level: NOTSET
    handlers: [api]
  prefect.task_runs:
    level: NOTSET
    handlers: [api]
  httpx:
    level: WARNING
root:
  level: WARNING
  handlers: [file]
"""


LOOPBACK = ("127.0.0.1", "localhost")


def switch_off() -> None:
    """No telemetry, time enough for a server on a loaded machine, and no proxy between us and our own servers."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    for name in ("no_proxy", "NO_PROXY"):
        named = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*named, *LOOPBACK]))


def log_to_file(file: Path) -> None:
    """Send Prefect's and MLflow's log to a file instead of the terminal; what the UI shows stays as it is."""
    logging.raiseExceptions = False  # a full disk is told once, and not for every line
    file.parent.mkdir(parents=True, exist_ok=True)
    settings = file.with_suffix(".yml")  # one for each: of two processes that start at once each reads its own
    quoted = yaml.safe_dump(str(file), default_style='"', width=math.inf).strip()
    settings.write_text(LOGGING.format(file=quoted.replace("$", "$$")))  # Prefect reads it as a template
    os.environ["PREFECT_LOGGING_SETTINGS_PATH"] = str(settings)
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"  # or it would write to the terminal, tracebacks too

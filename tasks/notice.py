"""A word to whom it concerns: a line in a file, JSON to a webhook."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from typing import Any

from recsys.champion.record import DecisionRecord
from recsys.errors import not_written
from recsys.settings import Settings
from tasks.context import Reporter

SECONDS = 10


def notify(settings: Settings, text: str, record: DecisionRecord | None, reporter: Reporter) -> None:
    """Tell of a decision or a failure where the installation asks for it. What cannot be told becomes a warning."""
    told: dict[str, Any] = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "text": text}
    if record is not None:
        told |= {"name": record.name, "verdict": record.verdict, "serving": record.serving}
        told["reasons"] = list(record.reasons)
    if settings.notify_file is not None:
        try:
            settings.notify_file.parent.mkdir(parents=True, exist_ok=True)
            with settings.notify_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(told, ensure_ascii=False) + "\n")
        except OSError as error:
            reporter.warn(f"RECSYS_NOTIFY_FILE: {not_written(error, settings.notify_file) or error}")
    if settings.notify_url is not None:
        try:
            _post(settings.notify_url.get_secret_value(), told)
        except (OSError, ValueError) as error:
            # The address may hold a secret, and so may the error.
            reporter.warn(f"RECSYS_NOTIFY_URL: the webhook did not take it ({type(error).__name__})")


def _post(url: str, told: dict[str, Any]) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError("no address of the web")
    request = urllib.request.Request(url, json.dumps(told).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS):
        pass

"""`recsys deploy`: register the deployments with a Prefect server, or write prefect.yaml."""

from __future__ import annotations

import os

from flows.command import Speech
from flows.deployments import FILE, ROOT, prefect_yaml, register
from flows.engine import is_healthy, running_stack
from flows.environment import SWITCHES
from recsys.errors import InputError
from recsys.settings import Settings


def run(write: bool, speech: Speech) -> None:
    """Write prefect.yaml from conf/, or register what it holds with the server of PREFECT_API_URL or `recsys up`."""
    if write:
        (ROOT / FILE).write_text(prefect_yaml())
        speech.say(f"wrote {FILE}; register it with: recsys deploy")
        speech.answer({"file": FILE})
        return
    settings = Settings()
    url = settings.prefect_api_url or running_stack(settings)
    if url is None or not is_healthy(url):
        where = url or "PREFECT_API_URL"
        raise InputError(where, "no Prefect server answers", "start one with `recsys up`, or set PREFECT_API_URL")
    register(url, {**os.environ, **SWITCHES})
    speech.say(f"registered the deployments of {FILE} with {url}; run one: prefect deployment run compare/demo --watch")
    speech.answer({"prefect_api_url": url})

"""`recsys serve`: the champion over HTTP, until Ctrl-C."""

from __future__ import annotations

import logging
import sys

from flows.command import Speech
from recsys.serving.allow import AllowList
from recsys.settings import Settings

LOG = "%(asctime)s %(levelname)s %(name)s %(message)s"


def run(name: str, host: str, port: int, allow: AllowList, speech: Speech) -> None:
    """Serve the champion of a name and follow it, until INT or TERM."""
    from recsys.serving.run import serve
    from recsys.serving.settings import serve_settings
    from recsys.serving.state import Serving
    from recsys.tracking.champion import Champion

    settings = Settings()
    champion = Champion(name, settings)
    state = Serving(champion, allow=allow, opener=champion.open)

    def ready(url: str) -> None:
        logging.basicConfig(level=logging.WARNING, format=LOG, stream=sys.stderr)
        logging.getLogger("recsys").setLevel(logging.WARNING if speech.quiet else logging.INFO)
        speech.answer({"name": name, "version": state.live.version, "url": url})
        speech.say(f"{name} version {state.live.version}: {url}")
        speech.say(f"  {url}/recommend?user=USER&k=10    {url}/version    {url}/metrics")
        speech.say("Ctrl-C ends it")

    serve(state, host, port, settings=serve_settings(), page=settings.operations_page(name), ready=ready)
    speech.say("ended")

"""`recsys up`: the servers on this machine, until Ctrl-C."""

from __future__ import annotations

import contextlib

from flows.command import Speech, Terminated, typed
from flows.stack import Stack
from recsys.settings import Settings


def run(speech: Speech) -> None:
    """Start Prefect, MLflow and a worker, register the deployments, and stay until told to end."""
    stack = Stack(Settings(), speech.say)
    try:
        stack.start()
        prefect = typed("prefect")
        port = stack.settings.prefect_port
        speech.answer({"prefect_api_url": stack.prefect, "mlflow": stack.mlflow})
        speech.say()
        speech.say(f"Prefect  http://127.0.0.1:{port}")
        speech.say(f"MLflow   {stack.mlflow}")
        speech.say("in a second terminal:")
        speech.say(f"  export PREFECT_API_URL={stack.prefect}")
        speech.say(f"  {prefect} deployment run compare/demo --watch")
        speech.say(f'  {prefect} deployment schedule create compare/demo --cron "0 6 * * *" --timezone Europe/Berlin')
        speech.say("Ctrl-C ends runs, worker and servers")
        with contextlib.suppress(KeyboardInterrupt, Terminated):
            stack.watch()
    finally:
        speech.say("ending runs, worker and servers")
        stack.stop()

"""`recsys publish`: the champion's lists for every user, where others read them."""

from __future__ import annotations

import time
from pathlib import Path

from flows.command import Speech
from recsys.experiment.spec import Experiment
from recsys.serving.allow import AllowList
from recsys.settings import Settings


def run(spec: Path, overrides: list[str], to: str, k: int, allow: AllowList, speech: Speech) -> None:
    """Publish the lists of the champion of a spec."""
    experiment, settings = Experiment.load(spec, overrides), Settings()
    from recsys.serving.publish import publish, target_of

    target_of(to, settings)
    from recsys.tracking.champion import Champion

    champion = Champion(experiment.name, settings)
    version, folder = champion()
    bundle, began = champion.open(folder), time.monotonic()
    users, items = len(bundle.users), len(bundle.items)
    speech.say(f"{experiment.name} version {version}: {k} of {items:,} items for each of {users:,} users")
    done = publish(bundle, version, to, settings, k, allow)
    speech.answer(
        {"name": experiment.name, "version": version, "users": done.users, "rows": done.rows, "where": done.where}
    )
    speech.say(f"{done.rows:,} rows in {done.where} after {time.monotonic() - began:.0f} s")

"""The champion's lists, published."""

from __future__ import annotations

from recsys.serving.publish import publish
from recsys.settings import Settings
from recsys.tracking.champion import Champion


def publish_champion(name: str, to: str, settings: Settings) -> str:
    """Write the lists of the champion to where readers take them from; what was done, in words.

    Once more where there was another promotion meanwhile: whoever publishes last has looked at the alias after that.
    """
    champion = Champion(name, settings)
    while True:
        version, folder = champion()
        done = publish(champion.open(folder), version, to, settings)
        if champion()[0] == version:
            return f"version {version}: {done.rows:,} rows for {done.users:,} users in {done.where}"

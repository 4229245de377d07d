"""How many requests a client may send."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

MOST_CLIENTS = 10_000


class Buckets:
    """A token bucket for each client: `rate` requests a second, `burst` at once; rate 0: no limit.

    Remembers the last 10,000 clients, so that many addresses fill no memory.
    """

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self._now = rate, burst, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Take a token. Returns 0.0 where there was one, else the seconds until there is."""
        if not self.rate:
            return 0.0
        name, now = _whole(client), self._now()
        tokens, when = self._left.pop(name, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - when) * self.rate)
        taken = tokens >= 1
        self._left[name] = (tokens - taken, now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / self.rate


def _whole(client: str) -> str:
    """A client by its address; the network of an IPv6 address, of which one client has as many as it likes."""
    if ":" not in client:
        return client
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(int(address) >> 64)
    return client

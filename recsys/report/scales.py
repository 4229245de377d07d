"""From values to places on an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """An axis from `low` at pixel `start` to `high` at pixel `end`; start may be the larger one.

    >>> Scale(0, 10, 100, 200)(2.5), Scale(1, 100, 0, 200, log=True)(10)
    (125.0, 100.0)
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        low, high, at = (self._bent(number) for number in (self.low, self.high, value))
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within the axis, some `about` of them."""
        found = _log_ticks(self.low, self.high, about) if self.log else []
        return found if len(found) > 1 else _linear_ticks(self.low, self.high, about)

    def _bent(self, value: float) -> float:
        return math.log(value) if self.log else value


def padded(values: Iterable[float], share: float = 0.06, from_zero: float = 0.6) -> tuple[float, float]:
    """The range of finite values with room around it; down to 0 where the smallest is near 0 by its size.

    >>> padded([0.01, 0.44])
    (0.0, 0.4658)
    >>> padded([])
    (0.0, 1.0)
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    if 0 <= low <= from_zero * high:
        return 0.0, (high + share * (high - low)) or 1.0
    room = share * (high - low) or abs(high) * share or 1.0
    return low - room, high + room


def _linear_ticks(low: float, high: float, about: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten.

    >>> _linear_ticks(0, 0.47, 5)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def _log_ticks(low: float, high: float, about: int) -> list[float]:
    """Powers of ten, or 1-2-5 steps where these would be few; thinned where they would be many.

    >>> _log_ticks(0.5, 150, 5), _log_ticks(3, 30, 5)
    ([1.0, 10.0, 100.0], [5.0, 10.0, 20.0])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for sizes in ((1,), (1, 2, 5)):
        found = [float(f"{size * 10.0**power:.12g}") for power in powers for size in sizes]
        found = [tick for tick in found if low * 0.999 <= tick <= high * 1.001]
        if len(found) >= 3:
            break
    return found[:: max(1, math.ceil(len(found) / (about + 2)))]

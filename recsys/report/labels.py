"""Labels that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart and within low..high where there is room, moved as little as possible.

    Least squares under an order, by pooling neighbours that violate it; the order of equal places is kept.

    >>> spread([10, 11, 40], 6, 0, 100)
    [7.5, 13.5, 40.0]
    """
    if not places:
        return []
    gap = min(gap, (high - low) / max(1, len(places) - 1))
    order = sorted(range(len(places)), key=lambda i: places[i])
    pools: list[tuple[float, int]] = []
    for rank, i in enumerate(order):
        mean, size = float(places[i]) - rank * gap, 1
        while pools and pools[-1][0] > mean:
            other, members = pools.pop()
            mean, size = (mean * size + other * members) / (size + members), size + members
        pools.append((mean, size))
    highest = high - (len(places) - 1) * gap
    levels = [min(max(mean, low), highest) for mean, size in pools for _ in range(size)]
    found = [0.0] * len(places)
    for rank, i in enumerate(order):
        found[i] = levels[rank] + rank * gap
    return found


@dataclass(frozen=True)
class Box:
    """A rectangle on the page."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across * down if across > 0 and down > 0 else 0.0

    def outside(self, other: Box) -> float:
        """How far this sticks out of another."""
        return (
            max(0.0, other.left - self.left)
            + max(0.0, self.right - other.right)
            + max(0.0, other.top - self.top)
            + max(0.0, self.bottom - other.bottom)
        )


def beside(
    marks: Sequence[Box], widths: Sequence[float], height: float, room: Box, covered: Sequence[Box] = ()
) -> list[Box]:
    """A place for the label of each mark: to its right or left, and further up or down until nothing is covered.

    covered: what else must stay visible. Earlier labels choose first. Where every place covers something, the one that
    covers least is taken.

    >>> marks = [Box(0, 0, 10, 10), Box(12, 0, 22, 10)]
    >>> [round(box.left) for box in beside(marks, [30, 30], 10, Box(-40, -40, 100, 40))]
    [-34, 26]
    """
    placed: list[Box] = []
    for mark, width in zip(marks, widths, strict=True):
        taken = [other for other in marks if other is not mark] + placed + list(covered)
        middle = (mark.top + mark.bottom) / 2

        def cost(box: Box, taken: list[Box] = taken) -> float:
            return sum(box.overlap(other) for other in taken) + 1000 * box.outside(room)

        candidates = [
            Box(left, middle + shift - height / 2, left + width, middle + shift + height / 2)
            for shift in _SHIFTS
            for left in (mark.right + GAP, mark.left - GAP - width)
        ]
        free = next((box for box in candidates if cost(box) == 0), None)
        placed.append(free or min(candidates, key=cost))
    return placed


GAP = 4.0
_SHIFTS = tuple(float(sign * step) for step in range(0, 97, 6) for sign in ((1, -1) if step else (1,)))

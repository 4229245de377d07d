"""How a model looks in every figure: colour, marker and dash, so that colour alone never tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from recsys.report.svg import path, tag

COLOURS = 7
_DASHES = (None, "6 3", "2 3")
_SHAPES: tuple[tuple[tuple[float, float], ...], ...] = (
    (),
    ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    ((0, -1.3), (1.2, 0.9), (-1.2, 0.9)),
    ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
    ((0, 1.3), (1.2, -0.9), (-1.2, -0.9)),
)


@dataclass(frozen=True)
class Style:
    """css: class of the colour, `c0` to `c6` or `control`. dash: of the line. shape: number of the marker."""

    css: str
    dash: str | None
    shape: int

    def marker(self, x: float, y: float, size: float = 3.2) -> Markup:
        """The marker at a place."""
        corners = _SHAPES[self.shape]
        if not corners:
            return tag("circle", cx=float(x), cy=float(y), r=size, class_="mark")
        return tag("path", d=path([(x + size * dx, y + size * dy) for dx, dy in corners]) + "Z", class_="mark")


def styles(labels: Sequence[str], controls: Iterable[str]) -> dict[str, Style]:
    """A style a model, in the order of the leaderboard: the first seven differ by colour; controls are grey."""
    grey = set(controls)
    found: dict[str, Style] = {}
    coloured = plain = 0
    for label in labels:
        if label in grey:
            found[label] = Style("control", "3 3", plain % len(_SHAPES))
            plain += 1
        else:
            dash = _DASHES[coloured // COLOURS % len(_DASHES)]
            found[label] = Style(f"c{coloured % COLOURS}", dash, coloured % len(_SHAPES))
            coloured += 1
    return found

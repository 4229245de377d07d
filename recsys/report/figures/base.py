"""What every figure shares: its parts on the page, and axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from recsys.report.scales import Scale
from recsys.report.svg import tag
from recsys.report.words import short

EDGE, LETTER = 12.0, 7.0


@dataclass(frozen=True)
class Table:
    """Rows as text; the first cell of each names it."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A picture with its title, a sentence that says what to see, and its numbers as a table."""

    title: str
    picture: Markup
    caption: str
    table: Table


def axes(
    x: Scale,
    y: Scale,
    *,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    y_ticks: Sequence[tuple[float, str]] | None = None,
    x_title: str = "",
) -> Iterator[Markup]:
    """Horizontal grid lines, tick labels, the base line and what the x axis is."""
    bottom = y.start
    for value, text in y_ticks if y_ticks is not None else [(tick, short(tick)) for tick in y.ticks(6)]:
        at = y(value)
        yield tag("line", x1=float(x.start), x2=float(x.end), y1=at, y2=at, class_="grid")
        yield tag("text", text, x=float(x.start - 7), y=at + 3.8, text_anchor="end", class_="tick")
    yield tag("line", x1=float(x.start), x2=float(x.end), y1=float(bottom), y2=float(bottom), class_="axis")
    for value, text in x_ticks if x_ticks is not None else [(tick, short(tick)) for tick in x.ticks()]:
        yield tag("line", x1=x(value), x2=x(value), y1=float(bottom), y2=float(bottom + 4), class_="axis")
        middle = min(x(value), x.end + EDGE - LETTER * len(text) / 2)
        yield tag("text", text, x=middle, y=float(bottom + 17), text_anchor="middle", class_="tick")
    if x_title:
        middle = (x.start + x.end) / 2
        yield tag("text", x_title, x=middle, y=float(bottom + 34), text_anchor="middle", class_="axis-title")


def apart(ticks: Sequence[float], scale: Scale, gap: float) -> list[float]:
    """Those of the ticks, ascending, that stand at least `gap` pixels from the one before; the last one always."""
    kept: list[float] = []
    for tick in reversed(ticks):
        if not kept or abs(scale(kept[-1]) - scale(tick)) >= gap:
            kept.append(tick)
    return kept[::-1]

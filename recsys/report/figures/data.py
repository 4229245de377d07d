"""What the data look like: histograms, and the long tails of users and items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.report.figures.base import Figure, Table, apart, axes
from recsys.report.scales import Scale
from recsys.report.svg import path, svg, tag
from recsys.report.words import count, percent, short

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 220, 46, 12, 12, 42
POINTS = 120
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)


def data_figures(data: Dataset, about: dict[str, Any]) -> list[Figure]:
    """Figures of values, users, items and times, as far as the data have them. about: what `summarise` says."""
    found = []
    values, times = about.get("values"), about.get("times")
    if values and values["histogram"]:
        found.append(_values(values["histogram"]))
    found.append(tail(np.bincount(data.user, minlength=len(data.users)), "user"))
    found.append(tail(np.bincount(data.item, minlength=len(data.items)), "item"))
    if times and times["histogram"]:
        found.append(_times(times["histogram"]))
    return found


def _values(bars: Sequence[dict[str, Any]]) -> Figure:
    names = [bar_name(bar["from"], bar["to"]) for bar in bars]
    total, top = sum(bar["rows"] for bar in bars), max(bars, key=lambda bar: bar["rows"])
    return Figure(
        title="Values",
        picture=_bars([bar["rows"] for bar in bars], names, "Rows by value", "value"),
        caption=f"{percent(top['rows'] / total)} of the rows have {names[bars.index(top)]}.",
        table=Table("Rows by value", ("Value", "Rows"), _rows(names, bars)),
    )


def _times(bars: Sequence[dict[str, Any]]) -> Figure:
    names = [f"{bar['from']} to {bar['to']}" for bar in bars]
    days = [bar["from"].partition(" ")[0] for bar in bars]
    last = bars[-1]["to"].partition(" ")[0]
    return Figure(
        title="Rows over time",
        picture=_bars([bar["rows"] for bar in bars], days, "Rows over time", "from (UTC)"),
        caption=f"{days[0]} to {last}, in {len(bars)} equal steps.",
        table=Table("Rows over time", ("Time (UTC)", "Rows"), _rows(names, bars)),
    )


def tail(counts: IntArray, what: str) -> Figure:
    """Rows of each user or item, most first: how long the tail is. counts: (n,) rows of each; zeros are left out."""
    ordered = np.sort(counts[counts > 0])[::-1]
    held = np.cumsum(ordered) / max(1, ordered.sum())
    n = len(ordered)
    x = Scale(0, 1, LEFT, WIDTH - RIGHT - 8)
    y = Scale(1, max(2, int(ordered[0]) if n else 2), HEIGHT - BOTTOM, TOP, log=True)
    places = (
        np.unique(np.append((np.linspace(0, 1, POINTS) ** 2 * (n - 1)).astype(int), n - 1)) if n else np.array([], int)
    )
    points = [(x((place + 0.5) / n), y(float(ordered[place]))) for place in places]
    area = [(points[0][0], float(y.start)), *points, (points[-1][0], float(y.start))] if points else []
    tenth = _held(held, 0.1)
    verb = "busiest" if what == "user" else "most popular"
    return Figure(
        title=f"Rows by {what}",
        picture=svg(
            WIDTH,
            HEIGHT,
            f"Rows of each {what}, most first, from {count(ordered[0]) if n else 0} down to {ordered[-1] if n else 0}",
            *axes(
                x,
                y,
                x_ticks=[(share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)],
                x_title=f"{what}s, most rows first",
            ),
            tag("path", d=path(area), class_="area"),
            tag("path", d=path(points), class_="line"),
            class_="series c0",
        ),
        caption=f"The {verb} 10\xa0% of {what}s hold {percent(tenth)} of the rows (log scale).",
        table=Table(
            f"Share of the rows by share of the {what}s, {verb} first",
            (f"Share of {what}s", "Share of rows", "Rows of the last one"),
            tuple((percent(share), percent(_held(held, share)), _last(ordered, share)) for share in SHARES),
        ),
    )


def _held(held: FloatArray, share: float) -> float:
    """Share of rows held by the first `share` of users or items."""
    return float(held[max(0, round(share * len(held)) - 1)]) if len(held) else 0.0


def _last(ordered: IntArray, share: float) -> str:
    return count(ordered[max(0, round(share * len(ordered)) - 1)]) if len(ordered) else "0"


def _bars(heights: Sequence[int], names: Sequence[str], label: str, x_title: str) -> Any:
    x = Scale(0, len(heights), LEFT, WIDTH - RIGHT)
    y = Scale(0, max([*heights, 1]) * 1.04, HEIGHT - BOTTOM, TOP)
    wide = max((len(name) for name in names), default=1) * 7 + 10
    centres = [i + 0.5 for i in range(len(heights))]
    shown = [int(place) for place in apart(centres, x, wide)]
    gap = min(3.0, 0.15 * (x(1) - x(0)))
    return svg(
        WIDTH,
        HEIGHT,
        f"{label}: {len(heights)} bars, the highest {count(max([*heights, 0]))}",
        *axes(x, y, x_ticks=[(i + 0.5, names[i]) for i in shown], x_title=x_title),
        *(
            tag(
                "rect",
                tag("title", f"{name}: {count(height)}"),
                x=x(i) + gap,
                y=y(height),
                width=x(i + 1) - x(i) - 2 * gap,
                height=float(y.start) - y(height),
                class_="column",
            )
            for i, (height, name) in enumerate(zip(heights, names, strict=True))
        ),
        class_="series c0",
    )


def _rows(names: Sequence[str], bars: Sequence[dict[str, Any]]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, count(bar["rows"])) for name, bar in zip(names, bars, strict=True))


def bar_name(low: float, high: float) -> str:
    """A bar of the values by its ends, or by its one value."""
    return short(low) if low == high else f"{short(float(f'{low:.3g}'))}–{short(float(f'{high:.3g}'))}"

"""Figures by day, month or year: the share of each category, and who and what is active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys.report.figures.base import EDGE, LETTER, Figure, Table, apart, axes
from recsys.report.labels import spread
from recsys.report.palette import styles
from recsys.report.scales import Scale, padded
from recsys.report.svg import join, path, svg, tag
from recsys.report.words import count, cut, listed, percent

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 240, 46, 114, 12, 42
LABEL = 13.0
MARKED, DRAWN = 16, 7
ACTIVITY = (
    ("Rows", {"rows": "rows"}),
    ("Users", {"users": "active", "new_users": "new"}),
    ("Items", {"items": "rated", "new_items": "new"}),
)


def over_time(name: str, levels: Sequence[Mapping[str, Any]], periods: Mapping[str, Any]) -> Figure:
    """The share of the rows that the most frequent categories of a feature have in each period."""
    drawn = {each["label"]: each["by_period"] for each in levels[:DRAWN]}
    names, unit = periods["names"], periods["unit"]
    first, last = names[0], names[-1]
    moved = sorted(drawn, key=lambda label: -abs(drawn[label][-1] - drawn[label][0]))[0]
    rows = tuple(
        (period, *(percent(each["by_period"][place]) for each in levels)) for place, period in enumerate(names)
    )
    return Figure(
        title=f"{name[:1].upper()}{name[1:]} by {unit}",
        picture=_lines(drawn, periods, f"Share of the rows of {listed(list(drawn), DRAWN)} by {unit}", shares=True),
        caption=f"{moved} moves most: {percent(drawn[moved][0])} of the rows of {first}, "
        f"{percent(drawn[moved][-1])} of those of {last}.",
        table=Table(f"Share of the rows by {unit}", (unit.capitalize(), *(each["label"] for each in levels)), rows),
    )


def activity(found: Sequence[Mapping[str, int]], periods: Mapping[str, Any]) -> list[Figure]:
    """Rows, users and items by period."""
    return [_active(title, columns, found, periods) for title, columns in ACTIVITY]


def _active(
    title: str, columns: Mapping[str, str], found: Sequence[Mapping[str, int]], periods: Mapping[str, Any]
) -> Figure:
    names, unit = periods["names"], periods["unit"]
    series = {word: [each[column] for each in found] for column, word in columns.items()}
    main = next(iter(series.values()))
    most = names[main.index(max(main))]
    told = f"Most in {most}: {count(max(main))}."
    if len(series) > 1:
        told += f" {count(series['new'][-1])} of the {count(main[-1])} of {names[-1]} are new."
    rows = tuple((name, *(count(values[place]) for values in series.values())) for place, name in enumerate(names))
    header = (unit.capitalize(), *(word.capitalize() for word in series))
    return Figure(
        title=f"{title} by {unit}",
        picture=_lines(series, periods, f"{title} by {unit}, {names[0]} to {names[-1]}: {listed(list(series))}"),
        caption=told,
        table=Table(f"{title} by {unit}", header, rows),
    )


def _lines(series: Mapping[str, Sequence[float]], periods: Mapping[str, Any], label: str, shares: bool = False) -> Any:
    names = periods["names"]
    x = Scale(0, max(1, len(names) - 1), LEFT + 8, WIDTH - RIGHT - 8)
    _, high = padded(value for values in series.values() for value in values)
    y = Scale(0, high or 1, HEIGHT - BOTTOM, TOP)
    half = max(len(name) for name in names) * LETTER / 2
    wide = 2 * half + 10 + max(0, half - EDGE)  # the last one is moved to the left to end with the axis
    shown = [int(place) for place in apart([float(place) for place in range(len(names))], x, wide)]
    ends = spread([y(values[-1]) for values in series.values()], LABEL, TOP + 2, HEIGHT - BOTTOM)
    looks, drawn = styles(list(series), []), []
    for (name, values), end in zip(series.items(), ends, strict=True):
        places = [(x(place), y(value)) for place, value in enumerate(values)]
        look, right, last = looks[name], WIDTH - RIGHT, places[-1]
        drawn.append(
            tag(
                "g",
                tag("title", name),
                tag("path", d=path(places), class_="line", stroke_dasharray=look.dash),
                tag("path", d=path([last, (right - 2, last[1]), (right + 4, end), (right + 8, end)]), class_="leader"),
                join(look.marker(*place) for place in (places if len(places) <= MARKED else places[-1:])),
                tag("text", cut(name, 14), x=float(right + 11), y=end + 3.8, class_="label"),
                class_=f"series {look.css}",
            )
        )
    return svg(
        WIDTH,
        HEIGHT,
        label,
        *axes(
            x,
            y,
            x_ticks=[(place, names[place]) for place in shown],
            y_ticks=[(tick, f"{100 * tick:g}\xa0%") for tick in y.ticks(6)] if shares else None,
            x_title=periods["unit"],
        ),
        *reversed(drawn),
    )

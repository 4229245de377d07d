"""Figures of a data set alone: its most rated items, and the values of train and test; a table of categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys.report.figures.base import Figure, Table, apart, axes
from recsys.report.figures.data import bar_name
from recsys.report.scales import Scale
from recsys.report.svg import svg, tag
from recsys.report.words import MISSING, count, cut, number, percent, plural, short

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 360, 240, 46, 12, 42
ROW, NAMES, LETTERS = 20, 172, 26


def top_items(items: Sequence[Mapping[str, Any]]) -> Figure:
    """A bar an item, most rows first, with a table of all that is known of them."""
    height = TOP + ROW * len(items) + BOTTOM
    x = Scale(0, items[0]["rows"], NAMES, WIDTH - 14.0)
    base = height - BOTTOM
    ticks = apart(x.ticks(4), x, 40)
    bars = [
        tag(
            "g",
            tag("title", f"{item['title']}: {plural(item['rows'], 'row')}"),
            tag("text", cut(item["title"], LETTERS), x=NAMES - 8.0, y=y + 14.0, text_anchor="end", class_="tick"),
            tag("rect", x=x(0), y=y + 4.0, width=x(item["rows"]) - x(0), height=ROW - 7.0, class_="column"),
        )
        for y, item in ((float(TOP + ROW * place), item) for place, item in enumerate(items))
    ]
    with_values = items[0]["value"] is not None
    rows = tuple(
        (
            item["title"],
            str(item["item"]),
            count(item["rows"]),
            percent(item["share"]),
            *((number(item["value"], 2),) if with_values else ()),
        )
        for item in items
    )
    header = ("Item", "Id", "Rows", "Of all rows", *(("Mean value",) if with_values else ()))
    return Figure(
        title="Most rated items",
        picture=svg(
            WIDTH,
            height,
            f"Rows of the {plural(len(items), 'most rated item')}: {items[0]['title']} {count(items[0]['rows'])} at "
            f"the top, {items[-1]['title']} {count(items[-1]['rows'])} at the end",
            *(tag("line", x1=x(tick), x2=x(tick), y1=TOP, y2=base, class_="grid") for tick in ticks),
            *(
                tag("text", short(tick), x=x(tick), y=base + 16.0, text_anchor="middle", class_="tick")
                for tick in ticks
            ),
            tag("text", "rows", x=(x.start + x.end) / 2, y=base + 33.0, text_anchor="middle", class_="axis-title"),
            *bars,
            class_="series c0",
        ),
        caption=f"{percent(sum(item['share'] for item in items))} of the rows are theirs.",
        table=Table(f"The {len(items)} items with most rows", header, rows),
    )


def values_apart(values: Mapping[str, Any]) -> Figure:
    """The share of the rows in each bar of the values: training on the left, test on the right."""
    bars = values["bars"]
    totals = {part: sum(bar[part] for bar in bars) for part in ("train", "test")}
    shares = [tuple(bar[part] / totals[part] for part in ("train", "test")) for bar in bars]
    names = [bar_name(bar["from"], bar["to"]) for bar in bars]
    x = Scale(0, len(bars), LEFT, WIDTH - 12)
    y = Scale(0, 1.04 * max(max(pair) for pair in shares), HEIGHT - BOTTOM, TOP)
    centres = [place + 0.5 for place in range(len(bars))]
    shown = [int(place) for place in apart(centres, x, max(map(len, names)) * 7 + 10)]
    half = 0.4 * (x(1) - x(0))
    columns = [
        tag(
            "rect",
            tag("title", f"{names[place]}, {part}: {percent(share)}"),
            x=x(place + 0.5) + (side - 1) * half,
            y=y(share),
            width=max(0.5, half - 1),
            height=float(y.start) - y(share),
            class_=f"column c{side}",
        )
        for place, pair in enumerate(shares)
        for side, (part, share) in enumerate(zip(("training", "test"), pair, strict=True))
    ]
    rows = tuple(
        (name, count(bar["train"]), percent(one), count(bar["test"]), percent(other))
        for name, bar, (one, other) in zip(names, bars, shares, strict=True)
    )
    return Figure(
        title="Values",
        picture=svg(
            WIDTH,
            HEIGHT,
            f"Share of the rows by value, training beside test, {plural(len(bars), 'pair')} of columns",
            *axes(
                x,
                y,
                x_ticks=[(place + 0.5, names[place]) for place in shown],
                y_ticks=[(tick, f"{100 * tick:g}\xa0%") for tick in y.ticks(6)],
                x_title="value",
            ),
            *columns,
        ),
        caption=f"Left of each pair: training, mean {number(values['train_mean'], 3)}; right: test, mean "
        f"{number(values['test_mean'], 3)}.",
        table=Table("Rows by value", ("Value", "Training", "Share", "Test", "Share"), rows),
    )


def levels_table(name: str, found: Mapping[str, Any]) -> Table:
    """Every category of a feature: items, rows, mean value."""
    with_values = any(each["value"] is not None for each in found["levels"])
    rows = tuple(
        (
            each["label"],
            count(each["items"]),
            count(each["rows"]),
            percent(each["share"]),
            *((number(each["value"], 2) if each["value"] is not None else MISSING,) if with_values else ()),
        )
        for each in found["levels"]
    )
    header = (
        f"{name[:1].upper()}{name[1:]}",
        "Items",
        "Rows",
        "Of all rows",
        *(("Mean value",) if with_values else ()),
    )
    return Table(f"Rows by {name}", header, rows)

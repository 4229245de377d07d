"""Models by segment: a band a segment, a mark with its interval a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from recsys.report.board import Board
from recsys.report.figures.base import Figure, Table, axes
from recsys.report.palette import Style
from recsys.report.scales import Scale, padded
from recsys.report.svg import svg, tag
from recsys.report.words import MISSING, column_name, cut, interval, listed, number, plural

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 540, 172, 14, 8, 40
STEP, GAP, KEY = 11, 14, 18
# Models and bands that a figure has room for; its table has all of them.
MOST_MODELS, MOST_BANDS = 4, 8
SAID = {
    "activity": "Users by their rows in training: new 1–9, casual 10–20, regular 21–99, power 100 and more; "
    "cold: none, served by each model's fallback.",
    "age of account": "Users by the days from their first row in training to the newest of all: first week, month and "
    "year.",
    "popularity of items": "Recall of items by popularity: head, middle and tail each hold a third of the training "
    "positives; cold items have none.",
    "genre": "Recall of the items of a genre; an item may have several.",
}


def segments(board: Board, looks: Mapping[str, Style]) -> list[Figure]:
    """A figure for each kind of segments: the best models and the best control, and a table of all."""
    models = [row.label for row in board.ranked if not row.control][:MOST_MODELS]
    models += [row.label for row in board.ranked if row.control][:1]
    return [_figure(each, models, [row.label for row in board.ok], looks) for each in board.closer.get("segments", [])]


def _figure(kind: Mapping[str, Any], models: Sequence[str], every: Sequence[str], looks: Mapping[str, Style]) -> Figure:
    bands = kind["segments"][:MOST_BANDS]
    drawn = [label for label in models if any(label in band["values"] for band in bands)]
    band_height = STEP * len(drawn) + GAP
    rows_of_key = (len(drawn) + 1) // 2
    bottom = TOP + band_height * len(bands)
    values = [
        value for band in bands for label in drawn for value in band["values"].get(label, ()) if value is not None
    ]
    x = Scale(*padded(values), LEFT, WIDTH - RIGHT)
    y = Scale(0, len(bands), bottom, TOP)
    metric = column_name(kind["metric"])
    parts = [
        _band(band, number, TOP + band_height * number, drawn, x, looks, band_height)
        for number, band in enumerate(bands)
    ]
    left_out = [each["name"] for each in kind["segments"][MOST_BANDS:]]
    return Figure(
        title=kind["kind"].capitalize(),
        picture=svg(
            WIDTH,
            bottom + BOTTOM + KEY * rows_of_key,
            f"{metric} by {kind['kind']}, {plural(len(bands), 'segment')}: {listed(drawn)}",
            *axes(x, y, y_ticks=[], x_title=metric),
            *parts,
            *(_key(label, at, bottom + BOTTOM + 8, looks[label]) for at, label in enumerate(drawn)),
        ),
        caption=SAID[kind["kind"]] + (f" Only in the numbers: {listed(left_out)}." if left_out else ""),
        table=Table(
            f"{metric} by {kind['kind']}, with 95\xa0% intervals",
            ("Model", *(f"{each['name']} ({plural(each['users'], 'user')})" for each in kind["segments"])),
            tuple((label, *(_text(each["values"].get(label)) for each in kind["segments"])) for label in every),
        ),
    )


def _band(
    band: Mapping[str, Any],
    number_of: int,
    top: float,
    drawn: Sequence[str],
    x: Scale,
    looks: Mapping[str, Style],
    height: float,
) -> Markup:
    """One segment: its name, and the models one below the other."""
    middle = top + height / 2
    marks = []
    for at, label in enumerate(drawn):
        value, low, high = band["values"].get(label, (None, None, None))
        if value is None:
            continue
        line, look = top + GAP / 2 + STEP * (at + 0.5), looks[label]
        ends = [] if low is None else [tag("line", x1=x(low), x2=x(high), y1=line, y2=line, class_="whisker")]
        about = tag("title", f"{band['name']}, {label}: {_text((value, low, high))}")
        marks.append(tag("g", about, *ends, look.marker(x(value), line), class_=f"series {look.css}"))
    edge = [tag("line", x1=10, x2=WIDTH - RIGHT, y1=float(top), y2=float(top), class_="grid")] if number_of else []
    return tag(
        "g",
        *edge,
        tag("text", cut(band["name"], 18), x=LEFT - 14, y=middle - 2, text_anchor="end", class_="label"),
        tag("text", plural(band["users"], "user"), x=LEFT - 14, y=middle + 12, text_anchor="end", class_="tick"),
        *marks,
    )


def _key(label: str, at: int, top: float, look: Style) -> Markup:
    """What a marker stands for."""
    x, y = 24.0 + (at % 2) * (WIDTH - 24) / 2, top + KEY * (at // 2)
    name = tag("text", cut(label, 30), x=x + 12, y=y + 3.8, class_="label")
    return tag("g", look.marker(x, y), name, class_=f"series {look.css}")


def _text(found: Sequence[float | None] | None) -> str:
    if found is None or found[0] is None:
        return MISSING
    value, low, high = found
    return number(value) if low is None or high is None else f"{number(value)} ({interval(low, high)})"

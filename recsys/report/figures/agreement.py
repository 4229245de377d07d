"""How far the models agree: a square for each pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from recsys.report.figures.base import Figure, Table
from recsys.report.svg import join, svg, tag
from recsys.report.words import count, cut, number

LEFT, TOP, CELL, EDGE = 168, 24, 30, 8
# So wide at least that a few models are not drawn larger than other figures.
LEAST_WIDTH = 960
# The strongest colour that letters can still be read on.
DARKEST = 0.5


def agreement_map(agreement: Mapping[str, Any], labels: Sequence[str]) -> Figure:
    """Rank-biased overlap of every pair, mean over users.

    agreement: as in closer.json. labels: the models, in the order of the pairs; two or more.
    """
    pairs = {(pair["model"], pair["other"]): pair["values"]["all"] for pair in agreement["pairs"]}
    order = {label: number for number, label in enumerate(labels)}
    rows = [
        tag(
            "g",
            tag("text", cut(label, 20), x=LEFT - 34, y=_middle(at), text_anchor="end", class_="label"),
            tag("text", str(at + 1), x=LEFT - 10, y=_middle(at), text_anchor="end", class_="tick"),
        )
        for at, label in enumerate(labels)
    ]
    heads = [
        tag("text", str(at + 1), x=LEFT + CELL * (at + 0.5), y=TOP - 8, text_anchor="middle", class_="tick")
        for at in range(len(labels) - 1)
    ]
    cells = [_cell(one, other, order, values[2]) for (one, other), values in pairs.items()]
    nearest = max(pairs, key=lambda pair: pairs[pair][2])
    k, users = agreement["k"], count(agreement["segments"]["all"])
    mean = f"Rank-biased overlap of the first {k} items, mean over {users} users"
    return Figure(
        title="Agreement between models",
        picture=svg(
            max(LEAST_WIDTH, LEFT + CELL * (len(labels) - 1) + EDGE),
            TOP + CELL * len(labels) + EDGE,
            f"Mean rank-biased overlap of each pair of {len(labels)} models",
            *rows,
            *heads,
            join(cells),
        ),
        caption=f"{mean}: 1 for the same list, 0 for lists that share nothing. "
        f"Nearest: {nearest[0]} and {nearest[1]}, {number(pairs[nearest][2], 2)}.",
        table=Table(
            "Agreement of each pair, mean over users",
            ("Pair", f"Shared items of {k}", "Jaccard", "Rank-biased overlap"),
            tuple(
                (f"{one}, {other}", number(values[0], 2), number(values[1], 3), number(values[2], 3))
                for (one, other), values in pairs.items()
            ),
        ),
    )


def _cell(one: str, other: str, order: Mapping[str, int], value: float) -> Markup:
    column, row = sorted((order[one], order[other]))
    x, y = LEFT + CELL * column, TOP + CELL * row
    shade = f"{DARKEST * value:.3f}"
    return tag(
        "g",
        tag("title", f"{one} and {other}: {number(value, 3)}"),
        tag("rect", x=x + 1, y=y + 1, width=CELL - 2, height=CELL - 2, fill_opacity=shade, class_="heat"),
        tag("text", number(value, 2), x=x + CELL / 2, y=_middle(row), text_anchor="middle", class_="cell"),
    )


def _middle(row: int) -> float:
    return TOP + CELL * (row + 0.5) + 3.8

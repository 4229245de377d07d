"""The section on two protocols: both orders side by side, and the verdicts that flip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.comparison.protocols import Protocols, Standing
from recsys.report.figures.base import Figure, Table
from recsys.report.palette import Style, styles
from recsys.report.svg import path, svg, tag
from recsys.report.words import MISSING, column_name, cut, interval, listed, number

WIDTH, LEFT, RIGHT, TOP, STEP = 520, 175, 345, 44, 22
WORDS = {True: "leads", False: "behind", None: MISSING}


def protocols_section(found: Protocols) -> dict[str, Any]:
    """What the template shows: {"lead", "points", "figure"}."""
    return {"lead": _lead(found), "points": _points(found), "figure": _figure(found)}


def _lead(found: Protocols) -> str:
    one, other = found.names
    text = f"The same models under two protocols: {one}, as in the rest of this page, and {other}."
    if found.tau is None:
        several = sum(not each.control for each in found.standings) > 1
        why = "Under one of them all have the same value." if several else "Fewer than two have a value under both."
        return f"{text} {why}"
    around = "" if found.low is None or found.high is None else f", 95\xa0% interval {interval(found.low, found.high)}"
    return f"{text} Kendall's rank correlation of the two orders is {number(found.tau, 2)}{around}; controls aside."


def _points(found: Protocols) -> list[str]:
    one, other = found.names
    points = []
    for first, where, there in ((True, one, other), (False, other, one)):
        models = [each.model for each in found.standings if each.model in found.flips and each.leads[0] is first]
        if models:
            points.append(
                f"Only under {where} among the best, and told apart from the best under {there}: {listed(models)}."
            )
    pairs = [f"{better} before {worse}" for better, worse in found.reversed]
    if pairs:
        points.append(f"Told apart under both, in opposite directions; under {one}: {listed(pairs)}.")
    if not points and found.tau is not None:
        points.append(
            "No verdict flips: the same models are among the best, and no pair is told apart in opposite ways."
        )
    return points


def _figure(found: Protocols) -> Figure:
    looks = styles([each.model for each in found.standings], [each.model for each in found.standings if each.control])
    height = TOP + STEP * len(found.standings) + 6
    heads = [
        tag("text", cut(name, 40), x=x, y=18, text_anchor=anchor, class_="axis-title")
        for name, x, anchor in zip(found.names, (LEFT, RIGHT), ("end", "start"), strict=True)
    ]
    flipped = set(found.flips)
    metrics = [column_name(metric) for metric in found.metrics]
    header = (
        "Model",
        *(
            f"{what}, {name}"
            for name, metric in zip(found.names, metrics, strict=True)
            for what in ("Rank", metric, "Verdict")
        ),
    )
    rows = tuple(_row(each) for each in found.standings)
    return Figure(
        title="Ranks under both",
        picture=svg(
            WIDTH,
            height,
            f"Rank of {len(found.standings)} models under {found.names[0]} and under {found.names[1]}",
            *heads,
            *(_slope(each, looks, each.model in flipped) for each in found.standings),
        ),
        caption="A line a model, best at the top; thick where the verdict flips, grey for controls.",
        table=Table("Models under both protocols", header, rows),
    )


def _slope(each: Standing, looks: Mapping[str, Style], flipped: bool) -> Any:
    look = looks[each.model]
    ends = [(x, TOP + STEP * (rank - 0.5)) for x, rank in zip((LEFT, RIGHT), each.ranks, strict=True)]
    names = [
        tag(
            "text",
            f"{cut(each.model, 24)}  {rank}" if anchor == "end" else f"{rank}  {cut(each.model, 24)}",
            x=x + shift,
            y=y + 3.8,
            text_anchor=anchor,
            class_="label",
        )
        for (x, y), rank, shift, anchor in zip(ends, each.ranks, (-10.0, 10.0), ("end", "start"), strict=True)
    ]
    return tag(
        "g",
        tag("title", f"{each.model}: rank {each.ranks[0]}, then {each.ranks[1]}"),
        tag("path", d=path(ends), class_="line", stroke_dasharray=look.dash),
        *(look.marker(*end) for end in ends),
        *names,
        class_=f"series {look.css}" + (" best" if flipped else ""),
    )


def _row(each: Standing) -> tuple[str, ...]:
    sides = zip(each.ranks, each.values, each.leads, strict=True)
    return (each.model, *(text for rank, value, leads in sides for text in (str(rank), number(value), WORDS[leads])))

"""Searches for settings: the best value so far, and how much each setting matters."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Any

from recsys.metrics.registry import parse_column
from recsys.report.figures.base import Figure, Table, axes
from recsys.report.labels import spread
from recsys.report.palette import Style
from recsys.report.scales import Scale, padded
from recsys.report.svg import path, svg, tag
from recsys.report.words import MISSING, column_name, cut, number, percent, plural

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, LABEL = 360, 240, 44, 142, 12, 42, 13.0
NAMES, SHARES, ROW = 150, 50, 20
ROUGH = 20


def best_so_far(searches: Mapping[str, Mapping[str, Any]], looks: Mapping[str, Style], column: str) -> Figure:
    """A line of steps a model; searches: by model, as `tuning_facts` gives them."""
    lines = {label: leaders(about, column) for label, about in searches.items()}
    longest = max(about["trials"] for about in searches.values())
    height = max(HEIGHT, TOP + BOTTOM + int(LABEL * len(lines)) + 8)
    x = Scale(min(1, longest - 1), longest, LEFT, WIDTH - RIGHT)
    y = Scale(*padded((value for line in lines.values() for _, value in line), from_zero=0.1), height - BOTTOM, TOP)
    ends = spread([y(line[-1][1]) for line in lines.values()], LABEL, TOP + 2, height - BOTTOM)
    drawn = []
    for (label, line), end in zip(lines.items(), ends, strict=True):
        look, last = looks[label], (x(searches[label]["trials"]), y(line[-1][1]))
        rises = [place for (_, old), (at, new) in pairwise(line) for place in ((x(at), y(old)), (x(at), y(new)))]
        drawn.append(
            tag(
                "g",
                tag("title", f"{label}: {number(line[-1][1])} after {plural(searches[label]['trials'], 'trial')}"),
                tag(
                    "path",
                    d=path([(x(line[0][0]), y(line[0][1])), *rises, last]),
                    class_="line",
                    stroke_dasharray=look.dash,
                ),
                tag("path", d=path([last, (x.end + 8.0, end), (x.end + 12.0, end)]), class_="leader"),
                *(look.marker(x(at), y(value)) for at, value in line),
                tag("text", cut(label, 18), x=x.end + 15.0, y=end + 3.8, class_="label"),
                class_=f"series {look.css}",
            )
        )
    metric = column_name(column)
    ticks = [(tick, f"{int(tick)}") for tick in x.ticks(6) if tick == int(tick) and tick >= 1]
    rows = tuple(
        (label, str(at), number(value), _settings(about["tried"][at - 1]))
        for label, about in searches.items()
        for at, value in lines[label]
    )
    return Figure(
        title=f"Best {metric} so far, on the validation part",
        picture=svg(
            WIDTH,
            height,
            f"The best {metric} on the validation part after each trial, one line for each of "
            f"{plural(len(lines), 'model')}",
            *axes(x, y, x_ticks=ticks, x_title="trials"),
            *reversed(drawn),
        ),
        caption="Trial 1 has the settings of the specification; a mark is a trial that was better than all before.",
        table=Table("Trials that were better than all before", ("Model", "Trial", metric, "Settings"), rows),
    )


def leaders(about: Mapping[str, Any], column: str) -> list[tuple[int, float]]:
    """The trials, from 1, that were better than all before, and their values; a search has at least the first.

    >>> tried = [{"state": "done", "value": value} for value in (0.2, 0.1, 0.2, 0.3)]
    >>> leaders({"tried": tried}, "ndcg@10"), leaders({"tried": tried}, "rmse")
    ([(1, 0.2), (4, 0.3)], [(1, 0.2), (2, 0.1)])
    """
    sign = 1 if parse_column(column)[0].higher_is_better else -1
    done = [
        (at, float(trial["value"]))
        for at, trial in enumerate(about["tried"], start=1)
        if trial["state"] == "done" and trial["value"] is not None
    ]
    bests = list(accumulate((sign * value for _, value in done), max))
    return [each for place, each in enumerate(done) if place == 0 or bests[place] > bests[place - 1]]


def importances(label: str, about: Mapping[str, Any], look: Style) -> Figure | None:
    """A bar a setting; None where no importance can be said."""
    shares: Mapping[str, float] | None = about["importance"]
    if shares is None:
        return None
    height, x = ROW * len(shares) + 8, Scale(0, 1, NAMES, WIDTH - SHARES)
    bars = [
        tag(
            "g",
            tag("title", f"{name}: {percent(share)}"),
            tag("text", cut(name, 22), x=NAMES - 8.0, y=y + 14.0, text_anchor="end", class_="tick"),
            tag("rect", x=x(0), y=y + 4.0, width=x(share) - x(0), height=ROW - 7.0, class_="column"),
            tag("text", percent(share), x=x(share) + 6.0, y=y + 14.0, class_="tick"),
        )
        for y, (name, share) in ((float(4 + ROW * place), each) for place, each in enumerate(shares.items()))
    ]
    valued = sum(trial["state"] == "done" for trial in about["tried"])
    rough = ": so few give a rough picture" if valued < ROUGH else ""
    settings = about["settings"]
    rows = tuple((name, percent(share), str(settings.get(name, MISSING))) for name, share in shares.items())
    return Figure(
        title=f"What mattered for {label}",
        picture=svg(
            WIDTH,
            height,
            f"Share of the variance that each setting of {label} explains: {next(iter(shares))} most",
            *bars,
            class_=f"series {look.css}",
        ),
        caption=f"From {plural(valued, 'finished trial')}{rough}.",
        table=Table(f"Settings of {label}", ("Setting", "Share of the variance", "Best value"), rows),
    )


def _settings(trial: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in trial["settings"].items())

"""Loss and validation metric by epoch, one figure a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from recsys.metrics.registry import METRICS
from recsys.report.board import Board, Curve
from recsys.report.figures.base import Figure, Table, axes
from recsys.report.palette import Style
from recsys.report.scales import Scale, padded
from recsys.report.svg import path, svg, tag
from recsys.report.words import MISSING, column_name, number, plural

WIDTH, LEFT, RIGHT, TOP, PLOT, GAP, BOTTOM = 360, 48, 14, 16, 108, 30, 40
MOST_CURVES, MOST_POINTS, MOST_ROWS = 10, 240, 200
_ABOUT = {"phase", "epoch", "epochs"}


def training(board: Board, looks: Mapping[str, Style]) -> list[Figure]:
    """A figure for each model that was trained in epochs, best model first."""
    found = []
    for row in board.ok:
        curves = [curve for curve in board.curves.get(row.label, []) if _names(curve)]
        if curves:
            found.append(_figure(row.label, curves, looks[row.label]))
    return found


def best_epoch(curve: Curve, name: str) -> int | None:
    """The epoch with the best value of a validation metric; the final fit's epochs where it was told so."""
    watched = [step for step in curve.steps if _has(step, name)]
    if not watched:
        return None
    final = [step for step in curve.steps if step["phase"] == "fit"]
    if final and all(step["phase"] != "fit" for step in watched) and len(watched) > 1:
        told = int(final[0]["epochs"])
        if any(step["epoch"] == told for step in watched):
            return told
    choose = max if _higher_is_better(name) else min
    return int(choose(watched, key=lambda step: step[name])["epoch"])


def _figure(label: str, curves: Sequence[Curve], look: Style) -> Figure:
    shown, names = curves[:MOST_CURVES], _names(*curves)
    last = max(step["epoch"] for curve in shown for step in curve.steps)
    x = Scale(min(1, last - 1), last, LEFT, WIDTH - RIGHT)
    height = TOP + len(names) * (PLOT + GAP) - GAP + BOTTOM
    parts: list[Markup] = []
    for place, name in enumerate(names):
        top = TOP + place * (PLOT + GAP)
        parts += _plot(name, shown, x, top, is_last=place == len(names) - 1)
    watched = [name for name in names if _is_validation(name)]
    caption = _caption(shown, len(curves), watched)
    return Figure(
        title=label,
        picture=svg(
            WIDTH,
            height,
            f"{' and '.join(_shown(name) for name in names)} of {label} by epoch",
            *parts,
            class_=f"series {look.css}",
        ),
        caption=caption,
        table=_table(label, shown[0], names),
    )


def _plot(name: str, curves: Sequence[Curve], x: Scale, top: float, is_last: bool) -> Iterator[Markup]:
    values = [step[name] for curve in curves for step in curve.steps if _has(step, name)]
    y = Scale(*padded(values, from_zero=0.1), top + PLOT, top)
    ticks = [(tick, f"{int(tick)}") for tick in x.ticks(6) if tick == int(tick) and tick >= 1]
    yield tag("text", _shown(name), x=float(LEFT), y=top - 5.0, class_="axis-title")
    yield from axes(
        x,
        y,
        x_ticks=ticks if is_last else [],
        y_ticks=[(tick, number(tick, _digits(y))) for tick in y.ticks(4)],
        x_title="epoch" if is_last else "",
    )
    for curve in curves:
        for phase in dict.fromkeys(step["phase"] for step in curve.steps):
            points = [(x(s["epoch"]), y(s[name])) for s in curve.steps if s["phase"] == phase and _has(s, name)]
            yield tag("path", d=path(_thinned(points, MOST_POINTS)), class_=f"line {_css(phase, curve)}")
        epoch = best_epoch(curve, name) if _is_validation(name) else None
        chosen = next((s[name] for s in curve.steps if s["epoch"] == epoch and _has(s, name)), None)
        if epoch is not None and chosen is not None:
            yield tag("line", x1=x(epoch), x2=x(epoch), y1=float(top), y2=top + float(PLOT), class_="chosen")
            yield tag("circle", cx=x(epoch), cy=y(chosen), r=4, class_="mark")


def _css(phase: str, curve: Curve) -> str:
    return "final" if phase == "fit" and any(step["phase"] != "fit" for step in curve.steps) else "watched"


def _caption(curves: Sequence[Curve], n: int, watched: Sequence[str]) -> str:
    said = []
    if watched:
        best = [epoch for curve in curves if (epoch := best_epoch(curve, watched[0])) is not None]
        low, high = min(best), max(best)
        said.append(f"Best epoch {low}." if low == high else f"Best epochs {low} to {high}.")
    if any(_css("fit", curve) == "final" for curve in curves):
        said.append("Dashed: the final fit, on training and validation rows.")
    if n > 1:
        shown = f", {len(curves)} of them drawn" if len(curves) < n else ""
        said.append(f"{plural(n, 'run')} (seeds and folds){shown}.")
    return " ".join(said)


def _table(label: str, curve: Curve, names: Sequence[str]) -> Table:
    rows = tuple(
        (
            str(step["epoch"]),
            "final fit" if step["phase"] == "fit" else step["phase"],
            *(number(step[name]) if _has(step, name) else MISSING for name in names),
        )
        for step in _thinned(curve.steps, MOST_ROWS)
    )
    header = ("Epoch", "Phase", *(_shown(name) for name in names))
    return Table(f"{label}, seed {curve.seed}, fold {curve.fold}", header, rows)


def _names(*curves: Curve) -> list[str]:
    """What was measured by epoch: loss first."""
    steps = [step for curve in curves for step in curve.steps]
    found = dict.fromkeys(key for step in steps for key in step if key not in _ABOUT and _has(step, key))
    return sorted(found, key=lambda name: (_is_validation(name), "loss" not in name))


def _has(step: Mapping[str, Any], name: str) -> bool:
    value = step.get(name)
    return isinstance(value, int | float) and math.isfinite(value)


def _is_validation(name: str) -> bool:
    return name.partition("@")[0] in METRICS


def _higher_is_better(name: str) -> bool:
    return METRICS[name.partition("@")[0]].higher_is_better


def _shown(name: str) -> str:
    return f"{column_name(name)} on validation" if _is_validation(name) else name.replace("_", " ")


def _digits(scale: Scale) -> int:
    """Decimals that tell the ticks apart."""
    ticks = scale.ticks(4)
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    return min(6, max(0, math.ceil(-math.log10(step) - 1e-9)))


def _thinned(items: Sequence[Any], most: int) -> list[Any]:
    """At most about `most` of them, evenly, the last one always."""
    step = math.ceil(len(items) / most) or 1
    kept = list(items[::step])
    return kept if not items or (len(items) - 1) % step == 0 else [*kept, items[-1]]

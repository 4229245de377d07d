"""The champion over time: its quality with every promotion, and what else each decision has measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from markupsafe import Markup

from recsys.champion.record import Bounded, DecisionRecord
from recsys.report.figures.base import Figure, Table, axes
from recsys.report.figures.times import minute, time_scale, time_ticks
from recsys.report.palette import Style
from recsys.report.scales import Scale, padded
from recsys.report.svg import join, path, svg, tag
from recsys.report.words import MISSING, column_name, count, interval, listed, number, plural, short

WIDE, WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 250, 46, 14, 30, 42
PROMOTED, ROLLED_BACK = Style("c0", None, 2), Style("c0", None, 3)
LOOKS = {"promoted": PROMOTED, "rolled back": ROLLED_BACK}
MOST_ROWS, CROWDED = 400, 40


def quality(records: Iterable[DecisionRecord]) -> Figure | None:
    """The primary metric of the model that serves after each decision, promotions, rejections and rollbacks marked.

    Each value is measured on that decision's own window, so the line moves with the data as well as with the model.
    None where no decision has measured a champion.
    """
    ordered = sorted(records, key=lambda record: record.as_of)
    measured = [record for record in ordered if served(record) is not None]
    if not measured:
        return None
    column = measured[-1].primary or ""
    shown = [r for r in ordered if r.verdict == "rolled back" or (r.primary == column and r.verdict != "skipped")]
    values = [value for record in shown for value in _all_values(record)]
    x = time_scale((record.as_of for record in shown), LEFT, WIDE - RIGHT)
    y = Scale(*padded(values), HEIGHT - BOTTOM, TOP)
    marked = [record for record in shown if record.verdict in LOOKS or record.verdict == "rejected"]
    picture = svg(
        WIDE,
        HEIGHT,
        f"{column_name(column)} of the champion at {plural(len(measured), 'decision')}",
        *axes(x, y, x_ticks=time_ticks(x, 8), x_title="data as of (UTC)"),
        *_bands(shown, x, y),
        *_lines(shown, x, y),
        *(_mark(record, shown, x, y, 5.2 if len(marked) <= CROWDED else 3.6) for record in marked),
        *_legend({record.verdict for record in marked}),
        class_="series c0",
    )
    return Figure(
        title=f"{column_name(column)} of the champion",
        picture=picture,
        caption=_told(shown),
        table=Table(
            f"{column_name(column)} at each decision",
            ("As of (UTC)", "Verdict", "Serving", "95 % interval", "Challenger", "Version"),
            tuple(_row(record) for record in reversed(shown[-MOST_ROWS:])),
        ),
    )


def served(record: DecisionRecord) -> Bounded | None:
    """What the model that serves after a decision reached in it; None where that was not measured."""
    if record.verdict == "promoted":
        return record.challenger_value
    return None if record.kind == "first" else record.champion_value


def course(
    records: Iterable[DecisionRecord],
    title: str,
    of: Callable[[DecisionRecord], float | None],
    limit: float | None = None,
    digits: int = 1,
    caption: str = "",
) -> Figure | None:
    """One number of each decision over time, with its limit; None where none has it."""
    pairs = [(record, of(record)) for record in sorted(records, key=lambda record: record.as_of)]
    there = [(record, value) for record, value in pairs if value is not None]
    if not there:
        return None
    x = time_scale((record.as_of for record, _ in there), LEFT, WIDTH - RIGHT)
    highest = max([value for _, value in there] + ([limit] if limit is not None else []))
    y = Scale(0, highest * 1.08 or 1, HEIGHT - BOTTOM, TOP - 14)
    points = [(x(record.as_of.timestamp()), y(value)) for record, value in there]
    line = [] if limit is None else [tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(limit), y2=y(limit), class_="limit")]
    over = [limit is not None and value > limit for _, value in there]
    few = len(there) <= CROWDED
    picture = svg(
        WIDTH,
        HEIGHT,
        f"{title} at {plural(len(there), 'decision')}",
        *axes(x, y, x_ticks=time_ticks(x, 4), x_title="data as of (UTC)"),
        tag("path", d=path(points), class_="line"),
        *line,
        *(_dot(*pair, point, far) for pair, point, far in zip(there, points, over, strict=True) if far or few),
        class_="series c0",
    )
    rows = tuple((minute(record.as_of), number(value, digits), record.verdict) for record, value in reversed(there))
    said = caption or f"The last one: {number(there[-1][1], digits)}."
    return Figure(title, picture, said, Table(title, ("As of (UTC)", title, "Verdict"), rows[:MOST_ROWS]))


def _all_values(record: DecisionRecord) -> Iterator[float]:
    value = served(record)
    if value is not None:
        yield from (each for each in (value.value, value.low, value.high) if each is not None)
    if record.verdict == "rejected" and record.challenger_value is not None:
        yield record.challenger_value.value


def _runs(records: Sequence[DecisionRecord]) -> Iterator[list[tuple[DecisionRecord, Bounded]]]:
    """Stretches of decisions that have measured the champion; a rollback measures nothing and does not part them."""
    kept = [record for record in records if record.verdict != "rolled back"]
    for there, group in groupby(kept, key=lambda record: served(record) is not None):
        if there:
            yield [(record, value) for record in group if (value := served(record)) is not None]


def _bands(records: Sequence[DecisionRecord], x: Scale, y: Scale) -> Iterator[Markup]:
    for run in _runs(records):
        sure = [(x(r.as_of.timestamp()), v.low, v.high) for r, v in run if v.low is not None and v.high is not None]
        if len(sure) > 1:
            edge = [(at, y(high)) for at, _, high in sure] + [(at, y(low)) for at, low, _ in reversed(sure)]
            yield tag("path", d=path(edge) + "Z", class_="area")
        elif sure:
            at, low, high = sure[0]
            yield tag("line", x1=at, x2=at, y1=y(low), y2=y(high), class_="whisker")


def _lines(records: Sequence[DecisionRecord], x: Scale, y: Scale) -> Iterator[Markup]:
    for run in _runs(records):
        yield tag("path", d=path([(x(r.as_of.timestamp()), y(v.value)) for r, v in run]), class_="line")


def _mark(record: DecisionRecord, shown: Sequence[DecisionRecord], x: Scale, y: Scale, size: float) -> Markup:
    """The sign of a decision, on the line; a rejection where its challenger was."""
    own = record.challenger_value if record.verdict == "rejected" else served(record)
    value = own or _before(record, shown)
    at, height = x(record.as_of.timestamp()), y(value.value) if value else float(y.start)
    said = f"{minute(record.as_of)}: {record.verdict}" + (f", version {record.version}" if record.version else "")
    title = tag("title", said + (f", {number(value.value)}" if value else ""))
    if record.verdict == "rejected":
        return tag("g", title, _cross(at, height))
    return tag("g", title, LOOKS[record.verdict].marker(at, height, size))


def _before(record: DecisionRecord, shown: Sequence[DecisionRecord]) -> Bounded | None:
    """What was last measured up to a decision that has measured nothing itself."""
    earlier = [served(other) for other in shown if other.as_of <= record.as_of]
    return next((value for value in reversed(earlier) if value is not None), None)


def _cross(at: float, height: float, size: float = 4.2) -> Markup:
    strokes = [
        path([(at - size, height - size), (at + size, height + size)]),
        path([(at - size, height + size), (at + size, height - size)]),
    ]
    return tag("path", d="".join(strokes), class_="fell")


def _dot(record: DecisionRecord, value: float, point: tuple[float, float], far: bool) -> Markup:
    title = tag("title", f"{minute(record.as_of)}: {short(value)}, {record.verdict}")
    return tag("g", title, _cross(*point) if far else tag("circle", cx=point[0], cy=point[1], r=2.4, class_="mark"))


def _legend(verdicts: set[str]) -> Iterator[Markup]:
    """What the signs mean, above the plot; at its right, the end that a narrow screen shows."""
    there = [verdict for verdict in ("promoted", "rolled back", "rejected") if verdict in verdicts]
    widths = [32 + 5.6 * len(verdict) for verdict in there]
    at = WIDE - RIGHT - sum(widths) + 16
    for verdict, width in zip(there, widths, strict=True):
        sign = _cross(at, 10.0) if verdict == "rejected" else LOOKS[verdict].marker(at, 10.0, 5.2)
        yield join([sign, tag("text", verdict, x=at + 10, y=14.0, class_="tick")])
        at += width


def _told(records: Sequence[DecisionRecord]) -> str:
    """How often what happened."""
    verdicts = [record.verdict for record in records]
    counted = [
        f"{count(verdicts.count(verdict))} {verdict}"
        for verdict in ("promoted", "rejected", "kept", "waiting", "rolled back")
        if verdict in verdicts
    ]
    return f"{plural(len(records), 'decision')}: {listed(counted)}. The band is the 95\xa0% interval over users."


def _row(record: DecisionRecord) -> tuple[str, ...]:
    value, other = served(record), record.challenger_value
    around = interval(value.low, value.high) if value and value.low is not None and value.high is not None else ""
    return (
        minute(record.as_of),
        record.verdict,
        number(value.value if value else None),
        around or MISSING,
        number(other.value if other else None),
        str(record.version or record.serving or MISSING),
    )

"""Figures over time: the right marks at the right places, from one decision to a year of them."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from made.decisions import NIGHT, OPENING, poisoned, record, year

from recsys.champion.record import Bounded, DecisionRecord
from recsys.report.figures.base import Figure
from recsys.report.figures.champion import CROWDED, HEIGHT, LEFT, MOST_ROWS, RIGHT, WIDE, course, quality, served
from recsys.report.figures.times import time_scale, time_ticks


def parts(figure: Figure, css: str) -> list[ElementTree.Element]:
    """Elements of a picture with a class."""
    return [each for each in ElementTree.fromstring(str(figure.picture)).iter() if css in each.get("class", "").split()]


def points(element: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](\S+) (\S+?)(?=[MLZ]|$)", element.get("d", ""))]


def titles(figure: Figure) -> list[str]:
    """What the marks say when they are pointed at."""
    return [each.text or "" for each in ElementTree.fromstring(str(figure.picture)).iter() if each.tag == "title"]


def drawn(records: list[DecisionRecord]) -> Figure:
    found = quality(records)
    assert found is not None
    return found


def promoted(night: int, version: int, value: float = 0.41) -> DecisionRecord:
    at = Bounded(value=value, low=value - 0.01, high=value + 0.01)
    return record(night, "promoted", version=version, serving=version, challenger_value=at)


def kept(night: int, value: float) -> DecisionRecord:
    return record(night, champion_value=Bounded(value=value, low=value - 0.01, high=value + 0.01))


class TestWhatServed:
    def test_by_verdict(self) -> None:
        assert served(promoted(0, 1, 0.5)) == Bounded(value=0.5, low=0.49, high=0.51)
        assert served(kept(1, 0.3)) == Bounded(value=0.3, low=0.29, high=0.31)
        assert served(poisoned(1)) == Bounded(value=0.4, low=0.385, high=0.415)
        assert served(record(0, "kept", kind="first")) is None
        assert served(record(0, "skipped", champion_value=None)) is None


class TestQuality:
    def test_the_line_goes_through_what_served(self) -> None:
        figure = drawn([promoted(0, 1, 0.4), kept(1, 0.3), promoted(2, 2, 0.5), kept(4, 0.5)])
        (line,) = parts(figure, "line")
        (x, y) = zip(*points(line), strict=True)
        assert [round((at - x[0]) / (x[3] - x[0]), 2) for at in x] == [0, 0.25, 0.5, 1]
        assert y[2] == y[3]
        assert y[2] < y[0] < y[1]
        assert round((y[1] - y[0]) / (y[0] - y[2]), 1) == 1
        assert LEFT <= min(x) <= max(x) <= WIDE - RIGHT
        assert 0 <= min(y) <= max(y) <= HEIGHT
        assert len(parts(figure, "area")) == 1
        assert [row[1] for row in figure.table.rows] == ["kept", "promoted", "kept", "promoted"]
        assert figure.table.rows[0] == ("2024-03-05 02:58", "kept", "0.5000", "0.4900 to 0.5100", "0.4100", "–")

    def test_one_decision_is_a_mark_with_a_whisker(self) -> None:
        figure = drawn([promoted(0, 1, 0.4)])
        assert len(parts(figure, "whisker")) == 1
        assert parts(figure, "area") == []
        assert titles(figure) == ["2024-03-01 02:58: promoted, version 1, 0.4000"]

    def test_promotions_rejections_and_rollbacks_are_marked(self) -> None:
        empty = dict.fromkeys(("kind", "challenger_value", "champion_value", "gain", "window", "challenger"), None)
        back = record(4, "rolled back", version=1, guards=(), **empty)
        figure = drawn([promoted(0, 1), kept(1, 0.4), poisoned(2), promoted(3, 2, 0.39), back, kept(5, 0.38)])
        assert titles(figure) == [
            "2024-03-01 02:58: promoted, version 1, 0.4100",
            "2024-03-03 02:58: rejected, 0.3300",
            "2024-03-04 02:58: promoted, version 2, 0.3900",
            "2024-03-05 02:58: rolled back, version 1, 0.3900",
        ]
        assert len(parts(figure, "fell")) == 2  # one of them in the legend
        assert figure.caption.startswith("6 decisions: 2 promoted, 1 rejected, 2 kept and 1 rolled back.")
        (line,) = parts(figure, "line")
        assert len(points(line)) == 5  # a rollback measures nothing
        texts = [each.text for each in parts(figure, "tick")]
        assert [text for text in texts if text in ("promoted", "rolled back", "rejected")] == [
            "promoted",
            "rolled back",
            "rejected",
        ]

    def test_another_primary_is_another_figure(self) -> None:
        records = [promoted(0, 1), kept(1, 0.4), *(record(night, primary="recall@20") for night in (2, 3))]
        figure = drawn(records)
        assert figure.title == "Recall@20 of the champion"
        assert len(figure.table.rows) == 2

    def test_nothing_measured(self) -> None:
        assert quality([]) is None
        assert quality([record(0, "kept", kind="first")]) is None

    def test_a_year(self) -> None:
        records = year(365)
        figure = drawn(records)
        assert len(figure.table.rows) <= MOST_ROWS
        marked = sum(each.verdict in ("promoted", "rolled back", "rejected") for each in records)
        assert len(titles(figure)) == marked
        ticks = [each.text for each in parts(figure, "tick")]
        assert "Sep 2024" in ticks
        sizes = [len(str(drawn(year(nights)).picture)) / nights for nights in (100, 200)]
        assert sizes[1] < 1.2 * sizes[0]

    def test_equal_times(self) -> None:
        figure = drawn([promoted(0, 1), record(0), record(0)])
        assert "nan" not in figure.picture.lower()


class TestCourse:
    def test_limit_and_what_lies_beyond(self) -> None:
        records = [record(0), poisoned(1), record(2)]
        figure = course(records, "Drift", lambda each: each.drift.units if each.drift else None, limit=5.0)
        assert figure is not None
        (limit,), (line,) = parts(figure, "limit"), parts(figure, "line")
        heights = [y for _, y in points(line)]
        assert heights[1] < float(limit.get("y1", "")) < heights[0] == heights[2]
        assert len(parts(figure, "fell")) == 1
        assert len(parts(figure, "mark")) == 2
        assert figure.caption == "The last one: 1.4."
        assert figure.table.rows == (
            ("2024-03-03 02:58", "1.4", "kept"),
            ("2024-03-02 02:58", "14.6", "rejected"),
            ("2024-03-01 02:58", "1.4", "kept"),
        )

    def test_many_are_a_line_and_what_lies_beyond(self) -> None:
        nights = [poisoned(n) if n % 20 == 0 else record(n) for n in range(CROWDED + 1)]
        figure = course(nights, "Drift", lambda each: each.drift.units if each.drift else None, limit=5.0)
        assert figure is not None
        assert parts(figure, "mark") == []
        assert len(parts(figure, "fell")) == 3

    def test_decisions_without_the_number_are_left_out(self) -> None:
        records = [record(0), record(1, new_rows=None), record(2, new_rows=0)]
        figure = course(records, "New rows", lambda each: each.new_rows, digits=0)
        assert figure is not None
        assert [row[1] for row in figure.table.rows] == ["0", "500"]
        assert course([record(1, new_rows=None)], "New rows", lambda each: each.new_rows) is None

    def test_only_zeros(self) -> None:
        figure = course([record(0, new_rows=0)], "New rows", lambda each: each.new_rows)
        assert figure is not None
        assert len(parts(figure, "mark")) == 1


class TestTimes:
    @pytest.mark.parametrize(
        "span", [timedelta(hours=h) for h in (0, 0.5, 5, 30, 80, 400, 2000, 9000, 90_000, 500_000)]
    )
    def test_a_few_ticks_within_the_axis(self, span: timedelta) -> None:
        scale = time_scale([OPENING, OPENING + span], 0, 500)
        ticks = time_ticks(scale, 6)
        assert 1 <= len(ticks) <= 7
        assert all(scale.low <= at <= scale.high for at, _ in ticks)
        assert [at for at, _ in ticks] == sorted({at for at, _ in ticks})
        hours = [text for _, text in ticks if ":" in text]
        assert hours or len({text for _, text in ticks}) == len(ticks)

    def test_midnight_says_which_day_begins(self) -> None:
        scale = time_scale([OPENING, OPENING + timedelta(hours=30)], 0, 500)
        assert [text for _, text in time_ticks(scale, 6)] == ["06:00", "12:00", "18:00", "2 Mar", "06:00"]

    def test_nights_are_apart_as_they_were(self) -> None:
        scale = time_scale([OPENING, OPENING + 2 * NIGHT], 0, 100)
        first, middle, last = (scale((OPENING + night * NIGHT).timestamp()) for night in range(3))
        assert middle - first == pytest.approx(last - middle)

"""Figures: the right numbers at the right places."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from recsys.comparison.bootstrap import Interval
from recsys.report.board import Board, Curve, Row
from recsys.report.figures.bars import INSET, WIDTH, difference_bar, difference_scale, value_bar, value_scale
from recsys.report.figures.by_k import by_k
from recsys.report.figures.cost import cost, frontier
from recsys.report.figures.data import data_figures, tail
from recsys.report.figures.training import best_epoch, training
from recsys.report.palette import COLOURS, styles
from recsys.report.svg import svg, tag


def parts(picture, css):
    """Elements of a picture with a class."""
    return [each for each in ElementTree.fromstring(str(picture)).iter() if css in each.get("class", "").split()]


def points(d):
    return [tuple(map(float, pair)) for pair in re.findall(r"[ML](\S+) (\S+?)(?=[MLZ]|$)", d)]


def row(label, value=0.4, seconds=None, control=False, **columns):
    measured = {} if seconds is None else {"fit_seconds": seconds}
    bound = Interval(value, value - 0.01, value + 0.01)
    return Row(label, control, "ok", 1, 1, {"ndcg@10": value, **columns}, measured, bound, bound)


def board(*rows, columns=("ndcg@10",), curves=None, primary="ndcg@10"):
    spec = {"evaluation": {"primary": primary}}
    return Board(rows, columns, {}, curves or {}, 100, spec, "", {"best": rows[0].label})


def looks(found):
    return styles([each.label for each in found.rows], [each.label for each in found.rows if each.control])


class TestSvg:
    def test_everything_is_escaped(self):
        picture = svg(10, 10, '"><script>', tag("text", "<b>&"))
        assert "<script>" not in picture
        assert "&lt;b&gt;&amp;" in picture
        assert ElementTree.fromstring(str(picture)).get("aria-label") == '"><script>'

    def test_has_a_text_alternative(self):
        element = ElementTree.fromstring(str(svg(10, 20, "a thing")))
        assert (element.get("role"), element.get("aria-label"), element.get("viewBox")) == (
            "img",
            "a thing",
            "0 0 10 20",
        )


class TestStyles:
    def test_neighbours_differ_by_colour_and_marker(self):
        found = styles([f"m{i}" for i in range(20)], [])
        looks = [(style.css, style.dash, style.shape) for style in found.values()]
        assert len(set(looks)) == 20
        assert len({style.css for style in list(found.values())[:COLOURS]}) == COLOURS

    def test_controls_are_grey_and_dashed(self):
        found = styles(["ease", "popularity", "random"], ["popularity", "random"])
        assert [style.css for style in found.values()] == ["c0", "control", "control"]
        assert found["popularity"].shape != found["random"].shape


class TestBars:
    scale = value_scale([Interval(0.2, 0.1, 0.3), Interval(0.4, 0.3, 0.5)])

    def test_whisker_and_dot(self):
        picture = value_bar(Interval(0.2, 0.1, 0.3), self.scale, "c0", "ease")
        line = parts(picture, "whisker")[0]
        at = [INSET + share * (WIDTH - 2 * INSET) / self.scale.high for share in (0.1, 0.3, 0.2)]
        drawn = float(line.get("x1")), float(line.get("x2")), float(parts(picture, "mark")[0].get("cx"))
        assert drawn == pytest.approx(at, abs=0.06)

    def test_a_bar_where_the_axis_starts_at_zero(self):
        assert parts(value_bar(Interval(0.2, 0.1, 0.3), self.scale, "c0", ""), "bar")

    def test_no_bar_where_it_does_not(self):
        scale = value_scale([Interval(0.93, 0.92, 0.94), Interval(0.95, 0.94, 0.96)])
        assert not parts(value_bar(Interval(0.93, 0.92, 0.94), scale, "c0", ""), "bar")

    def test_without_an_interval_only_the_dot(self):
        picture = value_bar(Interval(0.2, math.nan, math.nan), self.scale, "c0", "")
        assert not parts(picture, "whisker")
        assert parts(picture, "mark")

    def test_without_a_value_nothing(self):
        assert value_bar(Interval(math.nan, math.nan, math.nan), self.scale, "c0", "") == ""

    def test_differences_hold_zero(self):
        scale = difference_scale([Interval(0, 0, 0), Interval(-0.02, -0.03, -0.01)])
        assert scale.low <= -0.03
        assert scale.high >= 0

    def test_far_ones_do_not_press_the_near_ones(self):
        near = [Interval(-0.01 * i, -0.01 * i - 0.005, -0.01 * i + 0.005) for i in range(4)]
        far = Interval(-0.4, -0.41, -0.39)
        scale = difference_scale([*near, far])
        assert scale.low > -0.1
        assert parts(difference_bar(far, scale, "c0", ""), "beyond")
        assert not parts(difference_bar(near[1], scale, "c0", ""), "beyond")


class TestByK:
    rows = (
        row("ease", **{"ndcg@5": 0.4, "ndcg@20": 0.6}),
        row("knn", **{"ndcg@5": 0.2, "ndcg@20": 0.3}),
    )
    board = board(*rows, columns=("ndcg@20", "ndcg@5", "recall@5"))

    def test_a_panel_for_each_metric_with_two_lengths(self):
        assert [panel.title for panel in by_k(self.board, looks(self.board))] == ["NDCG"]

    def test_lines_go_through_the_values(self):
        (panel,) = by_k(self.board, looks(self.board))
        lines = [points(each.get("d")) for each in parts(panel.picture, "line")]
        (x1, knn5), (x2, knn20) = lines[0]
        (_, ease5), (_, ease20) = lines[1]
        assert x1 < x2
        zero = 2 * knn5 - ease5
        assert (zero - knn20) / (zero - ease20) == pytest.approx(0.5, abs=0.01)
        assert (zero - knn20) / (zero - knn5) == pytest.approx(1.5, abs=0.02)

    def test_table_is_the_picture(self):
        (panel,) = by_k(self.board, looks(self.board))
        assert panel.table.header == ("Model", "k = 5", "k = 20")
        assert panel.table.rows[0] == ("ease", "0.4000", "0.6000")
        assert panel.caption == "Highest at k = 5 and k = 20: ease."

    def test_a_model_without_values_has_no_line(self):
        found = board(*self.rows, row("mf", **{"ndcg@5": math.nan, "ndcg@20": math.nan}), columns=self.board.columns)
        (panel,) = by_k(found, looks(found))
        assert len(parts(panel.picture, "line")) == 2
        assert panel.table.rows[2] == ("mf", "–", "–")

    def test_labels_of_twenty_models_stand_apart(self):
        rows = [row(f"model {i}", **{"ndcg@5": 0.3, "ndcg@20": 0.4}) for i in range(20)]
        found = board(*rows, columns=self.board.columns)
        (panel,) = by_k(found, looks(found))
        heights = sorted(float(each.get("y")) for each in parts(panel.picture, "label"))
        assert np.diff(heights).min() >= 11.9


class TestCost:
    rows = (row("slow", 0.5, 100.0), row("good", 0.5, 10.0), row("bad", 0.2, 20.0), row("fast", 0.3, 0.1))

    def test_frontier(self):
        assert [each.label for each in frontier(self.rows, "ndcg@10", higher_is_better=True)] == ["fast", "good"]

    def test_frontier_of_errors(self):
        assert [each.label for each in frontier(self.rows, "ndcg@10", higher_is_better=False)] == ["fast", "bad"]

    def test_equal_ratios_of_time_are_equal_distances(self):
        found = board(*self.rows)
        marks = {}
        for group in parts(cost(found, looks(found)).picture, "series"):
            title = group.find("title").text
            shape = next(each for each in group if "mark" in each.get("class", ""))
            place = (
                float(shape.get("cx")) if shape.get("cx") else np.mean([x for x, _ in points(shape.get("d"))]).item()
            )
            marks[title.partition(":")[0]] = place
        assert marks["slow"] - marks["good"] == pytest.approx((marks["good"] - marks["fast"]) / 2, abs=0.5)

    def test_no_time_at_all(self):
        found = board(row("a", 0.5, 0.0), row("b", 0.4, 0.0))
        assert "NaN" not in cost(found, looks(found)).picture

    def test_needs_two(self):
        found = board(row("a", 0.5, 1.0), row("b", 0.4))
        assert cost(found, looks(found)) is None


def steps(values, phase="validation", epochs=10, name="ndcg@10"):
    return [
        {"phase": phase, "epoch": i, "epochs": epochs, "loss": 1 / i} | ({} if value is None else {name: value})
        for i, value in enumerate(values, start=1)
    ]


class TestTraining:
    def test_best_epoch_is_the_highest(self):
        assert best_epoch(Curve("1", "0", steps([0.1, 0.3, 0.2])), "ndcg@10") == 2

    def test_best_epoch_of_an_error_is_the_lowest(self):
        assert best_epoch(Curve("1", "0", steps([1.1, 0.9, 1.0], name="rmse")), "rmse") == 2

    def test_best_epoch_is_what_the_final_fit_was_told(self):
        curve = Curve("1", "0", [*steps([0.1, 0.3, 0.3]), *steps([None] * 3, "fit", epochs=3)])
        assert best_epoch(curve, "ndcg@10") == 3

    def test_no_best_epoch_without_validation(self):
        assert best_epoch(Curve("1", "0", steps([None, None], "fit")), "ndcg@10") is None

    def test_figure(self):
        curve = Curve("42", "0", [*steps([0.1, 0.3, 0.2]), *steps([None, None], "fit", epochs=2)])
        found = board(row("mf"), row("ease"), curves={"mf": [curve], "ease": []})
        (figure,) = training(found, looks(found))
        assert figure.title == "mf"
        assert figure.caption == "Best epoch 2. Dashed: the final fit, on training and validation rows."
        assert len(parts(figure.picture, "final")) == 2
        assert len(parts(figure.picture, "chosen")) == 1
        assert figure.table.header == ("Epoch", "Phase", "loss", "NDCG@10 on validation")
        assert figure.table.rows[1] == ("2", "validation", "0.5000", "0.3000")
        assert figure.table.rows[-1] == ("2", "final fit", "0.5000", "–")

    def test_many_runs_and_epochs_stay_small(self):
        curves = [Curve(str(seed), "0", steps([0.1] * 3000)) for seed in range(30)]
        found = board(row("mf"), curves={"mf": curves})
        (figure,) = training(found, looks(found))
        assert len(figure.picture) < 100_000
        assert len(figure.table.rows) <= 201
        assert "30 runs (seeds and folds), 10 of them drawn." in figure.caption

    def test_losses_that_are_not_finite_are_left_out(self):
        curve = Curve("42", "0", [{"phase": "fit", "epoch": 1, "epochs": 1, "loss": None}])
        found = board(row("mf"), curves={"mf": [curve]})
        assert training(found, looks(found)) == []


class TestData:
    def test_long_tail(self):
        figure = tail(np.array([90, *[1] * 9, 1, 0, 0]), "item")
        assert figure.caption == "The most popular 10\xa0% of items hold 90\xa0% of the rows (log scale)."
        assert figure.table.rows[2] == ("10\xa0%", "90\xa0%", "90")
        assert figure.table.rows[-1] == ("100\xa0%", "100\xa0%", "1")

    def test_counts_without_rows(self):
        assert "nan" not in tail(np.array([0, 0]), "user").picture.lower()

    def test_one_user(self):
        assert "hold 100\xa0% of the rows" in tail(np.array([5]), "user").caption

    def test_only_what_there_is(self, data):
        about = {"values": None, "times": None}
        found = data_figures(data(values=False, times=False), about)
        assert [figure.title for figure in found] == ["Rows by user", "Rows by item"]

    def test_histograms(self, data):
        bars = [{"from": 1.0, "to": 1.0, "rows": 30}, {"from": 2.0, "to": 2.0, "rows": 60}]
        days = [{"from": f"2020-01-0{i} 00:00:00", "to": f"2020-01-0{i + 1} 00:00:00", "rows": i} for i in (1, 2)]
        about = {"values": {"histogram": bars}, "times": {"histogram": days}}
        values, *_, times = data_figures(data(), about)
        heights = [float(each.get("height")) for each in parts(values.picture, "column")]
        assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
        assert values.caption == "67\xa0% of the rows have 2."
        assert times.caption == "2020-01-01 to 2020-01-03, in 2 equal steps."

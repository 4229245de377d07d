"""The page of a backtest and its words: what it advises, and what it shows."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from made.backtests import fading, grown, lasting, made
from made.pages import Page, check

from recsys.comparison.backtest_result import Backtest
from recsys.report.backtest import backtest_page, ranked
from recsys.report.backtest_words import advice, doubts
from recsys.report.figures.ages import age_scale, by_age, by_policy
from recsys.report.figures.base import Figure
from recsys.report.palette import Style

LOOK = Style("c0", None, 0)
HOSTILE = "<script>alert(1)</script>\"'&x{{ 7 * 7 }}"


def page(backtest: Backtest) -> Page:
    found = Page(backtest_page(backtest))
    check(found)
    return found


def parts(figure: Figure, css: str) -> list[ElementTree.Element]:
    """Elements of a picture with a class."""
    return [each for each in ElementTree.fromstring(str(figure.picture)).iter() if css in each.get("class", "").split()]


def heights(path: ElementTree.Element) -> list[float]:
    return [float(y) for y in re.findall(r"[ML]\S+ (\S+?)(?=[MLZ]|$)", path.get("d", ""))]


class TestAdvice:
    def advised(self, value, **about) -> str:
        found = grown("ease", value, **about)
        return advice(found, made(found)).replace("\xa0", " ")

    def test_age_hurts_at_once(self):
        """A tenth a week: 1 − 0.9⁴ after four; eight fits of 2 s in 56 days are 8.6 s in 30."""
        assert self.advised(fading) == (
            "ease: retrain every week; a model 4 weeks old loses 34.4 % (95 % interval 34.4 to 34.4 %), and this takes "
            "9 CPU seconds a month."
        )

    def test_age_hurts_after_a_while(self):
        """Nothing in the first month, all after it: every 4 weeks is often enough, and costs a quarter."""
        assert self.advised(lambda fitted, period: float(period - fitted < 4)) == (
            "ease: retrain every 4 weeks; fitting once loses 50.0 % (95 % interval 50.0 to 50.0 %) against every week, "
            "and this takes 2 CPU seconds a month instead of 9 CPU seconds."
        )

    def test_nothing_shown(self):
        said = self.advised(lasting, noise=0.05)
        assert said.startswith(
            "ease: age makes no difference that these 60 users could show: fitted once for 8 weeks, "
        )
        assert re.search(r"interval of the loss −\d+\.\d to \d+\.\d %\) than retraining every week\.$", said)

    def test_newer_is_worse(self):
        """On average 3.5 periods old, and 0.01 better for each of them."""
        said = self.advised(lambda fitted, period: 0.2 + 0.01 * (period - fitted))
        assert "newer was no better: fitted once for 8 weeks, it reaches 17.5 % more (95 % interval" in said

    def test_too_few_users(self):
        assert self.advised(fading, users=12) == "ease: 12 users are too few to say what age does to it; 30 are needed."

    def test_nothing_found(self):
        assert self.advised(lambda fitted, period: 0.0) == "ease: it finds too little to say what age does to it."

    def test_the_best_that_is_no_control_comes_first(self):
        courses = [grown("popularity", lambda f, p: 0.9, control=True), grown("knn", lasting), grown("ease", fading)]
        assert [each.label for each in ranked(made(*courses))] == ["ease", "knn", "popularity"]


class TestDoubts:
    def test_few_users_in_some_periods(self):
        found = grown("ease", lasting)
        assert doubts(made(found)) == []
        assert doubts(made(found, users=29)) == [
            "In 8 of 8 periods fewer than 30 users count; a longer --every has more."
        ]


class TestPage:
    def test_it_says_what_it_found(self):
        courses = grown("ease", fading), grown("knn", lasting), grown("popularity", lasting, control=True)
        found = page(made(*courses, failures={"mf": "ran out of memory"}))
        headline = re.search('<p class="verdict">(.*?)</p>', found.text)
        assert headline is not None
        assert headline[1].startswith("ease: retrain every week")
        assert "mf failed: ran out of memory" in found.prose
        assert len(found.all("svg")) == 6
        assert "before period 8" in found.prose
        assert "2024-01-08 00:00:00" in found.prose

    def test_with_two_periods_and_nobody(self):
        page(made(grown("ease", lambda f, p: 0.0, n=2, users=1), users=1))

    def test_thirty_days(self):
        page(made(grown("ease", fading, n=30)))

    def test_text_stays_text(self):
        found = page(made(grown(HOSTILE, fading), name=HOSTILE))
        assert "<script>alert" not in found.text
        assert "49" not in {text.strip() for text in found.texts("h1")}

    def test_the_same_twice(self):
        assert backtest_page(made(grown("ease", fading))) == backtest_page(made(grown("ease", fading)))


class TestFigures:
    def test_the_line_falls_as_the_model_ages(self):
        course = grown("ease", fading)
        scale = age_scale([course])
        figure = by_age(course, made(course), scale, LOOK)
        (line,) = parts(figure, "line")
        expected = [scale(-100 * (1 - 0.9**age)) for age in range(8)]
        assert heights(line) == pytest.approx(expected, abs=0.06)
        (reference,) = parts(figure, "reference")
        assert float(reference.get("y1", "nan")) == pytest.approx(scale(0), abs=0.06)
        assert figure.caption.replace("\xa0", " ") == (
            "Worse than a fresh one from 1 week on: by 52.2 % (52.2 to 52.2 %) at the end."
        )

    def test_the_band_is_the_interval(self):
        course = grown("ease", lasting, noise=0.05)
        scale = age_scale([course])
        (band,) = parts(by_age(course, made(course), scale, LOOK), "area")
        ends = [scale(-100 * age.loss.low) for age in course.ages]
        ends += [scale(-100 * age.loss.high) for age in reversed(course.ages)]
        assert heights(band) == pytest.approx(ends, abs=0.06)

    def test_all_models_on_one_scale(self):
        courses = [grown("ease", fading), grown("knn", lasting, noise=0.05)]
        assert age_scale(courses).low < -52
        assert age_scale(courses[1:]).low > -20

    def test_policies_with_what_they_cost(self):
        course = grown("ease", fading)
        figure = by_policy(course, made(course), LOOK)
        assert len(parts(figure, "mark")) == 4
        labels = [each.text for each in parts(figure, "label")]
        assert labels == ["every week", "every 2 weeks", "every 4 weeks", "once"]
        assert {"9 s", "4 s", "2 s", "1 s", "CPU a month"} <= {each.text for each in parts(figure, "tick")}
        assert figure.caption == "Shown to be worse than every week (8 fits): every 2 weeks, every 4 weeks and once."
        assert len(figure.table.rows) == 4

    def test_ages_are_counted_in_weeks(self):
        course = grown("ease", fading)
        assert "age, weeks" in by_age(course, made(course), age_scale([course]), LOOK).picture

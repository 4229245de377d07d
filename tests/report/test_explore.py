"""The page of a data set and its words: what it says of data that are known."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from made.explorations import DAY, dataset, shop, told
from made.pages import Page, check

from recsys.data.config import DataOptions
from recsys.data.dataset import Dataset
from recsys.report.explore import explore_page
from recsys.report.explore_words import drift_words, headline, lines, points, problems
from recsys.report.figures.base import Figure
from recsys.report.figures.calendar import activity, over_time
from recsys.report.figures.explore import top_items, values_apart

HOSTILE = "<script>alert(1)</script>\"'&x{{ 7 * 7 }}"
BARE = [(user, item) for user in range(9) for item in range(user + 1)]


def page(data: Dataset, **settings: Any) -> Page:
    found = Page(explore_page(told(data, **settings), data))
    check(found)
    return found


def parts(figure: Figure, css: str) -> list[ElementTree.Element]:
    """Elements of a picture with a class."""
    return [each for each in ElementTree.fromstring(str(figure.picture)).iter() if css in each.get("class", "").split()]


class TestPage:
    def test_it_shows_all_there_is(self):
        found = page(shop())
        for heading in ("Overview", "Most rated items", "Categories of items", "Activity", "Missing values", "Drift"):
            assert heading in found.prose
        for kind in ("random (this experiment)", "leave-one-out", "user-temporal", "cold-users", "rolling"):
            assert kind in found.prose
        # Values, two tails, rows over time; top items; genres; rows, users, items by month; drift of values.
        assert len(found.all("svg")) == 4 + 1 + 1 + 3 + 1

    def test_without_values_times_and_features(self):
        found = page(dataset(BARE))
        assert len(found.all("svg")) == 3
        assert "no times" in found.prose
        assert {"Categories of items", "Activity"}.isdisjoint(found.texts("h2"))
        assert "needs timestamps" in found.prose
        assert ("#activity" in found.text, "#categories" in found.text) == (False, False)

    @pytest.mark.parametrize("kind", ["temporal", "leave-one-out", "k-fold", "cold-users", "user-temporal"])
    def test_under_each_split(self, kind):
        assert f"{kind} (this experiment)" in page(shop(), kind=kind).prose

    def test_under_windows_the_last_one_is_named(self):
        assert re.search(r"\(rolling, \d{4}-\d\d-\d\d.* to ", page(shop(), kind="rolling", window="30d").prose)

    def test_few_rows_and_equal_times(self):
        page(dataset([(1, "a", 3.0, 7), (2, "b", 3.0, 7), (2, "a", 3.0, 7), (1, "b", 3.0, 7), (3, "a", 3.0, 7)]))

    def test_text_stays_text(self):
        items = pd.DataFrame({"item": [0, 1, 2], "title": [HOSTILE] * 3, "genres": [f"{HOSTILE}|x", "x", "x"]})
        found = page(dataset(BARE, items=items))
        assert "<script>alert" not in found.text
        assert HOSTILE in found.prose

    def test_titles_that_turn_the_line_or_fill_the_page(self):
        titles = ["a\u202eb", "\u2067c", "x" * 1_000_000]
        found = page(dataset(BARE, items=pd.DataFrame({"item": [0, 1, 2], "title": titles})))
        assert "a\\u202eb" in found.prose
        assert not {"\u202e", "\u2067"} & set(found.text)
        assert len(found.text) < 500_000

    def test_the_same_twice(self):
        data = shop()
        assert explore_page(told(data), data) == explore_page(told(data), data)


class TestWords:
    def test_in_a_few_lines(self):
        said = dict(lines(told(dataset(BARE))))
        assert said["rows"] == "45 rows of 9 users and 9 items: 56 % of all pairs"
        assert said["long tail"] == (
            "The most popular 10 % of items hold 20 % of the rows, the busiest 10 % of users 20 %"
        )
        assert said["most rated"] == "0 9, 1 8 and 2 7"
        assert (said["missing"], said["duplicates"]) == ("nothing", "none")
        assert 8 <= len(lines(told(shop()))) <= 12

    def test_what_is_missing(self):
        said = dict(lines(told(shop())))
        assert said["missing"] == "genres of 1 of 30 items"
        assert re.fullmatch(r"b \d\d %, a \d\d % and c \d\d % of the rows", said["genres"])

    def test_duplicates_are_told(self):
        twice = [*BARE, (1, 0), (1, 0)]
        kept = told(dataset(twice, DataOptions(duplicates="keep")))
        assert dict(lines(kept))["duplicates"] == "2 rows repeat a pair of user and item"
        assert "2 rows repeat a pair of user and item." in problems(kept)
        first = told(dataset(twice, DataOptions(duplicates="first")))
        assert dict(lines(first))["duplicates"] == "none; 2 rows left out"
        assert problems(first) == []

    def test_a_sample_is_told(self):
        about = told(shop())
        about["choices"] |= {"sampled": True, "rows": 200, "users": 25}
        assert "The table of splits is made of 200 rows: all of 25 users drawn at random." in problems(about)[0]

    def test_models_that_learn_from_the_future(self):
        assert any("learn from the future: in 5" in each for each in points(told(shop())))
        assert not any("future" in each for each in points(told(shop(), kind="temporal")))

    def test_items_that_are_new_since(self):
        """Every day has its own items: the newest fifth of the rows is all on items that nobody has trained on."""
        rows = [(user, f"i{day}-{user % 3}", 1.0, day * DAY) for day in range(50) for user in range(12)]
        about = told(dataset(rows), kind="temporal")
        assert drift_words(about).startswith("100\xa0% of the test rows on new items, rank correlation of popularity −")
        assert any(
            each.startswith("100\xa0% of the test rows are on items without a training row") for each in points(about)
        )
        assert not any("without a training row" in each for each in points(told(dataset(rows))))

    def test_headline(self):
        assert headline(told(dataset(BARE))) == "45 rows of 9 users and 9 items: 56\xa0% of all pairs"


class TestFigures:
    def test_bars_are_as_long_as_rows(self):
        found = told(dataset(BARE))["top_items"]
        bars = [float(each.get("width", "nan")) for each in parts(top_items(found), "column")]
        assert bars == pytest.approx([bars[0] * (9 - place) / 9 for place in range(9)], abs=0.1)
        assert top_items(found).table.rows[1] == ("1", "1", "8", "18\xa0%")

    def test_categories_by_period(self):
        levels = [
            {"label": "x", "by_period": [0.5, 0.25]},
            {"label": "y", "by_period": [0.5, 0.5]},
        ]
        figure = over_time("genres", levels, {"unit": "year", "names": ["1997", "1998"]})
        assert figure.title == "Genres by year"
        assert figure.caption == "x moves most: 50\xa0% of the rows of 1997, 25\xa0% of those of 1998."
        assert figure.table.rows == (("1997", "50\xa0%", "50\xa0%"), ("1998", "25\xa0%", "50\xa0%"))
        assert len(parts(figure, "line")) == 2

    def test_activity(self):
        months = [
            {"rows": 9, "users": 3, "items": 4, "new_users": 3, "new_items": 4},
            {"rows": 2, "users": 2, "items": 2, "new_users": 1, "new_items": 0},
        ]
        rows, users, items = activity(months, {"unit": "month", "names": ["1997-01", "1997-02"]})
        assert rows.caption == "Most in 1997-01: 9."
        assert users.caption == "Most in 1997-01: 3. 1 of the 2 of 1997-02 are new."
        assert items.table.rows == (("1997-01", "4", "4"), ("1997-02", "2", "0"))

    def test_training_beside_test(self):
        bars = [{"from": 1.0, "to": 1.0, "train": 30, "test": 1}, {"from": 2.0, "to": 2.0, "train": 10, "test": 3}]
        figure = values_apart({"bars": bars, "train_mean": 1.25, "test_mean": 1.75})
        heights = [float(each.get("height", "nan")) for each in parts(figure, "column")]
        assert heights == pytest.approx([heights[0], heights[0] / 3, heights[0] / 3, heights[0]], abs=0.1)
        assert figure.table.rows[0] == ("1", "30", "75\xa0%", "1", "25\xa0%")

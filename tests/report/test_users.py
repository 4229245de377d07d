"""Segments and users on the page: what is said of numbers that are known."""

from __future__ import annotations

import dataclasses
import json

import pytest
from made.closer import closer
from made.pages import Page, check, misplaced, sideways

from recsys.data.dataset import Dataset
from recsys.report.board import Board
from recsys.report.figures.segments import MOST_BANDS, segments
from recsys.report.page import render, write_report
from recsys.report.palette import styles
from recsys.report.users import users_page

HOSTILE = "<script>alert(1)</script>\"'&x{{ 7 * 7 }}"
STEPS = [{"phase": "fit", "epoch": 1, "loss": 0.1}]
PARTS = ["Leaderboard", "Cost", "Quality by list length", "Segments", "Users", "Training", "Data", "Settings"]


@pytest.fixture
def looked(tmp_path, boards, made):
    """Writes a board with a closer look, and returns its folder and that of its data."""

    def build(labels=("ease", "knn", "popularity"), **about):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        models = tuple(
            made(label, 0.4 - 0.01 * at, control=label == "popularity", steps=STEPS) for at, label in enumerate(labels)
        )
        board, dataset = boards(folder, models)
        (board / "closer.json").write_text(json.dumps(closer(list(labels), **about)))
        return board, dataset

    return build


@pytest.fixture
def page(looked, tmp_path):
    def build(*args, **about):
        write_report(tmp_path / "report.html", *looked(*args, **about))
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return build


class TestPage:
    def test_all_parts_in_their_order(self, page):
        found = page()
        check(found)
        assert found.texts("h2") == [*PARTS, "Fingerprints and versions", "Definitions"]

    def test_a_users_lists(self, page):
        found = page(users=1, k=3)
        assert found.texts("h4") == ["User 196"]
        assert "chosen and best served: 35 rows in training, 2 wanted items in the test" in found.prose
        assert "item 11; and 23 more" in found.prose
        lists = found.text.partition('<table class="lists">')[2].partition("</table>")[0]
        assert lists.count('<td class="hit">') == lists.count("hit: </span>") == 2 * 3 - 1
        assert lists.count('<span class="because">item 3; item 4</span>') == 3 + 2
        assert lists.count("<td></td>") == 1, "the last list is one item shorter"

    def test_everything_hostile_is_escaped(self, page):
        found = page(title=HOSTILE)
        check(found)
        assert len(found.all("script")) == 1
        assert f"{HOSTILE} 101" in found.prose

    def test_a_model_alone(self, page):
        found = page(("ease",))
        check(found)
        assert "Agreement between models" not in found.prose
        assert "User 196" in found.texts("h4")

    def test_nobody_has_looked(self, looked):
        board, dataset = looked()
        (board / "closer.json").write_text("{}")
        found = Page(render(Board.load(board), Dataset.load(dataset)))
        check(found)
        assert not {"Segments", "Users"} & set(found.texts("h2"))

    def test_twenty_models_make_a_small_file(self, page):
        models = tuple(f"model {at}" for at in range(20))
        found = page(models, users=8, k=10, genres=20, title="A title of usual length")
        check(found)
        assert len(found.text.encode()) < 5_000_000


class TestWords:
    @pytest.fixture
    def board(self, looked):
        return Board.load(looked()[0])

    def test_agreement(self, board):
        found = users_page(board)
        assert found["figure"].caption.endswith("Nearest: ease and knn, 0.50.")
        assert found["figure"].table.rows[0] == ("ease, knn", "2.50", "0.500", "0.500")
        assert found["by_activity"].rows[0] == ("mean over all pairs but controls", "0.500", "0.500", "0.500")
        assert found["users"][0].pairs.rows[0] == ("ease, knn", "3", "0.43", "0.50")

    def test_segments_show_the_best_and_number_all(self, board):
        looks = styles([row.label for row in board.ok], ["popularity"])
        activity, genre = segments(board, looks)
        assert activity.table.header == ("Model", "casual (20 users)", "power (100 users)")
        assert activity.table.rows[0] == ("ease", "0.4000", "0.4000 (0.3500 to 0.4500)")
        assert str(activity.picture).count('class="whisker"') == 3, "one segment has too few users"
        assert len(genre.table.header) == 11
        assert str(genre.picture).count("50 users") == MOST_BANDS
        assert genre.caption.endswith("Only in the numbers: genre 8 and genre 9.")

    def test_a_model_without_values_in_a_segment(self, board):
        kinds = json.loads(json.dumps(board.closer["segments"]))
        del kinds[0]["segments"][0]["values"]["knn"]
        changed = dataclasses.replace(board, closer=board.closer | {"segments": kinds})
        found = segments(changed, styles([row.label for row in board.ok], ["popularity"]))
        assert found[0].table.rows[1] == ("knn", "–", "0.3900 (0.3400 to 0.4400)")


@pytest.mark.chromium
class TestBrowser:
    @pytest.mark.parametrize("width", [320, 1280])
    def test_fits_and_nothing_lies_on_another(self, shown, page, width):
        labels = ("ease", "a-label-without-a-break" * 4, "knn", "slim", "ials", "popularity")
        opened = shown(page(labels, title="a-title-without-a-break" * 4).text, viewport={"width": width, "height": 800})
        assert sideways(opened) <= 0
        if width > 1000:
            opened.evaluate(
                """() => document.querySelectorAll("section").forEach(each =>
                    ["segments", "users"].includes(each.getAttribute("aria-labelledby")) || each.remove())"""
            )
            assert misplaced(opened) == []

    def test_opens_a_user_by_keyboard(self, shown, page):
        opened = shown(page().text)
        second = opened.locator("details.user").nth(1)
        assert [second.get_attribute("open"), opened.locator("details.user").first.get_attribute("open")] == [None, ""]
        second.locator("summary").first.focus()
        opened.keyboard.press("Enter")
        assert second.get_attribute("open") == ""

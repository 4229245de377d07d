"""The page in a real browser: quiet, offline, sortable by keyboard, fit for a phone and for the dark."""

from __future__ import annotations

import pytest
from made.pages import sideways

from recsys.report.page import write_report

pytestmark = pytest.mark.chromium


@pytest.fixture
def report(tmp_path, boards, made):
    """A page with six models, one of them failed."""
    from recsys.report.board import Board

    models = (
        *(made(f"model {i}", 0.1 * i, seconds=5.0 - i) for i in range(1, 5)),
        made("popularity", 0.15, control=True, seconds=0.1),
        made("broken", status="ran out of memory"),
    )
    board, dataset = boards(tmp_path, models)
    write_report(tmp_path / "report.html", board, dataset)
    assert Board.load(board).best.label == "model 4"
    return (tmp_path / "report.html").as_uri()


@pytest.fixture
def visit(opened, report):
    """Opens the page with context options."""
    return lambda **options: opened(report, **options)


def labels(page):
    return page.locator("table.board tbody th[scope=row] .name").all_inner_texts()


def test_a_policy_is_in_force(browser, report):
    page = browser.new_page()
    page.goto(report)
    blocked = page.evaluate(
        """() => new Promise(done => {
            document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
            document.body.setAttribute("style", "color: red");
        })"""
    )
    assert blocked == "style-src-attr"
    page.close()


def test_sorting_by_keyboard(visit):
    page = visit()
    assert labels(page) == ["model 4", "model 3", "model 2", "popularity", "model 1", "broken"]
    header = page.get_by_role("columnheader", name="Model").first
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert labels(page) == ["broken", "model 1", "model 2", "model 3", "model 4", "popularity"]
    assert header.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert labels(page) == ["popularity", "model 4", "model 3", "model 2", "model 1", "broken"]
    assert header.get_attribute("aria-sort") == "descending"
    assert page.locator("#sorted").inner_text() == "Sorted by Model, descending."
    assert page.locator(".board th[aria-sort]").count() == 1


def test_sorting_by_numbers_leaves_failed_models_last(visit):
    page = visit()
    button = page.locator(".board th.wide button").first
    button.click()
    assert labels(page) == ["model 1", "popularity", "model 2", "model 3", "model 4", "broken"]
    button.click()
    assert labels(page) == ["model 4", "model 3", "model 2", "popularity", "model 1", "broken"]


def test_costs_sort_as_numbers(visit):
    page = visit()
    page.locator(".costs th button").nth(1).click()
    assert page.locator(".costs tbody .name").all_inner_texts()[0] == "model 1"
    page.locator(".costs th button").nth(1).click()
    assert page.locator(".costs tbody .name").all_inner_texts()[0] == "popularity"


def test_tab_reaches_the_skip_link_first(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the leaderboard"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "leaderboard"


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_nothing_scrolls_sideways(visit, width):
    page = visit(viewport={"width": width, "height": 800})
    assert sideways(page) <= 0


def test_a_wide_screen_shows_the_whole_leaderboard(visit):
    page = visit(viewport={"width": 1280, "height": 800})
    assert (
        page.evaluate("(each => each.scrollWidth - each.clientWidth)(document.querySelector('.board').parentNode)") == 0
    )


def test_dark_and_light(visit):
    def paper(scheme):
        page = visit(color_scheme=scheme)
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert paper("light") == "rgb(255, 255, 255)"
    assert paper("dark") == "rgb(17, 21, 27)"


def test_text_of_figures_stays_inside(visit):
    page = visit(viewport={"width": 1280, "height": 800})
    outside = page.evaluate(
        """() => [...document.querySelectorAll("figure svg")].flatMap(svg => {
            const edge = svg.getBoundingClientRect();
            return [...svg.querySelectorAll("text")].filter(text => {
                const box = text.getBoundingClientRect();
                return box.left < edge.left - 2 || box.right > edge.right + 2 || box.bottom > edge.bottom + 2;
            }).map(text => text.textContent);
        })"""
    )
    assert outside == []

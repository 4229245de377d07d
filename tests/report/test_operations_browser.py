"""The operations page and that of a decision in a real browser: quiet, offline, fit for a phone and for the dark."""

from __future__ import annotations

from datetime import timedelta

import pytest
from made.decisions import OPENING, poisoned, record, year
from made.pages import sideways

from recsys.report.operations import operations_page
from recsys.report.operations_decision import decision_page

pytestmark = pytest.mark.chromium

NOW = OPENING + timedelta(days=61)
LONG = record(1).guards[0].model_copy(update={"name": "a-guard-with-a-very-long-name" * 4, "text": "x" * 300})
PAGES = {
    "none": lambda: operations_page("shop", [], NOW),
    "one": lambda: operations_page("shop", year(1), NOW, next_run=NOW),
    "year": lambda: operations_page("shop", year(365), OPENING + timedelta(days=366), next_run="every night"),
    "long": lambda: operations_page("a-name-without-a-break" * 5, [record(0), record(1, guards=(LONG,))], NOW),
    "rejected": lambda: decision_page(poisoned(4)),
    "rolled back": lambda: decision_page(year(60)[35]),
}


@pytest.fixture
def visit(shown):
    """Opens one of PAGES with context options."""
    return lambda name, **options: shown(PAGES[name](), **options)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_scrolls_sideways(visit, name, width):
    page = visit(name, viewport={"width": width, "height": 800})
    assert sideways(page) <= 0


def test_a_phone_shows_a_decision_as_a_card_with_its_reasons(visit):
    page = visit("year", viewport={"width": 375, "height": 800})
    seen = page.evaluate(
        """() => [...document.querySelectorAll(".decisions tbody tr")].flatMap(row => [...row.cells].map(cell => {
            const box = cell.getBoundingClientRect();
            return [box.left >= 0, box.right <= innerWidth, box.width > 0];
        }))"""
    )
    assert len(seen) == 30 * 6
    assert all(all(cell) for cell in seen)
    assert page.get_by_role("table", name="Decisions, newest first").get_by_role("row").count() == 31


def test_a_phone_shows_the_newest_end_of_the_line_first(visit):
    page = visit("year", viewport={"width": 375, "height": 800})
    ends = page.evaluate(
        """() => {
            const frame = document.querySelector(".long").getBoundingClientRect();
            const line = document.querySelector(".long svg .line").getBoundingClientRect();
            return [frame.left - line.left, frame.right - line.right];
        }"""
    )
    assert ends[0] > 100
    assert 0 <= ends[1] < 40


def test_dark_and_light(visit):
    def looks(scheme):
        page = visit("year", color_scheme=scheme)
        return page.evaluate(
            """() => [document.body, ".fell", ".limit", ".long .line"].map(each => {
                const style = getComputedStyle(typeof each === "string" ? document.querySelector(each) : each);
                return each === document.body ? style.backgroundColor : style.stroke;
            })"""
        )

    light, dark = looks("light"), looks("dark")
    assert (light[0], dark[0]) == ("rgb(255, 255, 255)", "rgb(17, 21, 27)")
    assert all(one != other for one, other in zip(light, dark, strict=True))


def test_by_keyboard(visit):
    page = visit("year", viewport={"width": 1280, "height": 800})
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to quality"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "quality"


def test_text_of_figures_stays_inside(visit):
    for name in ("one", "year"):
        page = visit(name, viewport={"width": 1280, "height": 800})
        outside = page.evaluate(
            """() => [...document.querySelectorAll("figure svg")].flatMap(svg => {
                const edge = svg.getBoundingClientRect();
                return [...svg.querySelectorAll("text, path, line, circle")].filter(part => {
                    const box = part.getBoundingClientRect();
                    return box.left < edge.left - 2 || box.right > edge.right + 2 || box.bottom > edge.bottom + 2
                        || box.top < edge.top - 2;
                }).map(part => part.textContent || part.outerHTML);
            })"""
        )
        assert outside == []


def test_under_the_policy_of_recsys_serve(browser):
    from recsys.serving.guard import HEADERS

    headers = {name.decode(): value.decode() for name, value in HEADERS} | {"content-type": "text/html"}
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.route("http://served/", lambda route: route.fulfill(status=200, headers=headers, body=PAGES["year"]()))
    page.goto("http://served/")
    assert page.evaluate("getComputedStyle(document.querySelector('.problems, .points')).listStyleType") == "none"
    assert said == []
    page.close()

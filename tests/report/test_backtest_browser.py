"""The page of a backtest in a real browser: quiet, offline, fit for a phone and for the dark."""

from __future__ import annotations

import pytest
from made.backtests import fading, grown, lasting, made
from made.pages import misplaced, sideways

from recsys.report.backtest import backtest_page

pytestmark = pytest.mark.chromium

PAGES = {
    "three": lambda: made(
        grown("ease", fading, noise=0.05), grown("knn", lasting, noise=0.02), grown("popularity", lasting, control=True)
    ),
    "days": lambda: made(grown("a-label-without-a-break" * 4, fading, n=30, noise=0.05), name="a-name" * 14),
    "nobody": lambda: made(grown("ease", lambda f, p: 0.0, n=2, users=1), users=1, failures={"mf": "x" * 200}),
}


@pytest.fixture
def visit(shown):
    """Opens one of PAGES with context options."""
    return lambda name, **options: shown(backtest_page(PAGES[name]()), **options)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_scrolls_sideways(visit, name, width):
    page = visit(name, viewport={"width": width, "height": 800})
    assert sideways(page) <= 0


@pytest.mark.parametrize("name", PAGES)
def test_text_of_figures_stays_inside_and_apart(visit, name):
    page = visit(name, viewport={"width": 1280, "height": 800})
    assert misplaced(page) == []


def test_dark_and_light(visit):
    def looks(scheme):
        page = visit("three", color_scheme=scheme)
        return page.evaluate(
            """() => [getComputedStyle(document.body).backgroundColor,
                getComputedStyle(document.querySelector("svg .reference")).stroke,
                getComputedStyle(document.querySelector("svg .line")).stroke]"""
        )

    light, dark = looks("light"), looks("dark")
    assert (light[0], dark[0]) == ("rgb(255, 255, 255)", "rgb(17, 21, 27)")
    assert all(one != other for one, other in zip(light, dark, strict=True))


def test_by_keyboard(visit):
    page = visit("three", viewport={"width": 1280, "height": 800})
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "age"

"""The page of a data set in a real browser: quiet, offline, fit for a phone and for the dark."""

from __future__ import annotations

import pandas as pd
import pytest
from made.explorations import dataset, shop, told
from made.pages import misplaced, sideways

from recsys.report.explore import explore_page

pytestmark = pytest.mark.chromium

LONG = "a-word-without-a-break" * 5
BARE = [(user, item) for user in range(9) for item in range(user + 1)]
LABELS = pd.DataFrame({"item": range(9), "title": [LONG] * 9, "genres": [f"{LONG}{n % 3}|x" for n in range(9)]})
PAGES = {
    "shop": lambda: (shop(), "shop"),
    "years": lambda: (shop(days=30_000, values=40), "years"),
    "days": lambda: (shop(days=20, title=LONG), "a-name" * 13),
    "bare": lambda: (dataset(BARE), "bare"),
    "long": lambda: (dataset([(*row, 1e6, 7) for row in BARE], items=LABELS), "long"),
}


@pytest.fixture
def visit(shown):
    """Opens one of PAGES with context options."""

    def open_one(page, **options):
        data, name = PAGES[page]()
        return shown(explore_page(told(data, name), data), **options)

    return open_one


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
        page = visit("shop", color_scheme=scheme)
        return page.evaluate(
            """() => [getComputedStyle(document.body).backgroundColor,
                getComputedStyle(document.querySelector("svg .column")).fill,
                getComputedStyle(document.querySelector("svg .column.c1")).fill]"""
        )

    light, dark = looks("light"), looks("dark")
    assert (light[0], dark[0]) == ("rgb(255, 255, 255)", "rgb(17, 21, 27)")
    assert all(one != other for one, other in zip(light, dark, strict=True))
    assert light[1] != light[2]


def test_by_keyboard(visit):
    page = visit("shop", viewport={"width": 1280, "height": 800})
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "overview"
    assert page.evaluate("document.querySelectorAll('nav a').length") == 7

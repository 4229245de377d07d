"""The page of a data set in a real browser: quiet, offline, fit for a phone and for the dark."""

from __future__ import annotations

import pandas as pd
import pytest
from made.explorations import dataset, shop, told

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
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", PAGES)
def test_text_of_figures_stays_inside_and_apart(visit, name):
    page = visit(name, viewport={"width": 1280, "height": 800})
    wrong = page.evaluate(
        """() => [...document.querySelectorAll(".picture svg")].flatMap(svg => {
            const edge = svg.getBoundingClientRect();
            const outside = [...svg.querySelectorAll("text, path, rect, line, circle")].filter(part => {
                const box = part.getBoundingClientRect();
                return box.left < edge.left - 2 || box.right > edge.right + 2 || box.bottom > edge.bottom + 2
                    || box.top < edge.top - 2;
            });
            const texts = [...svg.querySelectorAll("text")];
            const boxes = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
            const over = boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([other, b]) =>
                Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3).map(([other]) => `${one} / ${other}`));
            return [...outside.map(part => part.textContent || part.outerHTML), ...over];
        })"""
    )
    assert wrong == []


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

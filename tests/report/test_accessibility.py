"""Every kind of page under axe-core: no violation, all of it open, in the light and in the dark."""

from __future__ import annotations

import json

import pytest
from made.backtests import fading, grown, lasting
from made.backtests import made as backtest
from made.closer import closer
from made.decisions import OPENING, poisoned, year
from made.explorations import shop, told

from recsys.report.backtest import backtest_page
from recsys.report.explore import explore_page
from recsys.report.operations import operations_page
from recsys.report.operations_decision import decision_page
from recsys.report.page import write_report

pytestmark = pytest.mark.chromium

PAGES = {
    "backtest": lambda: backtest_page(backtest(grown("ease", fading, noise=0.05), grown("knn", lasting, noise=0.02))),
    "explore": lambda: explore_page(told(shop(), "shop"), shop()),
    "operations": lambda: operations_page("shop", year(5), OPENING),
    "decision": lambda: decision_page(poisoned(4)),
}


@pytest.fixture
def text(tmp_path, boards, made):
    """The text of a page by its name."""

    def build(name):
        if name != "compare":
            return PAGES[name]()
        models = (
            made("ease", 0.4),
            made("knn", 0.3),
            made("popularity", 0.2, control=True),
            made("mf", status="broke"),
        )
        board, dataset = boards(tmp_path, models, warnings=("users overlap in time",))
        found = closer([model.label for model in models[:3]])
        (board / "closer.json").write_text(json.dumps(found))
        write_report(tmp_path / "report.html", board, dataset)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return build


@pytest.mark.parametrize("name", ["compare", *PAGES])
def test_no_violation(shown, text, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = shown(text(name))
    # axe does not judge contrast on a gradient, and the shade at the edge of wide tables is one.
    page.evaluate("document.querySelectorAll('.scroll').forEach(each => each.style.background = 'none')")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_a_violation_is_found(shown):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = shown('<html lang="en"><title>t</title><main><h1>h</h1><p style="color: #ccc">pale</p></main></html>')
    assert "color-contrast" in axe.Axe().run(page).generate_snapshot()

"""Titles, names and reasons that are scripts, in every page and in a real browser that no policy protects.

The policy of a page would stop what escaping missed, so the pages are opened without it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kitchen import Pointer, bundle_of, client_of
from made.backtests import fading, grown
from made.backtests import made as backtest
from made.closer import closer
from made.decisions import EASE, OPENING, poisoned, record
from made.explorations import dataset, told

from recsys.report.backtest import backtest_page
from recsys.report.explore import explore_page
from recsys.report.operations import operations_page
from recsys.report.operations_decision import decision_page
from recsys.report.page import write_report
from recsys.report.svg import svg, tag
from recsys.serving.page import small_page
from recsys.serving.state import Serving

pytestmark = pytest.mark.chromium

HOSTILE = (
    "</title></style></script></svg></textarea>\"'>{{ 7 * 7 }}<script>window.pwned = 1</script>"
    '<img src=x onerror="window.pwned = 1"><svg onload="window.pwned = 1"><iframe src="javascript:top.pwned=1">'
    "<a href='javascript:window.pwned=1'>x</a>[x](javascript:window.pwned=1)![x](x.png)--><!--]]>"
)
BARE = [(user, item) for user in range(9) for item in range(user + 1)]


def comparison(folder: Path, boards: Callable[..., Any], made: Callable[..., Any]) -> str:
    """A report with segments, users and their lists, settings, a warning, a failure, all of them scripts."""
    models = (made(HOSTILE, 0.4, settings={HOSTILE: HOSTILE}), made("knn", 0.3), made("mf", status=HOSTILE))
    board, data = boards(folder, models, name=HOSTILE, warnings=(HOSTILE,))
    look = closer([HOSTILE, "knn"], title=HOSTILE)
    look["segments"][1]["segments"][0]["name"] = HOSTILE
    (board / "closer.json").write_text(json.dumps(look))
    write_report(folder / "report.html", board, data)
    return (folder / "report.html").read_text(encoding="utf-8")


def exploration() -> str:
    items = pd.DataFrame({"item": [0, 1, 2], "title": [HOSTILE] * 3, "genres": [f"{HOSTILE}|x", "x", "x"]})
    data = dataset(BARE, items=items)
    return explore_page(told(data) | {"name": HOSTILE}, data)


def operations() -> str:
    contender = EASE.model_copy(update={"label": HOSTILE, "settings": {HOSTILE: HOSTILE}})
    about = {"challenger": contender, "reasons": (HOSTILE,), "person": HOSTILE, "decided_by": "person"}
    records = [record(0, "promoted", version=1, serving=1, **about), poisoned(1)]
    return operations_page(HOSTILE, records, OPENING, next_run=HOSTILE)


def decision() -> str:
    return decision_page(record(0, "promoted", name=HOSTILE, version=1, serving=1, reasons=(HOSTILE,)))


def aged() -> str:
    return backtest_page(backtest(grown(HOSTILE, fading), name=HOSTILE))


PAGES = {"exploration": exploration, "operations": operations, "decision": decision, "backtest": aged}


def harmless(page: Any, text: str) -> None:
    """Nothing ran, nothing was asked for, nothing leads out: what others wrote is text."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.wait_for_timeout(50)
    assert page.evaluate("window.pwned") is None
    assert page.locator("img, iframe, a[href^=javascript], [onload], [onerror]").count() == 0
    assert "window.pwned = 1" in page.locator("body").inner_text()
    assert "49" not in page.title()
    assert re.search(r"&lt;script&gt;window\.pwned", text)


@pytest.fixture
def bare(shown: Any) -> Callable[[str], Any]:
    """Opens a page without the protection of its policy."""
    return lambda text: shown(text, bypass_csp=True)


@pytest.mark.parametrize("name", PAGES)
def test_a_page(bare: Any, name: str) -> None:
    text = PAGES[name]()
    harmless(bare(text), text)


def test_a_comparison(bare: Any, tmp_path: Path, boards: Any, made: Any) -> None:
    (tmp_path / "made").mkdir()
    text = comparison(tmp_path / "made", boards, made)
    page = bare(text)
    harmless(page, text)
    assert page.locator("svg text", has_text="</title>").count() > 0  # labels of pictures are cut where they are long


def test_text_and_attributes_of_a_picture(bare: Any) -> None:
    picture = svg(100, 100, HOSTILE, tag("text", HOSTILE, class_=HOSTILE), tag("title", HOSTILE))
    text = f'<!doctype html><link rel="icon" href="data:,"><body>{picture}</body>'
    harmless(bare(text), text)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of items whose titles are scripts, as are the notes on it."""
    facts = {"name": HOSTILE, "notes": {HOSTILE: HOSTILE}}
    folder = bundle_of(tmp_path_factory.mktemp("bundle"), "popularity", titles=True, facts=facts)
    state = Serving(Pointer(HOSTILE, folder))
    state.start()
    yield state
    state.stop()


def test_the_page_of_the_server(bare: Any, serving: Serving) -> None:
    text = small_page(serving)
    harmless(bare(text), text)


def test_an_answer_of_the_server_is_no_page(serving: Serving) -> None:
    """Titles come as they are, in what no browser takes for HTML."""
    answer = client_of(serving).get("/recommend?user=1000")
    assert "<script>alert(" in answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_policy_alone_stops_a_script(browser: Any, tmp_path: Path) -> None:
    text = decision().replace(
        "</body>", "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'></body>"
    )
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    for bypass, found in ((False, None), (True, 1)):
        page = browser.new_context(bypass_csp=bypass).new_page()
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_timeout(50)
        assert page.evaluate("window.pwned") == found
        page.context.close()

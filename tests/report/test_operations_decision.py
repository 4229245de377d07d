"""The page of one decision: the verdict, why, both models, what was found of the new rows, and the whole record."""

from __future__ import annotations

import html
import json
import re

import pytest
from made.decisions import EASE, KNN, poisoned, record, year
from made.pages import Page, check

from recsys.champion.record import Bounded, DecisionRecord
from recsys.report.operations_decision import decision_page

HOSTILE = "<script>alert(1)</script>\"'&x{{ 7 * 7 }}"
EMPTY = dict.fromkeys(("kind", "challenger_value", "champion_value", "gain", "window", "drift", "champion"), None)


def page(found: DecisionRecord) -> Page:
    taken = Page(decision_page(found))
    check(taken)
    return taken


def cells(found: Page, css: str) -> list[list[str]]:
    """The rows of the body of a table."""
    body = re.search(rf'<table class="{css}">.*?<tbody>(.*?)</tbody>', found.text, re.S)
    assert body, css
    lines = re.findall(r"<tr>(.*?)</tr>", body[1], re.S)
    return [[" ".join(Page(cell).prose.split()) for cell in re.findall(r"<t[hd].*?</t[hd]>", line)] for line in lines]


def headline(found: Page) -> str:
    inside = re.search(r'<p class="verdict">(.*?)</p>', found.text)
    assert inside
    return html.unescape(inside[1])


def terms(found: Page) -> dict[str, str]:
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", found.text))


APPROVAL = {"mode": "manual", "gain": Bounded(value=0.1, low=0.05, high=0.15)}


@pytest.mark.parametrize(
    ("decided", "wanted"),
    [
        (record(0, "promoted", version=3, serving=3), "ease was promoted as version 3."),
        (record(0, "kept", serving=2), "ease was not promoted; version 2 goes on serving."),
        (record(0, "kept"), "ease was not promoted."),
        (poisoned(4), "ease was rejected: the guard drift fell."),
        (record(0, "waiting", gain=Bounded(value=0.1)), "Nothing could be decided yet."),
        (record(0, "waiting", **APPROVAL), "ease has passed and waits for approval."),
        (record(0, "waiting", mode="manual", gain=Bounded(value=0.1)), "Nothing could be decided yet."),
        (record(0, "skipped", guards=(), behaviour=(), **EMPTY), "There was nothing to decide."),
        (record(0, "rolled back", version=1, guards=(), behaviour=(), **EMPTY), "Rolled back to version 1."),
    ],
)
def test_the_verdict_in_a_sentence(decided: DecisionRecord, wanted: str) -> None:
    assert headline(page(decided)) == wanted


def test_all_guards_that_fell_are_named() -> None:
    two = [guard.model_copy(update={"fell": True}) for guard in record().guards[:2]]
    found = page(record(0, "rejected", guards=(*two, record().guards[2])))
    assert headline(found) == "ease was rejected: the guards segment regular and drift fell."
    problems = re.findall(r"<li>(.*?)</li>", found.text.partition("<nav")[0])
    assert problems == ["segment regular: held", "drift: rows 500, usually 480 (1.4 times the usual spread)"]


def test_two_models_side_by_side() -> None:
    stand_in = KNN.model_copy(update={"stand_in": "it has seen the window"})
    found = page(record(3, "promoted", version=2, champion=stand_in))
    assert cells(found, "sides") == [
        ["Model", "ease", "item-knn"],
        ["Settings", "regularization 500.0", "neighbors 100"],
        ["Version", "–", "1"],
        ["Serves trained on rows up to", "2024-03-04 02:58 UTC", "–"],
        ["Rows", "90,000", "80,000"],
        ["Scored by a stand-in", "–", "it has seen the window"],
    ]
    assert cells(found, "values") == [
        ["Challenger", "0.4100 0.3950 to 0.4250"],
        ["Champion", "0.4000 0.3850 to 0.4150"],
        ["Gain, user by user", "+0.0100 +0.0010 to +0.0190"],
    ]
    assert "from 2024-02-19 02:58 to 2024-03-04 02:58 UTC" in found.prose
    assert "6,000 rows, 412 users counted." in found.prose


def test_the_first_is_held_against_popularity() -> None:
    found = page(year(1)[0])
    assert [line[0] for line in cells(found, "values")] == ["Challenger", "Popularity", "Gain, user by user"]
    assert "Popularity" in found.texts("th")
    assert "Champion" not in found.texts("th")


def test_without_intervals() -> None:
    few = {"challenger_value": Bounded(value=0.2), "champion_value": Bounded(value=0.3), "gain": Bounded(value=-0.1)}
    found = page(record(0, "waiting", **few))
    assert cells(found, "values") == [
        ["Challenger", "0.2000"],
        ["Champion", "0.3000"],
        ["Gain, user by user", "−0.1000"],
    ]
    assert len(found.all("circle")) == 3


def test_what_the_new_rows_look_like() -> None:
    found = page(poisoned(4))
    assert "29\xa0% of them look made (232 one item)." in found.prose
    assert cells(found, "numbers") == [["top item", "0.31", "0.0095", "14.6"]]
    quiet = record()
    assert quiet.drift
    noted = quiet.drift.model_copy(update={"note": "fewer than 50 new rows: only their number was judged"})
    prose = page(record(drift=noted)).prose
    assert "0\xa0% of them look made. Fewer than 50 new rows: only their number was judged." in prose


def test_who_decided_and_where_it_came_from() -> None:
    decided = record(2, decided_by="person", person="ines", mode="manual", new_rows=1234)
    found = terms(page(decided))
    assert found["Decided by"] == "ines (by hand)"
    assert (found["Mode"], found["New rows"], found["Rows"]) == ("manual", "1,234", "91,000")
    assert found["Record"] == decided.digest
    assert found["Data"] == "ab" * 32
    assert (found["Challenger&#39;s data"], found["Champion&#39;s data"]) == ("d" * 64, "c" * 64)
    assert found["Run: mlflow"] == "0a" * 16


@pytest.mark.parametrize("night", [0, 1, 6, 30, 35])
def test_the_whole_record_stands_in_it(night: int) -> None:
    decided = year(60)[night]
    found = page(decided)
    written = re.search(r"<pre.*?><code>(.*?)</code></pre>", found.text, re.S)
    assert written
    assert DecisionRecord.from_json(html.unescape(written[1])) == decided
    assert json.loads(html.unescape(written[1]))["time"] == decided.model_dump(mode="json")["time"]
    assert decision_page(DecisionRecord.from_json(decided.to_json())) == found.text


def test_only_what_there_is() -> None:
    found = page(year(60)[35])
    assert found.texts("h2") == ["Why", "Fingerprints"]
    assert re.findall(r'<a href="#(\w+)">', found.text.partition("<nav")[2].partition("</nav>")[0]) == ["why", "origin"]


def test_nothing_written_by_others_is_markup() -> None:
    hostile = EASE.model_copy(update={"label": HOSTILE, "settings": {HOSTILE: [HOSTILE]}, "stand_in": HOSTILE})
    guard = record().guards[0].model_copy(update={"name": HOSTILE, "text": HOSTILE, "fell": True})
    texts = {
        "name": HOSTILE,
        "person": HOSTILE,
        "reasons": (HOSTILE, "two"),
        "runs": {HOSTILE: HOSTILE},
        "data": HOSTILE,
    }
    found = page(record(0, "rejected", challenger=hostile, champion=hostile, guards=(guard,), **texts))
    assert found.all("script") == []
    assert found.texts("h1") == [HOSTILE]
    assert headline(found).startswith(f"{HOSTILE} was rejected: the guard {HOSTILE} fell")
    assert "49" not in headline(found)

"""The operations page: what it says of the champion, of the decisions, of the data, and of what needs a person."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from made.decisions import EASE, KNN, NIGHT, OPENING, poisoned, record, year
from made.pages import Page, check

from recsys.champion.record import Bounded, DecisionRecord
from recsys.report.operations import MOST_LINES, Freshness, Limits, operations_page

HOSTILE = "<script>alert(1)</script>\"'&x{{ 7 * 7 }}"
HOUR = timedelta(hours=1)
NOTHING = dict.fromkeys(("kind", "challenger", "challenger_value", "champion_value", "gain", "window", "drift"), None)


def page(records: list[DecisionRecord], after: timedelta = HOUR, name: str = "shop", **more: Any) -> Page:
    """The page some time after the last decision."""
    now = max((each.time for each in records), default=OPENING) + after
    found = Page(operations_page(name, records, now, **{"next_run": now + HOUR, **more}))
    check(found)
    return found


def headline(found: Page) -> str:
    return said(found, "verdict")


def said(found: Page, css: str) -> str:
    """The text of the first element of a class."""
    inside = re.search(rf'<(\w+) class="{css}">(.*?)</\1>', found.text, re.S)
    assert inside, css
    return " ".join(Page(inside[2]).prose.split())


def items(found: Page, css: str) -> list[str]:
    """The lines of a list, none where there is no such list."""
    return [" ".join(text.split()) for text in re.findall(r"<li>(.*?)</li>", _list(found, css), re.S)]


def _list(found: Page, css: str) -> str:
    inside = re.search(rf'<ul class="{css}">(.*?)</ul>', found.text.partition("<main>")[0], re.S)
    return inside[1] if inside else ""


def terms(found: Page, section: str) -> dict[str, str]:
    part = found.text.partition(f'<h2 id="{section}"')[2].partition("</dl>")[0]
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", part))


def rows(found: Page) -> list[list[str]]:
    """The cells of the table of decisions."""
    table = found.text.partition('<table class="decisions"')[2].partition("</table>")[0].partition("<tbody")[2]
    lines = re.findall(r"<tr.*?</tr>", table, re.S)
    return [[" ".join(Page(cell).prose.split()) for cell in re.findall(r"<t[hd].*?</t[hd]>", line)] for line in lines]


def promoted(night: int, version: int, **more: Any) -> DecisionRecord:
    return record(night, "promoted", version=version, serving=version, **more)


def skipped(night: int, **more: Any) -> DecisionRecord:
    return record(night, "skipped", guards=(), behaviour=(), new_rows=0, reasons=("no new rows",), **NOTHING, **more)


def waiting(night: int, **more: Any) -> DecisionRecord:
    few = "12 users of the window can be compared, 30 are needed"
    unsure = {"gain": Bounded(value=0.1), "champion_value": Bounded(value=0.3), "reasons": (few,)}
    return record(night, "waiting", **(unsure | more))


def rolled_back(night: int, to: int) -> DecisionRecord:
    about = {"version": to, "serving": to, "person": "ines", "decided_by": "person", "reasons": ("complaints",)}
    return record(night, "rolled back", guards=(), behaviour=(), newest=None, new_rows=None, **NOTHING, **about)


class TestWholePages:
    def test_nothing_decided_yet(self) -> None:
        found = page([], next_run=None)
        assert headline(found) == "Nothing has been decided yet."
        assert items(found, "problems") == []
        assert items(found, "points") == []
        assert found.texts("h2") == ["Quality over time", "Decisions", "Champion", "Data and drift"]
        assert terms(found, "champion") == {"Champion": "none: the first must beat popularity"}
        assert terms(found, "data") == {"Newest row": "not known"}
        assert found.all("svg") == []
        assert "No decision yet." in found.prose

    def test_one_decision(self) -> None:
        found = page(year(1), 2 * HOUR)
        assert headline(found) == "Version 1 (ease) serves, promoted 2 hours ago."
        assert len(found.all("svg")) == 4
        assert found.texts("h2")[-1] == "Guards of the last comparison"
        assert "1 decision · written 2024-03-01 05:00 UTC" in found.prose

    def test_a_year_of_nights(self) -> None:
        records = year(365)
        found = page(records)
        verdicts = {each.verdict for each in records}
        assert verdicts >= {"promoted", "kept", "rejected", "skipped", "rolled back"}
        assert len(found.text) < 300_000
        assert len(rows(found)) == MOST_LINES
        assert f"{365 - MOST_LINES} older ones: recsys champion history shop" in " ".join(found.prose.split())

    def test_the_same_records_give_the_same_text(self) -> None:
        records, now = year(20), OPENING + 30 * NIGHT
        text = operations_page("shop", records, now)
        assert operations_page("shop", records[::-1], now) == text
        again = [DecisionRecord.from_json(each.to_json()) for each in records]
        assert operations_page("shop", again, now) == text

    def test_nothing_written_by_others_is_markup(self) -> None:
        contender = EASE.model_copy(update={"label": HOSTILE, "settings": {HOSTILE: HOSTILE}})
        bad = poisoned(1)
        guard = bad.guards[0].model_copy(update={"name": HOSTILE, "text": HOSTILE})
        measure = bad.drift.measures[0].model_copy(update={"name": HOSTILE}) if bad.drift else None
        drift = bad.drift.model_copy(update={"measures": (measure,)}) if bad.drift else None
        records = [
            promoted(0, 1, challenger=contender, reasons=(HOSTILE,), person=HOSTILE, decided_by="person"),
            bad.model_copy(update={"challenger": contender, "guards": (guard,), "drift": drift, "reasons": (HOSTILE,)}),
        ]
        found = page(records, name=HOSTILE, next_run=HOSTILE)
        assert found.all("script") == []
        assert found.text.count("&lt;script&gt;alert(1)") > 10
        assert "49" not in found.texts("h1")[0]
        assert found.texts("h1") == [HOSTILE]

    def test_the_policy_is_of_this_very_style(self) -> None:
        found = page(year(3))
        policy = next(each["content"] for each in found.all("meta") if "http-equiv" in each)
        style = re.search(r"<style>(.*?)</style>", found.text, re.S)
        assert style
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none';")


class TestWhatServes:
    def test_kept_since(self) -> None:
        found = page([promoted(0, 1), record(1), record(2)], 5 * HOUR)
        assert headline(found) == (
            "Version 1 (ease) serves, promoted 2 days ago; the last decision, 5 hours ago: kept."
        )
        assert terms(found, "champion") == {
            "Model": "ease",
            "Version": "1",
            "Settings": "regularization 500.0",
            "In place since": "2024-03-01 03:00 UTC, 2 days ago, by schedule",
            "Trained on rows up to": "2024-03-01 02:58 UTC, 2 days ago",
            "Rows": "90,000",
            "So far": "1 promotion, 0 rollbacks",
        }

    def test_rolled_back_to_another_model(self) -> None:
        knn = KNN.model_copy(update={"newest": OPENING})
        found = page([promoted(0, 1, challenger=knn), promoted(1, 2), record(2), rolled_back(3, 1)], 30 * HOUR)
        assert headline(found) == "Version 1 (item-knn) serves, rolled back to 30 hours ago."
        about = terms(found, "champion")
        assert about["Settings"] == "neighbors 100"
        assert about["In place since"] == "2024-03-04 03:00 UTC, 30 hours ago, by ines"
        assert about["Trained on rows up to"] == "2024-03-01 03:00 UTC, 4 days ago"
        assert about["So far"] == "2 promotions, 1 rollback"

    def test_no_champion_yet(self) -> None:
        first = {"kind": "first", "champion": None}
        found = page([record(0, "kept", **first), record(1, "rejected", **first)])
        assert headline(found) == "No model serves yet; the last decision, 60 minutes ago: rejected."
        assert "No decision has measured a champion yet." in found.prose

    def test_its_quality_is_that_of_the_last_decision_that_measured_it(self) -> None:
        records = [promoted(0, 1), record(1, champion_value=Bounded(value=0.38, low=0.36, high=0.4)), skipped(2)]
        assert items(page(records), "points")[0] == (
            "NDCG@10 0.3800 (95 % interval 0.3600 to 0.4000), measured on data up to 2 March 2024."
        )
        records.append(promoted(3, 2, challenger_value=Bounded(value=0.5)))
        assert items(page(records), "points")[0] == "NDCG@10 0.5000, measured on data up to 4 March 2024."


class TestWhatNeedsAPerson:
    """The yellow lines."""

    def test_nothing_on_a_quiet_night(self) -> None:
        assert items(page(year(7)), "problems") == []

    @pytest.mark.parametrize(
        ("every", "after", "message"),
        [
            (1, timedelta(hours=35), None),
            (1, timedelta(hours=37), "Nothing was decided for 37 hours, and 36 hours are allowed."),
            (7, timedelta(days=10), None),
            (7, timedelta(days=11), "Nothing was decided for 11 days, and 10 days are allowed."),
        ],
    )
    def test_silence_is_what_is_unusual(self, every: int, after: timedelta, message: str | None) -> None:
        records = [promoted(0, 1), *(record(every * night) for night in range(1, 5))]
        assert items(page(records, after), "problems") == ([message] if message else [])
        allowed = Limits(silence=timedelta(days=30))
        assert items(page(records, after, limits=allowed), "problems") == []

    def test_decisions_made_one_after_the_other_for_a_past_are_as_usual(self) -> None:
        records = [
            promoted(0, 1, time=OPENING),
            *(record(night, time=OPENING + night * timedelta(minutes=2)) for night in range(1, 5)),
        ]
        assert items(page(records, timedelta(hours=30)), "problems") == []

    def test_the_schedule(self) -> None:
        now = OPENING + 2 * HOUR
        for next_run, problems, points in [
            (None, [], []),
            ("not scheduled", [], ["Next run: not scheduled."]),
            (now - 2 * HOUR, ["The run of 2024-03-01 03:00 UTC has not come."], []),
            (
                now + NIGHT,
                [],
                [
                    "Next run 2024-03-02 05:00 UTC, in 24 hours. Where that is past and this page still says so, it "
                    "has not come."
                ],
            ),
            ("every day at 03:00 UTC", [], ["Next run: every day at 03:00 UTC."]),
        ]:
            found = page([promoted(0, 1)], 2 * HOUR, next_run=next_run)
            assert items(found, "problems") == problems
            assert items(found, "points")[1:] == points

    def test_age(self) -> None:
        records = [promoted(0, 1), record(1)]
        limits = Limits(champion=timedelta(hours=20), data=timedelta(minutes=30))
        assert items(page(records, limits=limits), "problems") == [
            "The champion is 25 hours old, and 20 hours are allowed.",
            "The newest row is 62 minutes old, and 30 minutes are allowed.",
        ]
        fresh = Freshness(records[-1].time + HOUR - timedelta(minutes=7), 91_200, 700)
        found = page(records, limits=limits, freshness=fresh)
        assert items(found, "problems") == ["The champion is 25 hours old, and 20 hours are allowed."]
        assert terms(found, "data") == {
            "Newest row": "2024-03-02 03:53 UTC, 7 minutes ago",
            "Rows": "91,200",
            "New since the last decision": "700 rows",
        }

    def test_rejected_in_a_row(self) -> None:
        why = "drift: top item 0.31, usually 0.0095 (14.6 times the usual spread); at most 5 is allowed"
        once = [promoted(0, 1), poisoned(1), skipped(2)]
        assert items(page(once), "problems") == [f"The last decision rejected the challenger: {why}."]
        thrice = [promoted(0, 1), poisoned(1), skipped(2), poisoned(3), rolled_back(4, 1), poisoned(5)]
        assert items(page(thrice), "problems") == [f"The last 3 decisions all rejected the challenger: {why}."]
        assert items(page([*thrice, record(6)]), "problems") == []

    def test_a_challenger_waits_for_approval(self) -> None:
        passed = waiting(1, mode="manual", gain=Bounded(value=0.1, low=0.05, high=0.15))
        wanted = ["A challenger has passed and waits for approval."]
        assert items(page([promoted(0, 1), passed]), "problems") == wanted
        assert items(page([promoted(0, 1), passed, skipped(2)]), "problems") == wanted
        assert items(page([promoted(0, 1), passed, promoted(2, 2)]), "problems") == []
        assert items(page([promoted(0, 1), waiting(1, mode="manual")]), "problems") == []

    def test_too_few_users_night_after_night(self) -> None:
        records = [promoted(0, 1), waiting(1), waiting(2)]
        assert items(page(records), "problems") == []
        assert items(page([*records, waiting(3)]), "problems") == [
            "The last 3 decisions could decide nothing: 12 users of the window can be compared, 30 are needed."
        ]


class TestDecisions:
    def test_newest_first_with_reasons(self) -> None:
        found = page([promoted(0, 1), poisoned(1), skipped(2), rolled_back(3, 1), waiting(4)])
        lines = rows(found)
        assert [line[:3] for line in lines] == [
            ["2024-03-05 03:00", "waiting", "ease"],
            ["2024-03-04 03:00", "rolled back", "version 1"],
            ["2024-03-03 03:00", "skipped", "–"],
            ["2024-03-02 03:00", "rejected", "ease"],
            ["2024-03-01 03:00", "promoted", "ease, version 1"],
        ]
        assert [line[3] for line in lines] == [
            "+0.1000",
            "–",
            "–",
            "−0.0700 −0.0900 to −0.0500",
            "+0.0100 +0.0010 to +0.0190",
        ]
        assert [line[4] for line in lines] == ["500", "–", "0", "500", "500"]
        assert lines[3][5].startswith("Refresh: ndcg@10 0.3300 after 0.4000, gain -0.0700 drift: top item 0.31")

    def test_all_of_few(self) -> None:
        found = page(year(MOST_LINES))
        assert len(rows(found)) == MOST_LINES
        assert "older ones" not in found.prose


class TestDataAndGuards:
    def test_as_the_last_decision_found_them(self) -> None:
        found = page([promoted(0, 1), record(1), rolled_back(2, 1)])
        assert terms(found, "data") == {"Newest row": "2024-03-02 02:58 UTC, 25 hours ago", "Rows": "90,500"}

    def test_the_last_drift_stands_with_its_time(self) -> None:
        found = page([promoted(0, 1), poisoned(1), skipped(2)])
        assert "New rows as of 2024-03-02 02:58 UTC" in found.texts("h3")
        table = found.text.partition("New rows as of")[2].partition("</table>")[0]
        cells = re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", table)
        assert cells == ["What", "New rows", "Usually", "Times the usual spread", "top item", "0.31", "0.0095", "14.6"]

    def test_guards_that_fell_come_first(self) -> None:
        good = record(1)
        fallen = good.guards[1].model_copy(update={"fell": True})
        found = page([promoted(0, 1), good.model_copy(update={"guards": (good.guards[0], fallen, *good.guards[2:])})])
        table = found.text.partition('<h2 id="guards"')[2]
        names = re.findall(r'<th scope="row">(.*?)</th>', table)
        assert names == ["drift", "segment regular", "anomalous rows", "determinism", "list churn"]
        assert re.findall(r'<span class="tag[^"]*">(.*?)</span>', table) == ["fell", "held", "held", "held", "reported"]
        assert "From 2024-03-02 03:00 UTC." in table

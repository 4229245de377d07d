"""Decisions in a real MLflow database: kept with their pages, read back in their order."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from made.decisions import record

from recsys.errors import InputError
from recsys.settings import Settings
from recsys.tracking.decisions import FILE, Decisions
from recsys.tracking.entities import RETRAINING
from recsys.tracking.runs import Tracker


@pytest.fixture
def tracker(settings: Settings) -> Tracker:
    return Tracker(settings)


@pytest.fixture
def decisions(tracker: Tracker, settings: Settings) -> Decisions:
    return Decisions(tracker, settings)


def open_run(tracker: Tracker, key: str, name: str = "shop") -> str:
    return tracker.open_parent(name, key, {}, {}, role=RETRAINING).run_id


def test_none(decisions):
    assert decisions.all("shop") == []


def test_oldest_first_and_whether_they_are_carried_out(decisions, tracker):
    later, earlier = record(2, "promoted", version=3), record(1)
    for key, each in (("b", later), ("a", earlier)):
        decisions.write(open_run(tracker, key), each, {"decision.html": "<p>"})
    found = decisions.all("shop")
    assert [each.record for each in found] == [earlier, later]
    assert [each.key for each in found] == ["a", "b"]
    assert [each.settled for each in found] == [False, False]
    tracker.close(found[0].run_id, "FINISHED")
    assert [each.settled for each in decisions.all("shop")] == [True, False]


def test_what_stands_beside_a_record(decisions, tracker):
    run = open_run(tracker, "a")
    decisions.write(run, record(1, "promoted", version=3), {"decision.html": "<p>page</p>"})
    tags = tracker.client.get_run(run).data.tags
    assert (tags["verdict"], tags["version"], tags["kind"]) == ("promoted", "3", "refresh")
    assert {file.path for file in tracker.client.list_artifacts(run)} == {FILE, "decision.html"}


def test_a_run_that_has_decided_nothing_yet_does_not_count(decisions, tracker):
    open_run(tracker, "a")
    tracker.client.log_text(open_run(tracker, "b"), record(1).to_json(), FILE)
    assert decisions.all("shop") == []


def test_those_of_others_do_not_count(decisions, tracker):
    decisions.write(open_run(tracker, "a", name="other"), record(1), {})
    assert decisions.all("shop") == []


def test_written_again_the_last_one_stands(decisions, tracker):
    run, first = open_run(tracker, "a"), record(1, "promoted", version=2)
    lost = first.model_copy(update={"verdict": "kept", "version": None, "time": first.time + timedelta(seconds=1)})
    decisions.write(run, first, {})
    decisions.write(run, lost, {})
    assert [each.record for each in decisions.all("shop")] == [lost]


@pytest.mark.parametrize("damage", ["emptied", "deleted", "a folder", "no text"])
def test_a_record_that_cannot_be_read_says_what_to_do(decisions, tracker, damage):
    run, other = open_run(tracker, "a"), open_run(tracker, "b")
    decisions.write(run, record(1), {})
    decisions.write(other, record(2), {})
    file = Path(unquote(urlparse(tracker.client.get_run(run).info.artifact_uri).path)) / FILE
    file.unlink()
    if damage == "a folder":
        file.mkdir()
    elif damage != "deleted":
        file.write_bytes(b"" if damage == "emptied" else b"\xff\xfe")
    with pytest.raises(InputError, match=rf"run {run}, decision\.json: .*; put it back as it was, or delete that run"):
        decisions.all("shop")
    tracker.client.delete_run(run)
    assert [each.run_id for each in decisions.all("shop")] == [other]


def test_a_record_that_is_damaged(decisions, tracker):
    run = open_run(tracker, "a")
    decisions.write(run, record(1), {})
    tracker.log_text(run, FILE, '{"format": 1}')
    with pytest.raises(InputError, match=r"decision\.json: name: is missing"):
        decisions.all("shop")

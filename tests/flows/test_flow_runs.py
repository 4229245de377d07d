"""Whose flow runs are marked Crashed: those of processes that are gone, and of no others."""

from __future__ import annotations

import json
import os
from uuid import uuid4

import pytest

from flows import flow_runs
from flows.flow_runs import called, mark_just_begun, mark_killed, remembered
from recsys.processes import started
from recsys.settings import Settings

API = "http://127.0.0.1:1/api"
LIVES, GONE = [os.getpid(), started()], [2**22 + 1, 0.0]


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def open_runs(monkeypatch):
    """The ids of flow runs that Prefect holds open, and of those that are marked."""
    runs, marked = [str(uuid4()), str(uuid4())], []

    def call(url, question=None):
        if url.endswith("/filter"):
            assert question["flow_runs"]["deployment_id"] == {"is_null_": True}
            return [{"id": run} for run in runs]
        if question is None:
            return {"id": url.split("/")[-1], "state_type": "RUNNING"}
        assert question["state"]["name"] == "Crashed"
        marked.append(url.split("/")[-2])
        return {}

    monkeypatch.setattr(flow_runs, "call", call)
    return runs, marked


def note(settings, name, process):
    folder = settings.root / "flow-runs"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(process))


def notes(settings):
    return sorted(path.suffix for path in (settings.root / "flow-runs").iterdir())


def test_a_call_is_noted_until_its_run_is(settings):
    with called(settings):
        assert notes(settings) == [".call"]
        with remembered(uuid4(), settings):
            assert notes(settings) == [".json"]
        assert notes(settings) == []
    assert notes(settings) == []


def test_one_that_fails_leaves_no_call(settings):
    with pytest.raises(ValueError, match="no"), called(settings):
        raise ValueError("no")
    assert notes(settings) == []


def test_what_a_killed_process_had_begun(settings, open_runs):
    (mine, other), marked = open_runs
    note(settings, "killed.call", GONE)
    note(settings, f"{other}.json", LIVES)
    mark_just_begun(API, settings)
    assert marked == [mine]
    assert notes(settings) == [".json"]


@pytest.mark.parametrize("killed", [True, False])
def test_another_is_about_to_have_one(settings, open_runs, killed):
    if killed:
        note(settings, "killed.call", GONE)
    note(settings, "alive.call", LIVES)
    mark_just_begun(API, settings)
    assert open_runs[1] == []
    assert notes(settings) == [".call"] * (1 + killed)


@pytest.mark.parametrize("answers", [0, 1])
def test_an_api_that_does_not_answer_is_asked_again(settings, open_runs, monkeypatch, answers):
    """Away before the first answer, or after it: the notes stay for the next start."""
    (mine, gone), marked = open_runs
    note(settings, "killed.call", GONE)
    note(settings, f"{gone}.json", GONE)
    there, left = flow_runs.call, [answers]

    def away(url, question=None):
        left[0] -= 1
        return there(url, question) if left[0] >= 0 else None

    for mark_them in (mark_just_begun, mark_killed):
        left[0] = answers
        with monkeypatch.context() as patched:
            patched.setattr(flow_runs, "call", away)
            mark_them(API, settings)
    assert marked == []
    assert notes(settings) == [".call", ".json"]
    mark_killed(API, settings)
    mark_just_begun(API, settings)
    assert {*marked} == {mine, gone}
    assert notes(settings) == []


def test_nobody_was_killed(settings, open_runs):
    mark_just_begun(API, settings)
    assert open_runs[1] == []

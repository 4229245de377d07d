"""A server of MLflow that did what it was asked, and whose answer was lost: nothing is left of the second try."""

from __future__ import annotations

import socket

import pytest
from made.tracked import MODEL, info, parent, refuse, reopened, tracker

from recsys.tracking.entities import TrackingError

__all__ = ["parent", "tracker"]


class TestLostAnswers:
    """A server that did what it was asked, and whose answer was lost, is asked again: it makes another one."""

    @pytest.fixture
    def twice(self, tracker, monkeypatch):
        runs = ("create_run", "set_terminated", "delete_run")
        for name in (*runs, "create_logged_model", "log_outputs", "delete_logged_model"):
            once = getattr(tracker.client, name)
            again = lambda *args, once=once, **more: (once(*args, **more), once(*args, **more))[1]  # noqa: E731
            monkeypatch.setattr(tracker.client, name, again)

    @pytest.fixture
    def logged(self, tracker, twice, tmp_path):
        """A parent that is open, and its child that is finished."""
        parent = tracker.open_parent("demo", "key", {}, {"name": "demo"})
        child = tracker.open_child(parent, "ease", 1, 0, MODEL)
        (tmp_path / "model").mkdir()
        model = tracker.log_model(parent, child, "ease", tmp_path / "model", {})
        tracker.close(child, "FINISHED")
        assert len(self.runs(tracker, parent)) == 4
        assert self.models(tracker, parent) == [model]
        return parent, child

    def runs(self, tracker, parent):
        found = tracker.client.search_runs([parent.experiment_id])
        return {run.info.run_id: run.info.status for run in found}

    def models(self, tracker, parent):
        return [each.model_id for each in tracker.client.search_logged_models([parent.experiment_id])]

    def test_nothing_is_left_twice(self, tracker, logged):
        parent, child = logged
        tracker.close_parent(parent.run_id, "FINISHED")
        assert self.runs(tracker, parent) == {parent.run_id: "FINISHED", child: "FINISHED"}
        tracker.delete(child)
        assert self.models(tracker, parent) == []

    def test_nor_by_a_process_that_was_killed(self, tracker, logged):
        parent, child = logged
        for run_id, status in self.runs(tracker, parent).items():
            if status == "RUNNING" and "run_key" in tracker.client.get_run(run_id).data.tags:
                tracker.tag(run_id, {"process": f"{socket.gethostname()}:999999999:1"})
        again = reopened(tracker)
        assert (again.run_id, again.children) == (parent.run_id, {("ease", 1, 0): child})
        assert self.runs(tracker, parent) == {parent.run_id: "RUNNING", child: "FINISHED"}

    def test_a_parent_that_nobody_knew_is_taken_and_gets_its_params(self, tracker, twice, monkeypatch):
        with monkeypatch.context() as patched:
            patched.setattr(tracker.client, "log_batch", refuse)
            with pytest.raises(TrackingError):
                tracker.open_parent("demo", "key", {}, {"name": "demo", "seeds": 1})
        again = tracker.open_parent("demo", "key", {}, {"name": "demo", "seeds": 1})
        assert self.runs(tracker, again) == {again.run_id: "RUNNING"}
        assert tracker.client.get_run(again.run_id).data.params == {"name": "demo", "seeds": "1"}

    def test_what_another_process_works_on_is_let_be(self, tracker, parent):
        other = reopened(tracker, key="other")
        child = tracker.open_child(other, "ease", 1, 0, MODEL)
        elsewhere = reopened(tracker, fresh=True)
        tracker.tag(elsewhere.run_id, {"process": "elsewhere:1:1"})
        tracker.close_parent(parent.run_id, "FINISHED")
        assert {info(tracker, run_id).status for run_id in (other.run_id, child, elsewhere.run_id)} == {"RUNNING"}

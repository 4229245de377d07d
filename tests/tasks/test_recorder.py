"""What a comparison writes to MLflow: one child a cell, its curve, its numbers, and how all of them end."""

from __future__ import annotations

import json
import threading

import pytest
from made import spec

from recsys.experiment.launch import Stopped
from recsys.experiment.trials import TrialRecord
from recsys.store import Ref
from recsys.tracking.entities import ParentRun
from tasks import recorder as recorder_module
from tasks.context import Cell
from tasks.recorder import Recorder, child_metrics, curve_point

STEPS = [{"phase": "fit", "epoch": epoch, "epochs": 3, "loss": 1 / epoch} for epoch in (1, 2, 3)]
POINTS = [(epoch, {"fit.loss": 1 / epoch}) for epoch in (1, 2, 3)]


class FakeTracker:
    """Notes every call."""

    def __init__(self):
        self.calls, self.broken = [], False

    def open_child(self, parent, label, seed, fold, settings):
        self.calls.append(("open", label, seed, fold, settings))
        return f"run {sum(call[0] == 'open' for call in self.calls)}"

    def log_trial(self, parent, label, number, state, settings, metrics):
        self.calls.append(("trial", label, number, state, settings, metrics))
        return f"trial {number}"

    def log_inputs(self, run_id, inputs):
        self.calls.append(("inputs", run_id, inputs))

    def log_steps(self, run_id, points):
        if self.broken:
            raise OSError("away for a moment")
        self.calls.append(("steps", run_id, list(points)))

    def log_metrics(self, run_id, values):
        self.calls.append(("metrics", run_id, values))

    def log_model(self, parent, run_id, label, folder, settings):
        self.calls.append(("model", run_id, label, folder, settings))

    def tag(self, run_id, tags):
        self.calls.append(("tag", run_id, tags))

    def close(self, run_id, status):
        self.calls.append(("close", run_id, status))

    close_parent = close

    def of(self, kind):
        return [call[1:] for call in self.calls if call[0] == kind]


@pytest.fixture
def tracker():
    return FakeTracker()


@pytest.fixture
def recorder(tracker):
    return Recorder().open(tracker, ParentRun("parent", "7", {}), ["data"])


@pytest.fixture
def cell():
    return Cell(model=spec(models=[{"name": "ease", "label": "mine"}]).models[0], seed=3, fold=1)


@pytest.fixture
def stored(tmp_path):
    """A fit and its evaluation as the store has them."""
    fit, evaluation = tmp_path / "fit", tmp_path / "evaluation"
    fit.mkdir()
    evaluation.mkdir()
    (fit / "curves.json").write_text(json.dumps(STEPS))
    (fit / "measured.json").write_text(json.dumps({"fit_seconds": 2.0, "model_bytes": 10}))
    summary = {
        **{"overall": {"ndcg@10": 0.4, "rmse": 0.9}, "intervals": {"ndcg@10": [0.3, 0.5]}},
        **{"n_users": 50, "n_cold": 2, "cold": {"ndcg@10": 0.1}, "note": None},
    }
    (evaluation / "summary.json").write_text(json.dumps(summary))
    return [Ref(stage=path.name, key="k", digest="d", folder=path) for path in (fit, evaluation)]


class TestBegin:
    def test_opens_the_run_of_a_cell_once(self, recorder, tracker, cell):
        assert recorder.run_id(cell) is None
        assert [recorder.begin(cell) for _ in range(3)] == ["run 1"] * 3
        assert recorder.run_id(cell) == "run 1"
        assert tracker.of("open") == [("mine", 3, 1, cell.model.settings())]
        assert tracker.of("inputs") == [("run 1", ["data"])]

    def test_once_from_many_threads(self, recorder, tracker, cell):
        threads = [threading.Thread(target=recorder.begin, args=(cell,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(tracker.of("open")) == 1

    def test_takes_the_run_that_finished_before(self, tracker, cell):
        recorder = Recorder().open(tracker, ParentRun("parent", "7", {("mine", 3, 1): "old"}), [])
        assert recorder.begin(cell) == recorder.run_id(cell) == "old"
        assert tracker.calls == []

    def test_nothing_once_it_is_closed(self, recorder, tracker, cell):
        recorder.close("KILLED")
        with pytest.raises(Stopped):
            recorder.begin(cell)
        assert tracker.of("open") == []

    def test_what_begins_before_it_is_open_is_begun_then(self, tracker, cell, stored, monkeypatch):
        monkeypatch.setattr(recorder_module, "CURVE_SECONDS", 0.0)
        recorder = Recorder()
        assert recorder.begin(cell) is None
        recorder.step(cell, STEPS[0])
        recorder.open(tracker, ParentRun("parent", "7", {}), ["data"])
        assert tracker.of("open") == [("mine", 3, 1, cell.model.settings())]
        assert tracker.of("inputs") == [("run 1", ["data"])]
        for step in STEPS[1:]:
            recorder.step(cell, step)
        recorder.finish(cell, *stored)
        assert tracker.of("steps") == [("run 1", POINTS[:2]), ("run 1", POINTS[2:])]

    def test_one_that_was_never_open_has_nothing_to_close(self, tracker, cell):
        recorder = Recorder()
        recorder.begin(cell)
        recorder.close("KILLED")
        assert tracker.calls == []

    def test_a_run_that_finished_before_stays_when_its_fit_began_before_it_was_open(self, tracker, cell):
        recorder = Recorder()
        recorder.begin(cell)
        recorder.open(tracker, ParentRun("parent", "7", {("mine", 3, 1): "old"}), [])
        assert recorder.run_id(cell) == "old"
        assert tracker.calls == []


class TestTrial:
    def test_once(self, recorder, tracker):
        done = TrialRecord(number=0, state="done", seconds=2.0, value=0.3, epochs=7, settings={"neighbors": 9})
        pruned = TrialRecord(number=1, state="pruned", seconds=1.0, settings={"neighbors": 2})
        for trial in (done, pruned, done):
            recorder.trial("mine", "item-knn", trial, "ndcg@10")
        values = {"cost.seconds": 2.0, "validation.ndcg_at_10": 0.3, "validation.epochs": 7}
        assert tracker.of("trial") == [
            ("mine", 0, "done", {"model": "item-knn", "neighbors": 9}, values),
            ("mine", 1, "pruned", {"model": "item-knn", "neighbors": 2}, {"cost.seconds": 1.0}),
        ]

    def test_nothing_once_it_is_closed(self, recorder, tracker):
        recorder.close("KILLED")
        with pytest.raises(Stopped):
            recorder.trial("mine", "ease", TrialRecord(number=0, state="done", seconds=1.0, settings={}), "ndcg@10")
        assert tracker.of("trial") == []


class TestCurve:
    def test_is_whole_at_the_end_however_fast_it_came(self, recorder, tracker, cell, stored, monkeypatch):
        monkeypatch.setattr(recorder_module, "CURVE_SECONDS", 1e9)
        for step in STEPS:
            recorder.step(cell, step)
        assert tracker.of("steps") == []
        recorder.finish(cell, *stored)
        assert tracker.of("steps") == [("run 1", POINTS)]

    def test_grows_while_the_model_fits(self, recorder, tracker, cell, stored, monkeypatch):
        monkeypatch.setattr(recorder_module, "CURVE_SECONDS", 0.0)
        for step in STEPS:
            recorder.step(cell, step)
        recorder.finish(cell, *stored)
        assert tracker.of("steps") == [("run 1", [point]) for point in POINTS]

    def test_a_point_that_could_not_be_logged_comes_later(self, recorder, tracker, cell, stored, monkeypatch):
        monkeypatch.setattr(recorder_module, "CURVE_SECONDS", 0.0)
        tracker.broken = True
        recorder.step(cell, STEPS[0])
        tracker.broken = False
        recorder.step(cell, STEPS[1])
        assert tracker.of("steps") == [("run 1", POINTS[:2])]

    def test_of_a_stored_fit_is_read_there(self, recorder, tracker, cell, stored):
        recorder.finish(cell, *stored)
        assert tracker.of("steps") == [("run 1", POINTS)]

    def test_of_a_finished_run_is_left_as_it_is(self, tracker, cell):
        recorder = Recorder().open(tracker, ParentRun("parent", "7", {("mine", 3, 1): "old"}), [])
        recorder.step(cell, STEPS[0])
        assert tracker.calls == []

    def test_a_point(self):
        step = {"phase": "validation", "epoch": 4, "epochs": 9, "loss": 0.5, "ndcg@10": 0.3}
        assert curve_point(step) == (4, {"validation.loss": 0.5, "validation.ndcg_at_10": 0.3})


class TestEnd:
    def test_results_model_and_status(self, recorder, tracker, cell, stored):
        recorder.finish(cell, *stored)
        assert tracker.of("metrics") == [("run 1", child_metrics(stored[0].folder, stored[1].folder))]
        assert tracker.of("model") == [("run 1", "mine", stored[0].folder / "model", cell.model.settings())]
        assert tracker.of("close") == [("run 1", "FINISHED")]
        assert recorder.parent.children == {("mine", 3, 1): "run 1"}
        assert recorder.run_id(cell) == "run 1"

    def test_finished_is_finished(self, recorder, tracker, cell, stored):
        recorder.finish(cell, *stored)
        calls = list(tracker.calls)
        recorder.finish(cell, *stored)
        assert tracker.calls == calls

    def test_all_numbers_of_a_cell(self, stored):
        assert child_metrics(stored[0].folder, stored[1].folder) == {
            **{"test.ndcg_at_10": 0.4, "test.ndcg_at_10.ci_low": 0.3, "test.ndcg_at_10.ci_high": 0.5, "test.rmse": 0.9},
            **{"test.users": 50, "test.cold_users": 2, "test.cold.ndcg_at_10": 0.1},
            **{"cost.fit_seconds": 2.0, "cost.model_bytes": 10},
        }

    def test_a_failure(self, recorder, tracker, cell):
        recorder.fail(cell, "x" * 6000)
        assert tracker.of("tag") == [("run 1", {"failure": "x" * 5000})]
        assert tracker.of("close") == [("run 1", "FAILED")]

    def test_what_is_open_ends_with_the_parent(self, recorder, tracker, cell, stored):
        recorder.finish(cell, *stored)
        recorder.begin(cell.model_copy(update={"seed": 4}))
        recorder.close("KILLED")
        assert tracker.of("close") == [("run 1", "FINISHED"), ("run 2", "KILLED"), ("parent", "KILLED")]

    def test_nothing_is_open(self, recorder, tracker, cell, stored):
        recorder.finish(cell, *stored)
        recorder.close("FINISHED")
        assert tracker.of("close") == [("run 1", "FINISHED"), ("parent", "FINISHED")]

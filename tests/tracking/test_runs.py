"""The runs of a comparison in a real MLflow database: reopened by key, cleaned up, and what stands in them."""

from __future__ import annotations

import getpass
import math
import os
import socket
from pathlib import Path

import pytest
from made.tracked import MODEL, info, parent, refuse, reopened, tracker
from mlflow.entities import LoggedModelStatus, Metric, ViewType
from mlflow.exceptions import MlflowException

from recsys.errors import RunError
from recsys.processes import started
from recsys.settings import Settings
from recsys.tracking.database import ANEW
from recsys.tracking.entities import DataInput, TrackingError
from recsys.tracking.params import flatten
from recsys.tracking.runs import Tracker

__all__ = ["parent", "tracker"]


class TestExperiment:
    def test_its_files_lie_in_the_home(self, tracker, settings):
        found = tracker.client.get_experiment(tracker.experiment("demo"))
        assert found.name == "recsys/demo"
        assert found.artifact_location == (settings.root / "artifacts" / "demo").as_uri()
        assert found.tags["mlflow.experimentKind"] == "custom_model_development"

    def test_is_made_once(self, tracker):
        assert tracker.experiment("demo") == tracker.experiment("demo")
        assert tracker.experiment("other") != tracker.experiment("demo")

    def test_a_deleted_one_comes_back(self, tracker):
        made = tracker.experiment("demo")
        tracker.client.delete_experiment(made)
        assert tracker.experiment("demo") == made
        assert tracker.client.get_experiment(made).lifecycle_stage == "active"

    def test_two_who_make_it_together(self, tracker, monkeypatch):
        made = tracker.experiment("demo")
        find = tracker.client.get_experiment_by_name
        answers = iter([None])
        monkeypatch.setattr(tracker.client, "get_experiment_by_name", lambda name: next(answers, find(name)))
        assert tracker.experiment("demo") == made

    def test_one_that_cannot_be_made(self, tracker, monkeypatch):
        monkeypatch.setattr(tracker.client, "create_experiment", refuse)
        with pytest.raises(RunError, match=r"MLflow \(sqlite:///.*mlflow.db\): no; "):
            tracker.experiment("demo")

    @pytest.mark.parametrize(("error", "said"), [(MlflowException(" "), "MlflowException"), (OSError(), "OSError")])
    def test_an_error_without_words_has_its_name(self, tracker, error, said):
        assert tracker.trouble(error).message == said

    @pytest.mark.parametrize(
        ("said", "remedy"),
        [
            ("(sqlite3.DatabaseError) database disk image is malformed", ANEW),
            ("(sqlite3.OperationalError) attempt to write a readonly database", "may you write to it?"),
            ("(sqlite3.OperationalError) database is locked", "is something else writing to it?"),
        ],
    )
    def test_what_to_do_goes_by_what_the_database_says(self, tracker, said, remedy):
        assert tracker.trouble(MlflowException(said)).remedy == remedy

    def test_elsewhere_the_place_is_left_to_the_server(self, settings, monkeypatch, tmp_path):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        asked = []
        tracker = Tracker(Settings())
        monkeypatch.setattr(tracker.client, "get_experiment_by_name", lambda name: None)
        monkeypatch.setattr(
            tracker.client,
            "create_experiment",
            lambda name, artifact_location, tags: asked.append((name, artifact_location)) or "7",
        )
        assert tracker.experiment("demo") == "7"
        assert asked == [("recsys/demo", None)]


class TestParent:
    def test_a_new_one(self, tracker, parent):
        run = tracker.client.get_run(parent.run_id)
        assert run.info.run_name == "demo"
        assert run.info.status == "RUNNING"
        assert run.data.params == {"name": "demo", "seeds": "[1, 2]"}
        assert {key: run.data.tags[key] for key in ("role", "run_key", "git.commit", "process")} == {
            "role": "comparison",
            "run_key": "key",
            "git.commit": "abc",
            "process": f"{socket.gethostname()}:{os.getpid()}:{started():.0f}",
        }
        assert run.data.tags["mlflow.user"] == getpass.getuser()
        assert run.data.tags["mlflow.source.name"] == "recsys"
        assert parent.children == {}

    def test_of_a_user_without_a_name(self, tracker, monkeypatch):
        def nobody():
            raise KeyError("uid not found")

        monkeypatch.setattr(getpass, "getuser", nobody)
        run = tracker.client.get_run(reopened(tracker).run_id)
        assert run.data.tags["mlflow.user"] == str(os.getuid())

    def test_is_found_again_by_its_key(self, tracker, parent):
        tracker.close(parent.run_id, "FAILED")
        again = tracker.open_parent(
            "demo", "key", {"git.commit": "def"}, {"name": "demo", "seeds": [1, 2]}, fresh=False
        )
        assert again.run_id == parent.run_id
        run = tracker.client.get_run(parent.run_id)
        assert run.info.status == "RUNNING"
        assert run.data.tags["git.commit"] == "def"
        assert reopened(tracker, key="other").run_id != parent.run_id
        assert reopened(tracker, name="another").run_id != parent.run_id

    def test_fresh_is_a_new_one_and_later_the_one_to_find(self, tracker, parent):
        fresh = reopened(tracker, fresh=True)
        assert fresh.run_id != parent.run_id
        assert reopened(tracker).run_id == fresh.run_id

    def test_a_deleted_one_is_not_found(self, tracker, parent):
        tracker.delete(parent.run_id)
        assert reopened(tracker).run_id != parent.run_id


class TestChildren:
    def test_one_a_label_seed_and_fold(self, tracker, parent):
        run_id = tracker.open_child(parent, "my ease", 7, 2, MODEL)
        run = tracker.client.get_run(run_id)
        assert run.info.run_name == "my ease-s7-f2"
        assert {key: run.data.tags[key] for key in ("mlflow.parentRunId", "role", "label", "seed", "fold")} == {
            **{"mlflow.parentRunId": parent.run_id, "role": "candidate"},
            **{"label": "my ease", "seed": "7", "fold": "2"},
        }
        assert run.data.params == {
            **{"model": "ease", "seed": "7", "fold": "2", "name": "ease", "regularization": "5.0"},
        }
        assert info(tracker, tracker.open_child(parent, "ease", 7, 0, MODEL)).run_name == "ease-s7"

    def test_finished_ones_are_kept_and_all_others_deleted(self, tracker, parent):
        kept = {(label, 1, 0): tracker.open_child(parent, label, 1, 0, MODEL) for label in ("a", "b")}
        for run_id in kept.values():
            tracker.close(run_id, "FINISHED")
        half = [tracker.open_child(parent, "c", 1, 0, MODEL), tracker.open_child(parent, "a", 2, 0, MODEL)]
        failed = tracker.open_child(parent, "d", 1, 0, MODEL)
        tracker.close(failed, "FAILED")
        again = reopened(tracker)
        assert again.run_id == parent.run_id
        assert again.children == kept
        for run_id in (*half, failed):
            assert (info(tracker, run_id).status, info(tracker, run_id).lifecycle_stage) == ("KILLED", "deleted")
        listed = tracker.client.search_runs([parent.experiment_id], run_view_type=ViewType.ACTIVE_ONLY)
        assert {run.info.run_id for run in listed} == {parent.run_id, *kept.values()}

    def test_the_same_cell_finished_twice_is_kept_once(self, tracker, parent):
        twice = [tracker.open_child(parent, "a", 1, 0, MODEL) for _ in range(2)]
        for run_id in twice:
            tracker.close(run_id, "FINISHED")
        again = reopened(tracker)
        assert len(again.children) == 1
        assert sorted(info(tracker, run_id).lifecycle_stage for run_id in twice) == ["active", "deleted"]

    def test_more_than_one_page_of_them(self, tracker, parent, monkeypatch):
        kept = {(f"m{number}", 1, 0): tracker.open_child(parent, f"m{number}", 1, 0, MODEL) for number in range(3)}
        for run_id in kept.values():
            tracker.close(run_id, "FINISHED")
        half = [tracker.open_child(parent, f"h{number}", 1, 0, MODEL) for number in range(3)]
        search = tracker.client.search_runs
        monkeypatch.setattr(
            tracker.client, "search_runs", lambda *args, **more: search(*args, **{**more, "max_results": 2})
        )
        assert reopened(tracker).children == kept
        assert [info(tracker, run_id).lifecycle_stage for run_id in half] == ["deleted"] * 3

    def test_those_of_other_parents_are_left_alone(self, tracker, parent):
        other = reopened(tracker, key="other")
        child = tracker.open_child(other, "a", 1, 0, MODEL)
        assert reopened(tracker).children == {}
        assert info(tracker, child).status == "RUNNING"


class TestTrials:
    def test_a_run_below_the_search(self, tracker, parent):
        settings, metrics = {"model": "ease", "regularization": 5.0}, {"validation.ndcg_at_10": 0.25}
        run_id = tracker.log_trial(parent, "my ease", 3, "pruned", settings, metrics)
        run = tracker.client.get_run(run_id)
        expected = {"role": "trial", "label": "my ease", "trial": "3", "state": "pruned"}
        assert {name: run.data.tags[name] for name in expected} == expected
        assert run.data.tags["mlflow.parentRunId"] == parent.run_id
        assert (run.info.run_name, run.info.status) == ("my ease-trial-3", "FINISHED")
        assert (run.data.params, run.data.metrics) == ({"model": "ease", "regularization": "5.0"}, metrics)

    def test_is_no_candidate_and_is_kept(self, tracker, parent):
        kept = tracker.log_trial(parent, "ease", 0, "done", {}, {})
        failed = tracker.log_trial(parent, "ease", 1, "failed", {}, {})
        twice = [tracker.log_trial(parent, "ease", 2, "done", {}, {}) for _ in range(2)]
        child = tracker.open_child(parent, "ease", 42, 0, MODEL)
        tracker.close(child, "FINISHED")
        again = reopened(tracker)
        assert again.children == {("ease", 42, 0): child}
        assert set(again.trials) == {("ease", 0), ("ease", 2)}
        assert again.trials["ease", 0] == kept
        assert again.trials["ease", 2] in twice
        assert info(tracker, failed).lifecycle_stage == "deleted"

    def test_of_a_killed_process(self, tracker, parent):
        """It was being written; the process of its parent still lives, and nobody else takes it for a parent."""
        tags = {"mlflow.parentRunId": parent.run_id, "role": "trial", "label": "ease", "trial": "0"}
        half = tracker.client.create_run(parent.experiment_id, tags=tags).info.run_id
        tracker.open_parent("demo", "other", {}, {})
        assert info(tracker, half).status == "RUNNING"
        assert reopened(tracker).trials == {}
        assert info(tracker, half).lifecycle_stage == "deleted"


class TestDeadProcesses:
    def running(self, tracker, process):
        run_id = reopened(tracker, key=process).run_id
        tracker.tag(run_id, {"process": process})
        return run_id

    def test_their_runs_are_marked_killed(self, tracker):
        host = socket.gethostname()
        dead = [
            self.running(tracker, name) for name in (f"{host}:999999999:1", f"{host}:{os.getpid()}:1", "?", "a:b:c")
        ]
        alive = [
            self.running(tracker, f"{host}:{os.getpid()}:{started():.0f}"),
            self.running(tracker, "elsewhere:1:1"),  # on another host nobody here can know
        ]
        reopened(tracker, key="next")
        assert [info(tracker, run_id).status for run_id in dead] == ["KILLED"] * 4
        assert [info(tracker, run_id).status for run_id in alive] == ["RUNNING"] * 2

    def test_and_what_is_open_below_them(self, tracker, parent):
        opened, done = (tracker.open_child(parent, label, 1, 0, MODEL) for label in ("open", "done"))
        tracker.close(done, "FINISHED")
        tracker.tag(parent.run_id, {"process": f"{socket.gethostname()}:999999999:1"})
        reopened(tracker, key="next")
        assert [info(tracker, run_id).status for run_id in (opened, done)] == ["KILLED", "FINISHED"]

    def test_a_run_that_names_no_process(self, tracker):
        run_id = reopened(tracker).run_id
        tracker.client.delete_tag(run_id, "process")
        reopened(tracker, key="next")
        assert info(tracker, run_id).status == "KILLED"

    def test_runs_of_other_experiments_and_finished_ones_are_left_alone(self, tracker):
        host = socket.gethostname()
        elsewhere = reopened(tracker, name="another").run_id
        tracker.tag(elsewhere, {"process": f"{host}:999999999:1"})
        done = self.running(tracker, f"{host}:999999998:1")
        tracker.close(done, "FINISHED")
        reopened(tracker, key="next")
        assert info(tracker, elsewhere).status == "RUNNING"
        assert info(tracker, done).status == "FINISHED"


class TestLogging:
    def test_steps_of_several_epochs(self, tracker, parent):
        tracker.log_steps(parent.run_id, [(1, {"fit.loss": 0.5, "fit.ndcg": 0.1}), (2, {"fit.loss": 0.25})])
        history = tracker.client.get_metric_history(parent.run_id, "fit.loss")
        assert [(metric.step, metric.value) for metric in history] == [(1, 0.5), (2, 0.25)]
        assert tracker.client.get_run(parent.run_id).data.metrics == {"fit.loss": 0.25, "fit.ndcg": 0.1}

    def test_steps_that_may_have_been_logged_before_are_there_once(self, tracker, parent):
        for loss in (0.5, 0.5, 0.25):
            tracker.log_steps(parent.run_id, [(1, {"loss": 0.75}), (2, {"loss": loss})], again=True)
        history = tracker.client.get_metric_history(parent.run_id, "loss")
        assert sorted((metric.step, metric.value) for metric in history) == [(1, 0.75), (2, 0.25), (2, 0.5)]

    def test_more_than_one_call_takes(self, tracker, parent, monkeypatch):
        batches = []
        monkeypatch.setattr(tracker.client, "log_batch", lambda run_id, metrics: batches.append(metrics))
        tracker.log_steps(parent.run_id, [(epoch, {"loss": 1.0}) for epoch in range(2500)])
        assert [len(batch) for batch in batches] == [1000, 1000, 500]
        assert isinstance(batches[2][-1], Metric)
        assert batches[2][-1].step == 2499

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_a_number_that_is_none_is_refused(self, tracker, parent, value):
        with pytest.raises(ValueError, match=f"loss is {value}, which MLflow would turn into another number"):
            tracker.log_metrics(parent.run_id, {"other": 1.0, "loss": value})
        assert tracker.client.get_run(parent.run_id).data.metrics == {}

    def test_long_and_many_params(self, tracker):
        params = {"long": "x" * 5000, "exact": "y" * 500, "deep": {f"p{number}": number for number in range(250)}}
        run_id = tracker.open_parent("demo", "long", {}, params, fresh=False).run_id
        logged = tracker.client.get_run(run_id).data.params
        assert len(logged) == 252
        assert logged["long"] == "x" * 499 + "…"
        assert logged["exact"] == "y" * 500
        assert logged["deep.p249"] == "249"

    def test_what_data_a_run_used(self, tracker, parent):
        profile = '{"rows": 3}'
        inputs = [DataInput("table", "d" * 64, "data", profile), DataInput("table-random", "e" * 64, "split", profile)]
        tracker.log_inputs(parent.run_id, inputs)
        found = tracker.client.get_run(parent.run_id).inputs.dataset_inputs
        assert {
            (each.dataset.name, each.dataset.digest, each.dataset.profile, each.tags[0].value) for each in found
        } == {
            ("table", "d" * 32, profile, "data"),
            ("table-random", "e" * 32, profile, "split"),
        }

    def test_tags(self, tracker, parent):
        tracker.tag(parent.run_id, {"best": "ease", "count": 3})
        tags = tracker.client.get_run(parent.run_id).data.tags
        assert (tags["best"], tags["count"]) == ("ease", "3")

    def test_files(self, tracker, parent, tmp_path, settings):
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / "a.txt").write_text("hello")
        tracker.log_files(parent.run_id, tmp_path / "files")
        assert [file.path for file in tracker.client.list_artifacts(parent.run_id)] == ["a.txt"]
        place = info(tracker, parent.run_id).artifact_uri
        assert place.startswith(settings.artifacts.as_uri())
        assert (Path(place.removeprefix("file://")) / "a.txt").read_text() == "hello"

    def test_a_model(self, tracker, parent, tmp_path):
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "model.json").write_text("{}")
        child = tracker.open_child(parent, "ease: v.1/2", 1, 0, MODEL)
        model_id = tracker.log_model(parent, child, "ease: v.1/2", folder, {"regularization": 5.0, "long": "x" * 600})
        model = tracker.client.get_logged_model(model_id)
        assert model.name == "ease--v-1-2"
        assert model.source_run_id == child
        assert model.status == LoggedModelStatus.READY
        assert model.params == {"regularization": "5.0", "long": "x" * 499 + "…"}
        assert [file.path for file in tracker.client.list_logged_model_artifacts(model_id)] == ["model.json"]
        outputs = tracker.client.get_run(child).outputs.model_outputs
        assert [output.model_id for output in outputs] == [model_id]

    def test_a_run_has_one_model_and_takes_it_with_it(self, tracker, parent, tmp_path):
        folder = tmp_path / "model"
        folder.mkdir()
        child = tracker.open_child(parent, "ease", 1, 0, MODEL)
        tracker.client.create_logged_model(parent.experiment_id, name="ease", source_run_id=child)  # and then a kill
        other = tracker.open_child(parent, "mf", 1, 0, MODEL)
        kept = [tracker.log_model(parent, run_id, "ease", folder, {}) for run_id in (child, other)]

        def models() -> set[str]:
            return {model.model_id for model in tracker.client.search_logged_models([parent.experiment_id])}

        assert models() == set(kept)
        tracker.close(other, "FINISHED")
        reopened(tracker)
        assert models() == {kept[1]}

    def test_a_number_that_is_logged_again_is_one(self, tracker, parent):
        for value in (0.5, 0.5, 0.25):
            tracker.log_metrics(parent.run_id, {"best": value})
        assert [each.value for each in tracker.client.get_metric_history(parent.run_id, "best")] == [0.5, 0.25]

    def test_how_a_run_ends(self, tracker, parent):
        for status in ("FINISHED", "FAILED", "KILLED"):
            tracker.close(parent.run_id, status)
            assert info(tracker, parent.run_id).status == status


class TestFlatten:
    @pytest.mark.parametrize(
        ("nested", "flat"),
        [
            ({}, {}),
            ({"a": 1, "b": None}, {"a": 1, "b": None}),
            ({"a": {"b": {"c": 1}}}, {"a.b.c": 1}),
            ({"k": [1, 2], "e": []}, {"k": [1, 2], "e": []}),
            ({"m": [{"x": 1}, {"x": 2}]}, {"m.0.x": 1, "m.1.x": 2}),
            ({"m": ["ease", {"x": {"y": 2}}]}, {"m.0": "ease", "m.1.x.y": 2}),
        ],
    )
    def test_one_level(self, nested, flat):
        assert flatten(nested) == flat


def test_a_database_that_is_gone(tracker, settings):
    """Whoever still has it open would write into the void, and an empty one in its place would be taken for one."""
    tracker.experiment("demo")  # opens it
    settings.database.unlink()
    with pytest.raises(TrackingError, match="its database is gone"):
        tracker.tag("1", {"a": "b"})
    assert not settings.database.exists()

"""A comparison logged from its folder alone: what the folder holds is in MLflow, once."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
from made import spec, world
from made.runs import finished_run

from recsys.comparison.result import DIGESTED, MANIFEST, Comparison
from recsys.comparison.stored_run import READ
from recsys.errors import InputError
from recsys.tracking.late import log_result, logged_before, read_result
from recsys.tracking.runs import Tracker

KEY = "a1" * 16
EVALUATION = {"metrics": ["ndcg", "coverage"], "k": [2, 4], "primary": "ndcg@4"}


@pytest.fixture
def left(models, tmp_path):
    """What a comparison of two seeds leaves; one model has no randomness, and one failed."""
    data, part = world(n_users=40)
    experiment = spec(models=["noisy", "popularity"], evaluation=EVALUATION, seeds=[1, 2])
    found = finished_run(tmp_path / "left", experiment, data, [part], KEY, mlflow_run_id="0" * 32, name="made")
    return found.comparison.out


@pytest.fixture
def tracker(settings):
    return Tracker(settings)


def children(tracker, parent):
    experiment = tracker.experiment("made")
    found = tracker.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {run.info.run_name: run for run in found}


def without_digests(left):
    """Have the manifest say what one of before digests says; the digests."""
    manifest = json.loads((left / MANIFEST).read_text())
    digests = manifest.pop("files")
    (left / MANIFEST).write_text(json.dumps(manifest))
    return digests


@pytest.mark.parametrize("name", DIGESTED)
def test_a_file_that_was_changed(left, name):
    with (left / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(InputError, match=rf"{name}: was changed after the comparison wrote it; put it back"):
        read_result(left)


def test_a_folder_of_a_version_that_wrote_no_digests(left):
    assert without_digests(left).keys() == set(DIGESTED)
    assert read_result(left).comparison.run_key == KEY


class TestLogging:
    def test_parent_and_files(self, left, tracker):
        result = read_result(left)
        (left / "private.txt").write_text("not of the comparison")
        parent = tracker.client.get_run(log_result(result, tracker))
        assert parent.info.status == "FINISHED"
        assert parent.data.tags["run_key"] == KEY
        assert parent.data.tags["logged_from"] == str(left)
        assert parent.data.tags["data.digest"] == "d1"
        assert parent.data.tags["passport"] == result.manifest["passports"]["ndcg@4"]
        assert parent.data.params["models.0.name"] == "noisy"
        assert parent.data.metrics["best.ndcg_at_4"] == result.leaderboard.set_index("model").loc["noisy", "ndcg@4"]
        assert [each.dataset.digest for each in parent.inputs.dataset_inputs] == ["d1", "s1"]
        assert {file.path for file in tracker.client.list_artifacts(parent.info.run_id)} == set(READ)

    def test_a_child_a_cell_with_what_the_folder_knows_of_it(self, left, tracker):
        result = read_result(left)
        found = children(tracker, log_result(result, tracker))
        assert found.keys() == {"noisy-s1", "noisy-s2", "popularity-s1", "random-s1", "random-s2"}
        assert {run.info.status for run in found.values()} == {"FINISHED"}
        row = result.leaderboard.set_index("model").loc["popularity"]
        alone = found["popularity-s1"].data
        assert alone.metrics["test.ndcg_at_4"] == pytest.approx(row["ndcg@4"], abs=1e-12)
        assert alone.metrics["test.coverage_at_4"] == row["coverage@4"]
        assert alone.metrics["cost.fit_seconds"] == row["fit_seconds"]
        assert alone.metrics["test.users"] == 40
        assert alone.params["model"] == "popularity"
        both = [found[name].data.metrics for name in ("noisy-s1", "noisy-s2")]
        mean = result.leaderboard.set_index("model").loc["noisy", "ndcg@4"]
        assert sum(each["test.ndcg_at_4"] for each in both) / 2 == pytest.approx(mean, abs=1e-12)
        assert "test.coverage_at_4" not in both[0]

    def test_settings_that_tuning_found(self, left, tracker):
        manifest = json.loads((left / "manifest.json").read_text())
        manifest["tuning"] = {"noisy": {"settings": {"name": "noisy", "scale": 7.0}}}
        (left / "manifest.json").write_text(json.dumps(manifest))
        found = children(tracker, log_result(read_result(left), tracker))
        assert found["noisy-s1"].data.params["scale"] == "7.0"

    def test_a_model_that_failed(self, left, tracker):
        without_digests(left)
        manifest = json.loads((left / "manifest.json").read_text())
        (left / "manifest.json").write_text(json.dumps(manifest | {"failures": {"watcher": "it broke"}}))
        document = (left / "spec.yaml").read_text().replace("models:\n", "models:\n- name: watcher\n")
        (left / "spec.yaml").write_text(document)
        run_id = log_result(read_result(left), tracker)
        failed = children(tracker, run_id)["watcher-s1"]
        assert (failed.info.status, failed.data.tags["failure"]) == ("FAILED", "it broke")
        assert tracker.client.get_run(run_id).info.status == "FAILED"
        assert logged_before(read_result(left), tracker) == run_id


class TestOnce:
    def test_nothing_is_there_yet(self, left, tracker):
        assert logged_before(read_result(left), tracker) is None

    def test_the_second_time(self, left, tracker):
        run_id = log_result(read_result(left), tracker)
        assert logged_before(read_result(left), tracker) == run_id

    def test_a_run_that_was_left_open_is_gone_on_with(self, left, tracker):
        open_run = tracker.open_parent("made", KEY, {}, {}).run_id
        assert logged_before(read_result(left), tracker) is None
        assert log_result(read_result(left), tracker) == open_run


class TestRefusal:
    def refusal(self, folder):
        with pytest.raises(InputError) as caught:
            read_result(folder)
        return str(caught.value)

    def test_no_folder(self, tmp_path):
        assert self.refusal(tmp_path / "nothing").startswith(f"{tmp_path / 'nothing'}: there is no such folder")

    @pytest.mark.parametrize("name", READ)
    def test_a_file_is_missing(self, left, name):
        (left / name).unlink()
        assert f"there is no {name} in it; name a folder that `recsys compare` has written" in self.refusal(left)

    @pytest.mark.parametrize("manifest", ["", "[]", '{"runs": []}'])
    def test_of_something_else(self, left, manifest):
        (left / "manifest.json").write_text(manifest)
        assert "manifest.json: is not that of one comparison" in self.refusal(left)

    @pytest.mark.parametrize(
        "manifest",
        [
            "[" * 100_000,
            '{"run_key": "x", "mlflow_run_id": "y"}',
            '{"run_key": "x", "mlflow_run_id": "y", "failures": 3}',
            '{"run_key": "x", "mlflow_run_id": "y", "failures": {}, "run_key": "z"}',
        ],
    )
    def test_made_by_somebody_else(self, left, manifest):
        (left / "manifest.json").write_text(manifest)
        assert "manifest.json: is not that of one comparison" in self.refusal(left)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("leaderboard.csv", "a,b\n1,2\n"),
            ("leaderboard.csv", "model,status\npopularity,ok\n"),
            ("leaderboard.csv", ""),
            ("leaderboard.csv", "without noisy"),
            ("per_user.parquet", "PAR1 and no more"),
            ("per_user.parquet", "of other columns"),
            ("manifest.json", "passports"),
            ("manifest.json", "source"),
            ("manifest.json", "versions"),
            ("manifest.json", "split"),
        ],
    )
    def test_before_a_run_is_opened(self, left, tracker, name, text):
        path = left / name
        without_digests(left)
        manifest = json.loads((left / "manifest.json").read_text())
        if name == "manifest.json":
            text = json.dumps({key: value for key, value in manifest.items() if key != text})
        elif text == "without noisy":
            text = "".join(line for line in path.read_text().splitlines(True) if "noisy" not in line)
        path.write_text(text)
        if text == "of other columns":
            pd.DataFrame({"user": [1]}).to_parquet(path)
        with pytest.raises(InputError, match="holds a file that is not as a comparison writes it") as caught:
            log_result(read_result(left), tracker)
        assert caught.value.remedy == "name a folder that `recsys compare` has written"
        assert tracker.find("made", KEY) is None

    def test_a_copy_elsewhere_serves_as_well(self, left, tmp_path):
        shutil.copytree(left, tmp_path / "copy")
        assert read_result(tmp_path / "copy").comparison == Comparison(tmp_path / "copy", KEY, "0" * 32)

"""A finished run read back: the comparison, one model of it, and what cannot be read."""

from __future__ import annotations

import pytest

from recsys.comparison.result import DIGESTED, MANIFEST, write_manifest
from recsys.comparison.stored_run import READ
from recsys.errors import InputError
from recsys.settings import Settings
from recsys.tracking.entities import TUNING
from recsys.tracking.runs import Tracker
from recsys.tracking.stored import stored_run

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def tracker(settings):
    return Tracker(settings)


@pytest.fixture
def parent(tracker, tmp_path):
    """A finished comparison whose files say their names."""
    run = tracker.open_parent("made", KEY, {}, {})
    folder = tmp_path / "files"
    folder.mkdir()
    for name in (*DIGESTED, "report.html"):
        (folder / name).write_text(name)
    write_manifest(folder, {})
    tracker.log_files(run.run_id, folder)
    tracker.close(run.run_id, "FINISHED")
    return run


def read(settings, run_id, folder):
    folder.mkdir()
    return stored_run(run_id, settings, folder)


def test_a_comparison(settings, parent, tmp_path):
    run = read(settings, parent.run_id, tmp_path / "read")
    assert (run.run_id, run.cell, run.comparison.run_id, run.comparison.run_key) == (
        *(parent.run_id, None),
        *(parent.run_id, KEY),
    )
    assert {path.name for path in run.comparison.out.iterdir()} == set(READ)
    assert all((run.comparison.out / name).read_text() == name for name in DIGESTED)


@pytest.mark.parametrize(
    ("name", "said"),
    [("leaderboard.csv", "was changed after the comparison wrote it"), (MANIFEST, "is not that of one comparison")],
)
def test_an_artifact_that_was_changed(settings, tracker, parent, tmp_path, name, said):
    (tmp_path / name).write_text("[]")
    tracker.client.log_artifact(parent.run_id, str(tmp_path / name))
    with pytest.raises(InputError, match=f"{name}: {said}"):
        read(settings, parent.run_id, tmp_path / "read")


def test_one_model_of_it(settings, tracker, parent, tmp_path):
    child = tracker.open_child(parent, "warp-10", 7, 2, {"name": "lightfm-warp"})
    tracker.log_metrics(child, {"test.ndcg_at_10": 0.25})
    with pytest.raises(InputError, match=f"run {child}: has no result: it is RUNNING; name a finished one"):
        read(settings, child, tmp_path / "early")
    tracker.close(child, "FINISHED")
    run = read(settings, child, tmp_path / "read")
    assert (run.run_id, run.cell, run.comparison.run_id) == (child, ("warp-10", 7, 2), parent.run_id)
    assert run.metrics["test.ndcg_at_10"] == 0.25


@pytest.mark.parametrize("run_id", ["0" * 32, "no such id"])
def test_an_unknown_id(settings, parent, tmp_path, run_id):
    with pytest.raises(InputError, match=f"run {run_id}: MLflow has no such run; ids are in the column mlflow_run_id"):
        read(settings, run_id, tmp_path / "read")


def test_a_deleted_run(settings, tracker, parent, tmp_path):
    tracker.delete(parent.run_id)
    with pytest.raises(InputError, match="was deleted; bring it back with: mlflow runs restore"):
        read(settings, parent.run_id, tmp_path / "read")


def test_a_comparison_that_was_killed(settings, tracker, tmp_path):
    run_id = tracker.open_parent("made", KEY, {}, {}).run_id
    tracker.close(run_id, "KILLED")
    with pytest.raises(InputError, match=r"has no leaderboard.csv: it is KILLED; name that of a comparison that came"):
        read(settings, run_id, tmp_path / "read")


def test_a_run_of_something_else(settings, tracker, tmp_path):
    run_id = tracker.open_parent("made", KEY, {}, {}, role=TUNING).run_id
    with pytest.raises(InputError, match="is one of tuning; name that of a comparison"):
        read(settings, run_id, tmp_path / "read")


def test_a_home_without_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"there are no runs in .*nowhere; name their home in RECSYS_HOME"):
        read(Settings(), "a", tmp_path / "read")
    assert not (tmp_path / "nowhere").exists()

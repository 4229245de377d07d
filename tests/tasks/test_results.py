"""The end of a comparison as tasks: manifest, files in their three places, the best, and links."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from recsys.comparison.assemble import CellResult
from recsys.comparison.result import FILES, read_leaderboard
from recsys.experiment.trials import TrialRecord, Tuned
from recsys.metrics.passport import passport_hash
from recsys.splits.leaks import Finding
from recsys.store import file_digest
from tasks import results
from tasks.context import Cell
from tasks.manifest import manifest_of
from tasks.results import publish_report, rank_models
from tasks.stages import evaluate, fit_and_recommend, load_data, split_data

pytestmark = pytest.mark.usefixtures("models", "children", "prefect")


class FakeRecorder:
    """A recorder of run `parent` in experiment 7; notes what is logged."""

    def __init__(self):
        self.parent = SimpleNamespace(run_id="parent", experiment_id="7", children={("constant", 42, 0): "child"})
        self.files, self.tags, self.metrics = {}, {}, {}
        self.tracker = SimpleNamespace(
            log_files=self.log_files,
            tag=lambda run_id, tags: self.tags.setdefault(run_id, {}).update(tags),
            log_metrics=lambda run_id, values: self.metrics.update({run_id: values}),
        )

    def attempt(self, log):
        return log()

    def log_files(self, run_id, folder):
        found = (path for path in folder.rglob("*") if path.is_file())
        self.files |= {path.relative_to(folder).as_posix(): (run_id, path.read_bytes()) for path in found}

    def begin(self, cell):
        """Nothing."""

    def step(self, cell, step):
        """Nothing."""

    def finish(self, cell, fit, evaluation):
        """Nothing."""


@pytest.fixture
def recorder():
    return FakeRecorder()


@pytest.fixture
def links(monkeypatch):
    """Prefect's artifacts, by key; and a report that is one word."""
    found = {}
    monkeypatch.setattr(results, "create_table_artifact", lambda table, key, description: found.update({key: table}))
    monkeypatch.setattr(results, "create_link_artifact", lambda link, key, link_text: found.update({key: link}))
    monkeypatch.setattr(results, "write_report", lambda path, board, dataset: path.write_text("report"))
    return found


@pytest.fixture
def walked(run_of, recorder):
    """A run whose models are fitted and evaluated: (run, data, split, cells)."""

    def walk(failed=(), **changes):
        run = run_of(**changes)
        data = load_data.fn(run)
        data = getattr(data, "data", data)
        split = split_data.fn(data, run)
        split = getattr(split, "data", split)
        done = []
        for model, seed in run.spec.candidates():
            cell = Cell(model=model, seed=seed, fold=0)
            if cell.label not in failed:
                fit = fit_and_recommend.fn(cell, data, split, recorder, run)
                scores = evaluate.fn(cell, fit, data, split, recorder, run)
                done.append(CellResult(cell.label, seed, 0, fit.folder, scores.folder, f"run-{cell.label}"))
        return run, data, split, done

    return walk


class TestManifest:
    def test_says_where_the_numbers_come_from(self, walked):
        run, data, split, _ = walked(positive=3, seeds=[4, 5])
        manifest = manifest_of(run, data, split, ["careful"])
        assert json.loads(json.dumps(manifest)) == manifest
        assert (manifest["run_key"], manifest["name"]) == (run.key, "made")
        assert (manifest["data"]["digest"], manifest["split"]["digest"]) == (data.digest, split.digest)
        assert manifest["data"]["account"]["kept"] == 800
        assert manifest["split"]["folds"][0]["test"]["rows"] == 160
        assert (manifest["seeds"], manifest["threads"], manifest["warnings"]) == ([4, 5], run.threads, ["careful"])
        assert {"python", "numpy"} <= set(manifest["versions"])
        assert len(manifest["code"]) == 64

    def test_passports_carry_the_choices(self, walked, tmp_path):
        file = tmp_path / "pairs.csv"
        file.write_text("user,item\n1,1\n")
        run, data, split, _ = walked(positive=3, evaluation={"candidates": str(file), "exclude_seen": False})
        passports = manifest_of(run, data, split, [])["passports"]
        assert list(passports) == list(run.spec.evaluation.columns)
        choices = {"exclude_seen": False, "users": "warm", "positive": 3.0, "refit": True}
        # by its content: the same pairs elsewhere are the same definition
        assert passports["ndcg@10"] == passport_hash("ndcg@10", candidates=file_digest(file), **choices)

    def test_the_code_is_that_of_its_models_too(self, run_of, walked):
        codes = [
            manifest_of(run, data, split, [])["code"]
            for run, data, split, _ in (walked(failed=["ease", "mf"], models=[name]) for name in ("ease", "mf"))
        ]
        assert codes[0] != codes[1]


class TestRanking:
    def test_board_and_manifest(self, walked, recorder):
        run, data, split, done = walked(models=["constant", "popularity"])
        found = Finding("time_overlap", "warning", "times overlap", "careful", 2, np.array([4, 9]))
        board = rank_models.fn(done, {}, data, split, [found], recorder, run)
        assert (board.stage, board.key) == ("comparison", run.key)
        manifest = json.loads((board.folder / "manifest.json").read_text())
        assert (manifest["mlflow_run_id"], manifest["mlflow_experiment_id"]) == ("parent", "7")
        assert (manifest["best"], manifest["warnings"]) == ("constant", ["times overlap; careful"])
        assert manifest["leaks"][0]["rows"].startswith("row 5 (user ")
        assert set(read_leaderboard(board.folder / "leaderboard.csv")["model"]) == {"constant", "popularity"}

    def test_is_made_anew_each_time(self, walked, recorder):
        run, data, split, done = walked()
        rank_models.fn(done, {}, data, split, [], recorder, run)
        board = rank_models.fn([], {"constant": "was stopped"}, data, split, [], recorder, run)
        assert read_leaderboard(board.folder / "leaderboard.csv")["status"].tolist() == ["was stopped"]


class TestPublishing:
    @pytest.fixture
    def published(self, walked, recorder, links):
        def publish(out=None, failures=None, failed=(), tuned=None, **changes):
            run, data, split, done = walked(failed=failed, **changes)
            board = rank_models.fn(done, failures or {}, data, split, [], recorder, run, tuned or {})
            return publish_report.fn(board, data, out, recorder, run)

        return publish

    def test_files_where_they_were_asked_for_and_in_mlflow(self, published, recorder, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "private.txt").write_text("mine")
        result = published(out)
        assert (result.out, result.run_id, result.cached) == (out, "parent", False)
        assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, "private.txt"])
        files = {name: logged for name, logged in recorder.files.items() if not name.startswith("figures/")}
        assert set(files) == set(FILES)
        assert "figures/by-k-mrr.svg" in recorder.files
        assert {run_id for run_id, _ in recorder.files.values()} == {"parent"}
        assert all((out / name).read_bytes() == content for name, (_, content) in files.items())

    def test_or_where_they_go_by_default(self, published, tmp_path):
        result = published()
        assert result.out == tmp_path / "runs" / "made" / "0123456789ab"
        assert (result.out / "report.html").read_text() == "report"

    def test_the_best_model_stands_on_the_run(self, published, recorder):
        result = published(models=["popularity", "constant"])
        assert recorder.tags["parent"]["best"] == "constant"  # a control is never the best
        value = result.leaderboard.set_index("model").loc["constant", "ndcg@10"]
        assert recorder.metrics == {"parent": {"best.ndcg_at_10": value}}

    def test_what_was_tuned_stands_on_the_runs(self, published, recorder):
        trial = TrialRecord(number=0, state="done", seconds=1.0, value=0.2, settings={})
        tuned = Tuned(label="constant", metric="ndcg@10", best=0, trials=(trial,))
        published(models=["popularity", "constant"], tuned={"constant": tuned})
        assert (recorder.tags["parent"]["tuned"], recorder.tags["child"]["tuned"]) == ("constant", "true")

    def test_runs_are_searched_by_data_split_and_passport(self, published, recorder):
        manifest = published().manifest
        of_both = {**recorder.tags["child"], "tuned": ""}
        assert of_both == {
            "data.digest": manifest["data"]["digest"],
            "split.digest": manifest["split"]["digest"],
            "passport": manifest["passports"]["ndcg@10"],
            "tuned": "",
        }
        assert of_both.items() <= {**recorder.tags["parent"], "tuned": ""}.items()

    def test_that_nothing_was_tuned_too(self, published, recorder):
        published(models=["popularity", "constant"])
        assert (recorder.tags["parent"]["tuned"], recorder.tags["child"]["tuned"]) == ("none", "false")

    def test_only_controls(self, published, recorder):
        published(models=["popularity"])
        assert ("best" in recorder.tags["parent"], recorder.metrics) == (False, {})

    def test_nobody_has_the_primary(self, published, recorder):
        asked = {"metrics": ["ndcg", "rmse"], "primary": "rmse"}
        published(
            models=["constant", "watcher"], evaluation=asked, failures={"watcher": "too slow"}, failed=["watcher"]
        )
        assert ("best" in recorder.tags["parent"], recorder.metrics) == (False, {})

    def test_table_and_link_for_prefect(self, published, links):
        result = published(models=["constant", "broken"], failures={"broken": "it never works"}, failed=["broken"])
        ok, broken = links["leaderboard"]
        assert (ok["model"], ok["to best"], ok["group"]) == ("constant", "best", "a")
        assert ok["ndcg@10"] == f"{result.leaderboard['ndcg@10'][0]:.4f}"
        assert "┿" in ok["95 % interval"]
        assert (broken["ndcg@10"], broken["95 % interval"], broken["fit s"]) == ("failed", "it never works", "")
        assert json.loads(json.dumps(links["leaderboard"], allow_nan=False)) == links["leaderboard"]
        assert links["mlflow-run"] == "http://127.0.0.1:5000/#/experiments/7/runs/parent?workflowType=machine_learning"

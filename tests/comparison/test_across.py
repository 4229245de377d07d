"""Finished runs held against one another."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
import yaml
from made import fold, spec, world
from made.runs import finished_run, rebuilt_of

from recsys.comparison.across import compare_runs, refuse_unlike
from recsys.comparison.leaderboard import MEASURED
from recsys.comparison.result import Comparison
from recsys.comparison.stored_run import StoredRun
from recsys.errors import InputError
from recsys.experiment.keys import passport_choices
from recsys.metrics.passport import passport_hash
from recsys.report.page import write_report

EVALUATION = {"metrics": ["ndcg", "coverage", "rmse"], "k": [2, 4], "primary": "ndcg@4"}
ONE, TWO, THREE = "a1" * 16, "b2" * 16, "c3" * 16


@pytest.fixture
def made(models, tmp_path):
    """Makes a run of these models on one world of 40 users."""
    data, part = world(n_users=40)

    def run(run_id, *names, parts=(part,), **about):
        experiment = spec(models=list(names), evaluation=about.pop("evaluation", EVALUATION), seeds=[1, 2])
        return finished_run(tmp_path / run_id, experiment, data, parts, run_id, **about)

    run.data, run.part = data, part
    return run


def compared(made, tmp_path, *runs, parts=None):
    """The files of a comparison of runs."""
    refuse_unlike(runs)
    folder = tmp_path / "across"
    folder.mkdir()
    again = rebuilt_of(tmp_path / "again", made.data, parts or [made.part])
    compare_runs(runs, again, folder)
    write_report(folder / "report.html", folder, again.dataset.folder)
    return Comparison(folder, "", "")


class TestOneBoardOfSeveral:
    def test_as_if_they_had_been_compared_in_one_run(self, made, tmp_path):
        """Means, intervals, differences, p-values, letters: bit for bit those of one run of all models."""
        found = compared(made, tmp_path, made(ONE, "noisy", "popularity"), made(TWO, "watcher", "constant"))
        whole = made(THREE, "noisy", "popularity", "watcher", "constant").leaderboard
        board, whole = (frame.drop(columns=list(MEASURED)) for frame in (found.leaderboard, whole))
        pd.testing.assert_frame_equal(board, whole, check_exact=True)
        assert found.per_user["model"].nunique() == 5
        assert found.recommendations.groupby("model", sort=False).size().min() > 0
        page = (found.out / "report.html").read_text()
        assert all(name in page for name in ("noisy", "watcher", ONE, TWO))

    def test_one_label_in_two_runs(self, made, tmp_path):
        """It gets the id of its run; controls that are the same in both stand once."""
        found = compared(made, tmp_path, made(ONE, "noisy", "watcher"), made(TWO, "noisy"))
        board = found.leaderboard.set_index("model")
        assert sorted(board.index) == ["noisy a1a1a1a1", "noisy b2b2b2b2", "popularity", "random", "watcher"]
        assert board["ndcg@4"].filter(like="noisy").nunique() == 1
        assert found.manifest["runs"] == [ONE, TWO]

    def test_columns_that_only_one_has_are_left_out(self, made, tmp_path):
        other = made(TWO, "constant", evaluation={"metrics": ["ndcg", "mrr"], "k": [4], "primary": "mrr@4"})
        found = compared(made, tmp_path, made(ONE, "noisy"), other)
        assert list(found.manifest["passports"]) == ["ndcg@4"]
        assert [name for name in found.leaderboard.columns if "@" in name][:2] == ["ndcg@4", "ndcg@4_low"]

    def test_one_model_of_a_run(self, made, tmp_path):
        whole = made(ONE, "noisy", "constant")
        child = replace(whole, run_id="child", cell=("noisy", 2, 0), metrics={"test.coverage_at_4": 0.25})
        found = compared(made, tmp_path, child, made(TWO, "watcher"))
        row = found.leaderboard.set_index("model").loc["noisy"]
        own = whole.comparison.per_user.query("model == 'noisy' and seed == 2")
        assert row["ndcg@4"] == pytest.approx(own["ndcg@4"].mean(), abs=1e-12)
        assert (row["seeds"], row["coverage@4"], row["mlflow_run_id"]) == (1, 0.25, "child")
        assert "constant" not in set(found.leaderboard["model"])

    def test_where_their_origins_differ(self, made, tmp_path):
        runs = made(ONE, "noisy"), made(TWO, "watcher", threads=2, code="c2", versions={"numpy": "2.5"})
        found = compared(made, tmp_path, *runs)
        assert found.manifest["warnings"] == ["the runs a1a1a1a1 and b2b2b2b2 differ in numpy, threads"]


class TestRefusals:
    @pytest.fixture
    def noted(self, tmp_path):
        """Makes the notes of a run, which nothing was fitted for."""

        def run(run_id, evaluation=EVALUATION, **about):
            experiment = spec(models=["mf"], evaluation=evaluation)
            choices = passport_choices(experiment)
            passports = {column: passport_hash(column, **choices) for column in experiment.evaluation.columns}
            manifest = {
                "data": {"digest": "d1", "inputs": {"events.csv": "e1"}},
                "split": {"digest": "s1"},
                "choices": choices,
                "passports": passports,
                **about,
            }
            folder = tmp_path / run_id
            folder.mkdir()
            (folder / "manifest.json").write_text(json.dumps(manifest))
            (folder / "spec.yaml").write_text(yaml.safe_dump(experiment.model_dump(mode="json", exclude_none=True)))
            return StoredRun(run_id, Comparison(folder, "", run_id))

        return run

    @pytest.mark.parametrize(
        ("about", "said"),
        [
            (
                {"data": {"digest": "d2", "inputs": {"events.csv": "e2"}}},
                "run b2b2b2b2: has other data than run a1a1a1a1: another events.csv; compare runs on the same",
            ),
            ({"data": {"digest": "d2", "inputs": {"events.csv": "e1"}}}, "than run a1a1a1a1: made by other code"),
            ({"split": {"digest": "s2"}}, "has other split than run a1a1a1a1"),
            (
                {"evaluation": EVALUATION | {"users": "all"}},
                "its ndcg@2 is not that of run a1a1a1a1: users is 'all' and was 'warm'; compare runs of one passport",
            ),
            ({"passports": {"ndcg@4": "other"}}, "its ndcg@4 is not that of run a1a1a1a1: made by other code"),
            (
                {"evaluation": {"metrics": ["mrr"], "k": [4], "primary": "mrr@4"}},
                "run b2b2b2b2: has no ndcg@4, the primary metric of run a1a1a1a1",
            ),
        ],
    )
    def test_runs_that_are_not_alike(self, noted, about, said):
        with pytest.raises(InputError) as caught:
            refuse_unlike([noted(ONE), noted(TWO, **about)])
        assert said in str(caught.value)

    def test_runs_that_are(self, noted):
        refuse_unlike([noted(ONE), noted(TWO, threads=2), noted(THREE, evaluation=EVALUATION | {"k": [4, 8]})])

    def test_other_folds(self, made, tmp_path):
        parts = [made.part, fold(made.data, test=range(0, len(made.data), 6))]
        whole = made(ONE, "noisy", parts=parts)
        child = replace(made(TWO, "constant", parts=parts), cell=("constant", 1, 1))
        with pytest.raises(
            InputError, match=r"constant: was evaluated on folds \[1\], and popularity on folds \[0, 1\]"
        ):
            compared(made, tmp_path, whole, child, parts=parts)

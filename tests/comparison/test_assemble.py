"""From fitted and evaluated cells to the files of a comparison: columns, ids, seeds and folds, failures, sameness."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from made import cells, dataset, fold, spec, world

from recsys.comparison.assemble import assemble
from recsys.comparison.evaluation import Evaluation
from recsys.comparison.leaderboard import MEASURED
from recsys.comparison.result import read_leaderboard
from recsys.data.dataset import Dataset
from recsys.experiment.lists import Lists
from recsys.experiment.spec import Experiment

pytestmark = pytest.mark.usefixtures("models")

WANTED = [f"{user} {item}" for user in range(1000, 1060) for item in range(50, 54)]
MODELS = ["constant", {"name": "oracle", "label": "knows it", "wanted": WANTED}, "popularity"]


@pytest.fixture
def assembled(tmp_path):
    """Assemble an experiment on a world below tmp_path / `name`."""

    def do(experiment, data, parts, failures=None, name="one", manifest=None):
        found = cells(tmp_path / name, experiment, data, parts)
        out = tmp_path / f"{name} out"
        out.mkdir()
        board = assemble(out, experiment, data, found, failures or {}, manifest or {"run_key": "k"})
        return out, board, found

    return do


class TestLeaderboard:
    def test_columns_in_the_order_of_the_design(self, assembled):
        data, part = world()
        evaluation = {"metrics": ["ndcg", "coverage"], "k": [3, 1], "primary": "ndcg@3"}
        out, board, _ = assembled(spec(models=MODELS, evaluation=evaluation), data, [part])
        table = read_leaderboard(out / "leaderboard.csv")
        assert list(table.columns) == [
            *("model", "control", "status", "seeds", "folds", "tuned"),
            *("ndcg@1", "ndcg@3", "coverage@1", "coverage@3"),
            *("ndcg@3_low", "ndcg@3_high", "ndcg@3_sd_seeds", "ndcg@3_sd_folds"),
            *("difference_to_best", "p_adjusted", "group"),
            *("fit_seconds", "recommend_seconds", "cpu_seconds", "peak_memory_mb", "model_bytes", "mlflow_run_id"),
        ]
        assert set(table["model"]) == {"constant", "knows it", "popularity"}
        assert table["ndcg@3"].is_monotonic_decreasing
        assert dict(zip(table["model"], table["control"], strict=True)) == {
            **{"constant": False, "knows it": False, "popularity": True},
        }
        assert (table["status"] == "ok").all()
        assert table[["seeds", "folds"]].to_numpy().tolist() == [[1, 1]] * 3
        assert not table["tuned"].any()
        assert (table["cpu_seconds"] == 1.5).all()
        assert (table["peak_memory_mb"] == 64).all()
        assert board.best == table[~table["control"]]["model"].iloc[0]

    def test_numbers_are_those_of_the_evaluation(self, assembled):
        data, part = world()
        out, _, found = assembled(spec(models=MODELS), data, [part])
        table = read_leaderboard(out / "leaderboard.csv").set_index("model")
        for cell in found:
            evaluation, row = Evaluation.load(cell.evaluation), table.loc[cell.label]
            for column, value in evaluation.overall.items():
                assert row[column] == pytest.approx(value, abs=1e-15)
            assert [row["ndcg@10_low"], row["ndcg@10_high"]] == pytest.approx(
                evaluation.intervals["ndcg@10"], abs=1e-12
            )
            assert row["mlflow_run_id"] == cell.run_id

    def test_numbers_are_written_in_full(self, assembled):
        data, part = world()
        out, board, _ = assembled(spec(models=MODELS), data, [part])
        again = read_leaderboard(out / "leaderboard.csv")
        pd.testing.assert_frame_equal(again, board.frame, check_exact=True, check_dtype=False)

    def test_a_column_that_no_model_has_is_left_out(self, assembled):
        data, part = world()
        asked = {"metrics": ["ndcg", "rmse"]}
        out, _, _ = assembled(spec(models=["constant"], evaluation=asked), data, [part])
        assert "rmse" not in read_leaderboard(out / "leaderboard.csv")
        assert "rmse" not in pd.read_parquet(out / "per_user.parquet")
        out, _, _ = assembled(spec(models=["constant", "watcher"], evaluation=asked), data, [part], name="two")
        table = read_leaderboard(out / "leaderboard.csv").set_index("model")
        assert table["rmse"].notna().to_dict() == {"constant": False, "watcher": True}

    def test_the_primary_stays_where_the_one_model_that_has_it_failed(self, assembled):
        data, part = world()
        asked = {"metrics": ["ndcg", "rmse"], "primary": "rmse"}
        experiment = spec(models=["constant", "watcher"], evaluation=asked)
        out, board, _ = assembled(experiment, data, [part], failures={"watcher": "ran out of memory"})
        table = read_leaderboard(out / "leaderboard.csv")
        assert table["status"].tolist() == ["ok", "ran out of memory"]
        assert table["rmse"].isna().all()
        assert board.best is None


class TestSeedsAndFolds:
    @pytest.fixture
    def out(self, assembled):
        data, part = world(n_users=40)
        halves = [fold(data, test=part.test[half::2], validation=part.validation[half::2]) for half in (0, 1)]
        experiment = spec(models=["noisy", "constant"], seeds=[1, 2], evaluation={"k": [3], "primary": "ndcg@3"})
        return assembled(experiment, data, halves)

    def test_mean_over_all(self, out):
        folder, _, found = out
        table = read_leaderboard(folder / "leaderboard.csv").set_index("model")
        assert table[["seeds", "folds"]].loc["noisy"].tolist() == [2, 2]
        assert table[["seeds", "folds"]].loc["constant"].tolist() == [1, 2]
        assert table.loc["noisy", "mlflow_run_id"] == "run 0 run 1 run 3 run 4"
        for label in ("noisy", "constant"):
            own = [Evaluation.load(cell.evaluation).overall for cell in found if cell.label == label]
            assert table.loc[label, "ndcg@3"] == pytest.approx(np.mean([each["ndcg@3"] for each in own]))
            assert table.loc[label, "coverage@3"] == pytest.approx(np.mean([each["coverage@3"] for each in own]))

    def test_every_list_and_user_is_there_under_its_seed_and_fold(self, out):
        folder, _, found = out
        lists = pd.read_parquet(folder / "recommendations.parquet")
        users = pd.read_parquet(folder / "per_user.parquet")
        keys = [cell.key for cell in found]
        assert keys == [
            *(("noisy", 1, 0), ("noisy", 2, 0), ("constant", 1, 0)),
            *(("noisy", 1, 1), ("noisy", 2, 1), ("constant", 1, 1)),
        ]
        for table in (lists, users):
            assert list(dict.fromkeys(table[["model", "seed", "fold"]].itertuples(index=False, name=None))) == keys
        assert len(users) == 6 * 20
        assert set(json.loads((folder / "curves.json").read_text())) == {
            f"{label}/{seed}/{number}" for label, seed, number in keys
        }

    def test_the_spread_between_them(self, out):
        folder, _, found = out
        row = read_leaderboard(folder / "leaderboard.csv").set_index("model").loc["noisy"]
        noisy = [cell for cell in found if cell.label == "noisy"]
        value = {(cell.seed, cell.fold): Evaluation.load(cell.evaluation).overall["ndcg@3"] for cell in noisy}
        seeds = [np.mean([value[seed, fold] for fold in (0, 1)]) for seed in (1, 2)]
        folds = [np.mean([value[seed, fold] for seed in (1, 2)]) for fold in (0, 1)]
        assert row["ndcg@3_sd_seeds"] == pytest.approx(np.std(seeds, ddof=1))
        assert row["ndcg@3_sd_folds"] == pytest.approx(np.std(folds, ddof=1))

    def test_one_alone_has_no_spread(self, out):
        table = read_leaderboard(out[0] / "leaderboard.csv").set_index("model")
        assert table["ndcg@3_sd_seeds"].isna().to_dict() == {"noisy": False, "constant": True}
        assert table["ndcg@3_sd_folds"].notna().all()


def test_controls_that_were_added_are_marked_and_outside_the_family(tmp_path):
    data, part = world(n_users=40)
    experiment = spec(models=["constant", {"name": "oracle", "wanted": WANTED}])
    found = cells(tmp_path, experiment, data, [part], controls=True)
    out = tmp_path / "out"
    out.mkdir()
    board = assemble(out, experiment, data, found, {}, {})
    rows = board.frame.set_index("model")
    assert rows["control"].to_dict() == {"oracle": False, "constant": False, "random": True, "popularity": True}
    assert rows.loc[["random", "popularity"], ["p_adjusted", "group"]].isna().all(axis=None)
    assert {*board.pairs["model"], *board.pairs["other"]} == {"oracle", "constant"}
    assert json.loads((out / "manifest.json").read_text())["controls"] == ["random", "popularity"]
    assert [model["name"] for model in yaml.safe_load((out / "spec.yaml").read_text())["models"]] == [
        "constant",
        "oracle",
    ]


class TestTables:
    @pytest.mark.parametrize("strings", [False, True])
    def test_ids_are_the_users_own(self, assembled, strings):
        data, part = world(n_users=8, strings=strings)
        out, _, found = assembled(spec(models=["constant"]), data, [part])
        lists, per_user = (pd.read_parquet(out / f"{name}.parquet") for name in ("recommendations", "per_user"))
        assert list(lists.columns) == ["model", "seed", "fold", "user", "item", "rank", "score"]
        assert list(per_user.columns)[:4] == ["model", "seed", "fold", "user"]
        assert "rows" not in per_user
        first = ("u000", "i00") if strings else (1000, 50)
        assert (lists["user"].min(), lists["item"].min()) == first
        assert per_user["user"].tolist() == data.users.ids.tolist()
        assert lists["user"].dtype == ("str" if strings else np.int64)
        stored = Lists.load(found[0].fit)
        row = lists[(lists["user"] == data.users.ids[3])].sort_values("rank")
        assert row["item"].tolist() == [data.items.ids[item] for item in stored.items[3] if item >= 0]
        assert row["rank"].tolist() == list(range(1, len(row) + 1))
        assert lists["rank"].dtype == np.int32
        assert lists["score"].dtype == np.float32

    def test_values_of_each_user(self, assembled):
        data, part = world(n_users=8)
        out, _, found = assembled(spec(models=["constant"]), data, [part])
        per_user = pd.read_parquet(out / "per_user.parquet")
        evaluation = Evaluation.load(found[0].evaluation)
        assert list(per_user.columns)[4:] == list(evaluation.per_user)
        assert per_user["recall@5"].tolist() == evaluation.per_user["recall@5"].tolist()

    @pytest.mark.parametrize("ids", [(1, 2, 10, 20), ("a", "b", "x", "y")])
    def test_a_model_with_nothing_to_list(self, assembled, ids):
        one, other, x, y = ids
        data = dataset([(one, x), (one, y), (other, y), (other, x), (other, x)], items=[])
        part = fold(data, test=[4])
        experiment = spec(models=["constant"])
        out, _, _ = assembled(experiment, data, [part])
        lists = pd.read_parquet(out / "recommendations.parquet")
        assert len(lists) == 0
        assert lists["user"].dtype == ("str" if one == "a" else np.int64)
        assert lists["score"].dtype == np.float32


class TestFailures:
    def test_a_failed_label_has_a_row_and_no_numbers(self, assembled):
        data, part = world(n_users=40)
        experiment = spec(models=["constant", "noisy", "popularity"], seeds=[1, 2])
        out, _, _ = assembled(experiment, data, [part], failures={"noisy": "its process was ended by SIGKILL"})
        table = read_leaderboard(out / "leaderboard.csv")
        assert table["model"].tolist()[-1] == "noisy"
        assert table["status"].tolist() == ["ok", "ok", "its process was ended by SIGKILL"]
        assert table.iloc[-1][["ndcg@10", "ndcg@10_low", "difference_to_best", "fit_seconds"]].isna().all()
        assert set(pd.read_parquet(out / "recommendations.parquet")["model"]) == {"constant", "popularity"}
        assert set(pd.read_parquet(out / "per_user.parquet")["model"]) == {"constant", "popularity"}
        assert json.loads((out / "manifest.json").read_text())["failures"] == {
            "noisy": "its process was ended by SIGKILL"
        }

    def test_all_failed(self, assembled):
        data, part = world(n_users=8)
        out, board, _ = assembled(spec(models=["constant"]), data, [part], failures={"constant": "broken"})
        assert read_leaderboard(out / "leaderboard.csv")["status"].tolist() == ["broken"]
        assert board.best is None
        assert len(pd.read_parquet(out / "recommendations.parquet")) == 0
        assert len(pd.read_parquet(out / "per_user.parquet")) == 0


class TestFiles:
    def test_the_resolved_spec_is_the_experiment(self, assembled):
        data, part = world(n_users=8)
        experiment = spec(models=MODELS, positive=2, seeds=[7, 8], split={"kind": "leave-one-out"})
        out, _, _ = assembled(experiment, data, [part])
        text = (out / "spec.yaml").read_text()
        assert Experiment.parse(yaml.safe_load(text)) == experiment
        assert Experiment.load(out / "spec.yaml") == experiment
        assert list(yaml.safe_load(text))[:4] == ["format", "name", "data", "split"]

    def test_the_manifest_keeps_what_it_was_given_and_adds_the_verdict(self, assembled):
        data = dataset([(1, 10), (1, 20), (2, 10), (3, 20), (2, 20), (4, 10)])
        part = fold(data, test=[4, 5])
        given = {"run_key": "k", "versions": {"numpy": "2"}}
        out, board, _ = assembled(spec(models=["constant"]), data, [part], manifest=given)
        manifest = json.loads((out / "manifest.json").read_text())
        assert given.items() <= manifest.items()
        assert (manifest["best"], manifest["failures"]) == ("constant", {})
        assert manifest["note"] == board.note
        assert "users are too few" in manifest["note"]
        assert manifest["cold"]["constant"]["users"] == 1
        assert manifest["cold"]["constant"]["recall@5"] == 1

    def test_what_the_report_reads_beside_them(self, assembled):
        data, part = world()
        out, board, _ = assembled(spec(models=[*MODELS, "watcher"]), data, [part])
        assert sorted(path.name for path in out.iterdir()) == [
            *("curves.json", "differences.csv", "intervals.csv", "leaderboard.csv", "manifest.json", "pairs.csv"),
            *("per_user.parquet", "recommendations.parquet", "spec.yaml"),
        ]
        curves = json.loads((out / "curves.json").read_text())
        assert curves["constant/42/0"] == []
        assert [step["epoch"] for step in curves["watcher/42/0"]] == [1, 2, 3, 4, 5, 1, 2]
        intervals = pd.read_csv(out / "intervals.csv")
        assert set(intervals["column"]) == {name for name in board.frame if re.fullmatch(r"[a-z_]+@\d+", name)} - {
            *("coverage@5", "coverage@10", "coverage@50"),
        }
        assert pd.read_csv(out / "differences.csv")["model"].tolist() == board.frame["model"].tolist()

    def test_the_same_inputs_give_the_same_files(self, assembled):
        data, part = world(n_users=40)
        experiment = spec(models=[*MODELS, "noisy", "watcher"], evaluation={"metrics": ["ndcg", "coverage", "rmse"]})
        one, *_ = assembled(experiment, data, [part], name="one")
        other, *_ = assembled(experiment, data, [part], name="other")
        for path in one.iterdir():
            if path.name not in ("leaderboard.csv", "manifest.json"):
                assert path.read_bytes() == (other / path.name).read_bytes(), path.name
        manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (one, other)]
        for manifest in manifests:
            assert manifest["files"].pop("leaderboard.csv")  # of measured columns too
        assert manifests[0] == manifests[1]
        tables = [read_leaderboard(folder / "leaderboard.csv").drop(columns=list(MEASURED)) for folder in (one, other)]
        pd.testing.assert_frame_equal(*tables, check_exact=True)

    def test_a_stored_data_set_serves_as_well(self, assembled, tmp_path):
        data, part = world(n_users=8)
        found = cells(tmp_path / "cells", spec(models=["constant"]), data, [part])
        out = tmp_path / "from store"
        out.mkdir()
        assemble(out, spec(models=["constant"]), Dataset.load(tmp_path / "cells/part 0/dataset"), found, {}, {})
        assert pd.read_parquet(out / "per_user.parquet")["user"].tolist() == data.users.ids.tolist()

"""The leaderboard: order, means, differences, and what it does with failures and controls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recsys.comparison.bootstrap import bootstrap
from recsys.comparison.leaderboard import MEASURED, Outcome, leaderboard
from recsys.comparison.users import user_values

COLUMNS = ["ndcg@10", "recall@10", "coverage@10"]
HEADER = [
    *["model", "control", "status", "seeds", "folds", "tuned"],
    *COLUMNS,
    *[
        "ndcg@10_low",
        "ndcg@10_high",
        "ndcg@10_sd_seeds",
        "ndcg@10_sd_folds",
        "difference_to_best",
        "p_adjusted",
        "group",
    ],
    *["fit_seconds", "recommend_seconds", "cpu_seconds", "peak_memory_mb", "model_bytes", "mlflow_run_id"],
]


def table(model, ndcg, *, seed=42, fold=0, first_user=100, **columns):
    users = np.arange(first_user, first_user + len(ndcg))
    about = {"model": model, "seed": seed, "fold": fold, "user": users}
    return pd.DataFrame({**about, "ndcg@10": ndcg, "recall@10": np.asarray(ndcg) / 2, **columns})


@pytest.fixture(scope="module")
def taste():
    """What 200 users are worth to any model."""
    return np.random.default_rng(0).beta(2, 3, size=200)


@pytest.fixture
def per_user(taste):
    noise = np.random.default_rng(1).normal(0, 0.02, size=(3, 200))
    return pd.concat(
        [table("popularity", taste * 0.5), table("ease", taste + noise[0]), table("knn", taste * 0.9 + noise[1])]
    )


OUTCOMES = [
    Outcome("popularity", control=True, overall={"coverage@10": 0.02}),
    Outcome("broken", status="ran out of memory", measured={"fit_seconds": 3.5}),
    Outcome("knn", overall={"coverage@10": 0.3}, measured={"fit_seconds": 1.0, "mlflow_run_id": "abc"}),
    Outcome("ease", tuned=True, overall={"coverage@10": 0.4}),
]


class TestLeaderboard:
    def test_columns_and_order(self, per_user):
        board = leaderboard(per_user, OUTCOMES, COLUMNS, "ndcg@10", resamples=500)
        assert list(board.frame.columns) == HEADER
        assert list(board.frame.columns[-len(MEASURED) :]) == list(MEASURED)
        assert board.frame["model"].tolist() == ["ease", "knn", "popularity", "broken"]
        assert board.frame["status"].tolist() == ["ok", "ok", "ok", "ran out of memory"]
        assert board.frame["control"].tolist() == [False, False, True, False]
        assert board.frame["tuned"].tolist() == [True, False, False, False]
        assert board.best == "ease"
        assert board.note is None

    def test_values(self, per_user):
        rows = leaderboard(per_user, OUTCOMES, COLUMNS, "ndcg@10").frame.set_index("model")
        means = per_user.groupby("model")["ndcg@10"].mean()
        np.testing.assert_allclose(rows["ndcg@10"][:3], means[["ease", "knn", "popularity"]])
        np.testing.assert_allclose(rows["recall@10"][:3] * 2, rows["ndcg@10"][:3])
        assert rows["coverage@10"].tolist()[:3] == [0.4, 0.3, 0.02]
        assert rows.loc["knn", ["fit_seconds", "mlflow_run_id"]].tolist() == [1.0, "abc"]
        assert rows.loc["ease", "difference_to_best"] == 0
        assert rows.loc["knn", "difference_to_best"] == pytest.approx(means["knn"] - means["ease"])
        apart = bootstrap(per_user[per_user["model"] == "ease"]["ndcg@10"].to_numpy()[:, None]).interval(0)
        assert rows.loc["ease", ["ndcg@10_low", "ndcg@10_high"]].tolist() == pytest.approx([apart.low, apart.high])

    def test_a_failed_model_has_no_numbers(self, per_user):
        row = leaderboard(per_user, OUTCOMES, COLUMNS, "ndcg@10", resamples=10).frame.iloc[-1]
        assert row[[*COLUMNS, "ndcg@10_low", "ndcg@10_high", "difference_to_best"]].isna().all()
        assert row["fit_seconds"] == 3.5

    def test_differences_carry_their_intervals(self, per_user):
        board = leaderboard(per_user, OUTCOMES, COLUMNS, "ndcg@10")
        assert board.differences["model"].tolist() == ["ease", "knn", "popularity"]
        assert board.differences.iloc[0, 1:].tolist() == [0, 0, 0]
        assert (board.differences["high"][1:] < 0).all()
        assert (board.differences["low"] <= board.differences["value"]).all()

    def test_intervals_of_other_columns(self, per_user):
        board = leaderboard(per_user, OUTCOMES, COLUMNS, "ndcg@10", intervals=["recall@10"], resamples=500)
        assert board.intervals["column"].tolist() == ["ndcg@10"] * 3 + ["recall@10"] * 3
        halves = board.intervals[["value", "low", "high"]].to_numpy()
        np.testing.assert_allclose(halves[:3] / 2, halves[3:])

    def test_a_control_is_never_best(self, per_user, taste):
        better = pd.concat([per_user, table("random", taste + 0.3)])
        outcomes = [*OUTCOMES, Outcome("random", control=True)]
        board = leaderboard(better, outcomes, COLUMNS, "ndcg@10", resamples=100)
        assert board.frame["model"].tolist()[0] == "random"
        assert board.best == "ease"
        assert board.frame["difference_to_best"][0] > 0

    def test_models_are_tested_and_controls_are_not(self, per_user, taste):
        close = pd.concat([per_user, table("slim", taste + np.random.default_rng(5).normal(0, 0.02, 200))])
        board = leaderboard(close, [*OUTCOMES, Outcome("slim")], COLUMNS, "ndcg@10", resamples=500)
        rows = board.frame.set_index("model")
        first, second = board.frame["model"][:2]
        assert {first, second} == {"ease", "slim"}
        assert rows["group"].fillna("").to_dict() == {
            "ease": "a",
            "slim": "a",
            "knn": "b",
            "popularity": "",
            "broken": "",
        }
        assert rows["p_adjusted"][second] > 0.05
        assert rows["p_adjusted"]["knn"] == 1 / 501
        assert rows["p_adjusted"][[first, "popularity", "broken"]].isna().all()
        assert board.pairs[["model", "other"]].to_numpy().tolist() == [[first, second], [first, "knn"], [second, "knn"]]
        means = close.groupby("model")["ndcg@10"].mean()
        assert board.pairs["value"].tolist() == pytest.approx(
            [means[first] - means[second], *(means[[first, second]] - means["knn"])]
        )
        assert (board.pairs["low"] < board.pairs["value"]).all()
        assert (board.pairs["value"] < board.pairs["high"]).all()

    def test_too_few_users_to_test(self, taste):
        few = pd.concat([table("ease", taste[:20]), table("knn", taste[:20] * 0.5)])
        board = leaderboard(few, [Outcome("ease"), Outcome("knn")], COLUMNS, "ndcg@10", resamples=100)
        assert board.frame[["p_adjusted", "group"]].isna().all(axis=None)
        assert "20 users are too few" in board.note

    def test_only_controls(self, taste):
        board = leaderboard(table("popularity", taste), OUTCOMES[:1], COLUMNS, "ndcg@10", resamples=100)
        assert board.best is None
        assert board.frame["difference_to_best"].isna().all()
        assert board.frame["ndcg@10_low"].notna().all()

    def test_nobody_finished(self):
        empty = table("x", [])
        board = leaderboard(empty, [OUTCOMES[1]], COLUMNS, "ndcg@10")
        assert list(board.frame.columns) == HEADER
        assert board.frame["model"].tolist() == ["broken"]
        assert board.best is None

    def test_few_users(self, taste):
        per_user = pd.concat([table("a", taste[:10]), table("b", taste[:10] / 2)])
        board = leaderboard(per_user, [Outcome("a"), Outcome("b")], COLUMNS, "ndcg@10")
        assert board.frame["ndcg@10_low"].isna().all()
        assert board.frame["difference_to_best"].tolist() == pytest.approx([0, -taste[:10].mean() / 2])
        assert "10 users" in board.note

    def test_equals_keep_their_order(self, taste):
        per_user = pd.concat([table("b", taste), table("a", taste)])
        board = leaderboard(per_user, [Outcome("b"), Outcome("a")], COLUMNS, "ndcg@10", resamples=10)
        assert board.frame["model"].tolist() == ["b", "a"]

    def test_the_order_of_rows_does_not_matter(self, per_user):
        one = leaderboard(per_user, OUTCOMES, COLUMNS, "ndcg@10", resamples=100).frame
        other = leaderboard(per_user.sample(frac=1, random_state=1), OUTCOMES, COLUMNS, "ndcg@10", resamples=100).frame
        pd.testing.assert_frame_equal(one, other)

    @pytest.mark.parametrize("primary", ["coverage@10", "map@10"])
    def test_a_primary_that_cannot_be(self, per_user, primary):
        with pytest.raises(ValueError, match=primary):
            leaderboard(per_user, OUTCOMES, COLUMNS, primary)


class TestUserValues:
    def test_mean_over_seeds_and_folds_first(self):
        per_user = pd.concat(
            [
                table("a", [0.2, 0.4], seed=1),
                table("a", [0.4, 0.4], seed=2),
                table("a", [0.8], seed=1, fold=1, first_user=101),
                table("a", [0.6], seed=2, fold=1, first_user=101),
                table("b", [0.1, 0.1], seed=1),
            ]
        )
        found = user_values(per_user, ["b", "a"], ["ndcg@10"])
        np.testing.assert_array_equal(found.users, [100, 101])
        np.testing.assert_allclose(found.values["ndcg@10"], [[0.1, 0.3], [0.1, 0.55]])
        np.testing.assert_allclose(found.means()["ndcg@10"], [0.1, 0.425])

    def test_different_users(self):
        per_user = pd.concat([table("a", [0.1, 0.2]), table("b", [0.1, 0.2], first_user=101)])
        with pytest.raises(ValueError, match="different users"):
            user_values(per_user, ["a", "b"], ["ndcg@10"])

    def test_a_row_twice(self):
        with pytest.raises(ValueError, match="twice"):
            user_values(pd.concat([table("a", [0.1]), table("a", [0.1])]), ["a"], ["ndcg@10"])

    def test_string_users(self):
        per_user = table("a", [0.1, 0.3]).assign(user=["x", "b"])
        assert user_values(per_user, ["a"], ["ndcg@10"]).users.tolist() == ["b", "x"]


class TestErrorsOfPredictedValues:
    """RMSE is pooled over rows, lower is better, and models without values stand below those with."""

    @pytest.fixture
    def per_user(self):
        random = np.random.default_rng(2)
        rows = random.integers(1, 30, size=150)
        errors = [np.sqrt(random.chisquare(rows) / rows) * scale for scale in (1.0, 1.2)]
        tables = [
            table(name, rows * 0.0, rmse=rmse, rows=rows) for name, rmse in zip(["good", "bad"], errors, strict=True)
        ]
        return pd.concat([*tables, table("ease", rows * 0.0 + 0.3, rmse=np.nan, rows=rows)])

    def test_pooled_and_ranked(self, per_user):
        outcomes = [Outcome("ease"), Outcome("bad"), Outcome("good")]
        board = leaderboard(per_user, outcomes, ["ndcg@10", "rmse"], "rmse")
        assert board.frame["model"].tolist() == ["good", "bad", "ease"]
        good = per_user[per_user["model"] == "good"]
        pooled = np.sqrt(np.average(good["rmse"] ** 2, weights=good["rows"]))
        first, second, third = board.frame.to_dict("records")
        assert first["rmse"] == pytest.approx(pooled)
        assert first["rmse_low"] < pooled < first["rmse_high"]
        assert first["difference_to_best"] == 0
        assert second["difference_to_best"] == pytest.approx(second["rmse"] - first["rmse"])
        assert second["difference_to_best"] > 0
        assert np.isnan([third["rmse"], third["rmse_low"], third["difference_to_best"]]).all()
        assert third["ndcg@10"] == pytest.approx(0.3)
        assert board.note is None

    def test_users_weigh_alike_without_rows(self, per_user):
        found = user_values(per_user.drop(columns="rows"), ["good"], ["rmse"]).means()["rmse"]
        good = per_user[per_user["model"] == "good"]["rmse"]
        assert found == pytest.approx([np.sqrt(np.mean(good**2))])

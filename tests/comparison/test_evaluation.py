"""The metrics of one model's lists: worked by hand, with cold users apart, errors pooled over rows, and intervals."""

from __future__ import annotations

from math import log, log2

import numpy as np
import pytest
from made import dataset, fold, spec, stored, world

from recsys.comparison.bootstrap import FEWEST_USERS
from recsys.comparison.evaluation import Evaluation, evaluate_lists, evaluation_of, refuse_nobody
from recsys.comparison.users import user_values
from recsys.errors import InputError
from recsys.experiment.lists import Lists
from recsys.splits.fold import Fold

# Items 10, 20, 30, 40 are 0 to 3. User 4 is not in training, and neither is item 40.
TRAIN = [(1, 10, 5.0), (1, 20, 3.0), (2, 10, 4.0), (3, 30, 2.0)]
TESTED = [(1, 30, 4.0), (2, 20, 5.0), (2, 30, 4.0), (3, 40, 5.0), (4, 10, 5.0)]
SECOND = 1 / log2(3)
"""What a hit at rank 2 is worth."""
METRICS = ["ndcg", "recall", "precision", "map", "mrr", "hit_rate", "coverage", "novelty"]


@pytest.fixture
def case():
    data = dataset([*TRAIN, *TESTED])
    return data, fold(data, test=range(4, 9))


def lists(items, users=(0, 1, 2, 3), warm=(True, True, True, False), predicted=None, **ranks):
    items = np.array(items, dtype=np.int32)
    return Lists(
        users=np.array(users),
        warm=np.array(warm),
        items=items,
        scores=np.where(items >= 0, 1, -np.inf).astype(np.float32),
        predicted=None if predicted is None else np.array(predicted, dtype=np.float32),
        **{name: np.array(values, dtype=np.int32) for name, values in ranks.items()},
    )


LISTS = [[2, -1], [2, -1], [0, 1], [1, 0]]
BY_HAND = {
    "ndcg@2": [1, 1 / (1 + SECOND), 0, SECOND],
    "recall@2": [1, 0.5, 0, 1],
    "precision@2": [0.5, 0.5, 0, 0.5],
    "map@2": [1, 0.5, 0, 0.5],
    "mrr@2": [1, 1, 0, 0.5],
    "hit_rate@2": [1, 1, 0, 1],
    "novelty@2": [log2(3), log2(3), (log2(3) - 1 + log2(3)) / 2, (log2(3) + log2(3) - 1) / 2],
}


def experiment(**changes):
    evaluation = {"metrics": METRICS, "k": [2], "primary": "ndcg@2", **changes.pop("evaluation", {})}
    return spec(evaluation=evaluation, **changes)


class TestByHand:
    def test_warm_users(self, case):
        found = evaluation_of(experiment(), *case, lists(LISTS))
        assert found.users.tolist() == [0, 1, 2]
        assert found.rows.tolist() == [1, 2, 1]
        assert list(found.per_user) == list(BY_HAND)
        for name, values in BY_HAND.items():
            assert found.per_user[name] == pytest.approx(values[:3])
            assert found.overall[name] == pytest.approx(np.mean(values[:3]))
        assert found.overall["coverage@2"] == 1
        assert list(found.overall) == list(experiment().evaluation.columns)

    def test_cold_users_stand_apart(self, case):
        found = evaluation_of(experiment(), *case, lists(LISTS))
        assert found.n_cold == 1
        assert {name: found.cold[name] for name in BY_HAND} == pytest.approx(
            {name: values[3] for name, values in BY_HAND.items()}
        )
        assert found.cold["coverage@2"] == pytest.approx(2 / 3)

    def test_all_users(self, case):
        found = evaluation_of(experiment(evaluation={"users": "all"}), *case, lists(LISTS))
        assert found.users.tolist() == [0, 1, 2, 3]
        for name, values in BY_HAND.items():
            assert found.per_user[name] == pytest.approx(values)
        assert found.n_cold == 1
        assert found.cold["ndcg@2"] == pytest.approx(SECOND)

    def test_nobody_is_cold(self, case):
        data, part = case
        part = fold(data, test=part.test[:-1])
        found = evaluation_of(experiment(), data, part, lists(LISTS[:3], users=(0, 1, 2), warm=(True,) * 3))
        assert (found.n_cold, found.cold) == (0, {})

    def test_an_empty_list_counts_zero(self, case):
        found = evaluation_of(experiment(), *case, lists([[2, -1], [-1, -1], [0, 1], [1, 0]]))
        assert found.per_user["ndcg@2"].tolist() == [1, 0, 0]

    def test_more_places_than_lists_have(self, case):
        found = evaluation_of(experiment(evaluation={"k": [2, 9]}), *case, lists(LISTS))
        assert found.per_user["recall@9"].tolist() == found.per_user["recall@2"].tolist()
        assert found.per_user["precision@9"] == pytest.approx(found.per_user["precision@2"] * 2 / 9)

    def test_only_positives_are_wanted(self, case):
        # user 2's item 20 alone; user 1 has no positive and no list
        found = evaluation_of(
            experiment(positive=4.5), *case, lists(LISTS[1:], users=(1, 2, 3), warm=(True, True, False))
        )
        assert found.users.tolist() == [1, 2]
        assert found.rows.tolist() == [2, 1]
        assert found.per_user["recall@2"].tolist() == [0, 0]

    def test_popularity_counts_positives_and_candidates_all_rows(self, case):
        warm = lists(LISTS[1:], users=(1, 2, 3), warm=(True, True, False))
        found = evaluation_of(experiment(positive=4.5), *case, warm)
        # of 3 users in training one has item 10 as a positive; items 20 and 30 count as if one had
        assert found.per_user["novelty@2"] == pytest.approx([log2(3), log2(3)])
        assert found.overall["coverage@2"] == 1

    def test_the_whole_catalogue(self, case):
        found = evaluation_of(experiment(evaluation={"candidates": "catalogue"}), *case, lists(LISTS))
        assert found.overall["coverage@2"] == pytest.approx(3 / 4)

    def test_validation_rows_are_training_rows_once_refitted(self):
        data = dataset([*TRAIN, *TESTED])
        part = fold(data, test=range(4, 9), validation=[3])
        warm = (True, True, False, False)  # without refit, user 3 and item 30 are unknown
        refitted = evaluation_of(experiment(), data, part, lists(LISTS))
        kept = evaluation_of(experiment(refit=False), data, part, lists(LISTS, warm=warm))
        assert refitted.users.tolist() == [0, 1, 2]
        assert kept.users.tolist() == [0, 1]
        assert refitted.per_user["novelty@2"][0] == pytest.approx(log2(3))
        assert kept.per_user["novelty@2"][0] == pytest.approx(log2(2))

    def test_a_list_that_is_none(self, case):
        with pytest.raises(ValueError, match="name an item twice"):
            evaluation_of(experiment(), *case, lists([[2, 2], [2, -1], [0, 1], [1, 0]]))


class TestBeyondAccuracy:
    """Items 10 and 30 are dramas, 20 and 40 comedies. Popularity 2, 1, 1, 0 of 3 users."""

    ASKED = {
        "metrics": ["gini", "popularity_bias", "popularity_lift", "serendipity", "diversity", "calibration"],
        "primary": "popularity_bias@2",
    }
    GENRES = {"genres": ["Drama|Film", "Comedy", "Drama|Film", "Comedy"]}

    def case(self, kind="labels", features=GENRES):
        data = dataset([*TRAIN, *TESTED], **features)
        for name in features:
            data.items.kinds[name] = kind
        return data, fold(data, test=range(4, 9))

    def test_warm_users(self):
        found = evaluation_of(experiment(evaluation=self.ASKED), *self.case(), lists(LISTS))
        expected = {
            "popularity_bias@2": [1 / 3, 1 / 3, 1 / 2],
            "popularity_lift@2": [(1 / 3) / (1 / 2) - 1, (1 / 3) / (2 / 3) - 1, (1 / 2) / (1 / 3) - 1],
            "serendipity@2": [0, 0, 0],  # item 30 is among the two most popular that users 1 and 2 have not seen
            "diversity@2": [0, 0, 1],
            "calibration@2": [
                # Drama and Film a quarter each and Comedy a half in the history of user 1, none of it in the list
                0.5 * log(0.5 / 0.005) + 0.5 * log(0.25 / (0.99 * 0.5 + 0.01 * 0.25)),
                0,
                log(0.5 / (0.99 * 0.25 + 0.01 * 0.5)),
            ],
        }
        assert list(found.per_user) == list(expected)
        for name, values in expected.items():
            assert found.per_user[name] == pytest.approx(values), name
            assert found.overall[name] == pytest.approx(np.mean(values))
        # items 10, 20 and 30 are the candidates, listed 1, 1 and 2 times
        assert found.overall["gini@2"] == pytest.approx((-2 * 1 + 0 * 1 + 2 * 2) / (3 * 4))
        assert set(found.overall) == {*expected, "gini@2"}

    def test_a_stranger_has_no_taste(self):
        asked = {**self.ASKED, "users": "all"}
        found = evaluation_of(experiment(evaluation=asked), *self.case(), lists(LISTS))
        assert np.isnan(found.per_user["popularity_lift@2"]).tolist() == [False, False, False, True]
        assert np.isfinite(list(found.overall.values())).all()
        assert set(found.cold) == {"gini@2", "popularity_bias@2", "serendipity@2", "diversity@2"}

    @pytest.mark.parametrize(("shown", "taste"), [(0, 1 / 2 - 1), (3, np.nan)], ids=["an item of others", "of nobody"])
    def test_what_a_held_out_user_has_shown_is_his_taste(self, shown, taste):
        """A row that the model reads when it serves him, and was not trained on."""
        data = dataset([(1, 10, 5.0), (2, 10, 4.0), (3, 10, 2.0), (1, 40, 1.0), (3, 20, 1.0), *TESTED], **self.GENRES)
        parts = {"test": np.arange(5, 10), "validation": np.array([], int), "history": np.array([shown])}
        part = Fold.of(len(data), **parts, unused=np.array([3 - shown]))
        asked = experiment(evaluation={"metrics": ["popularity_lift"], "primary": "popularity_lift@2", "users": "all"})
        found = evaluation_of(asked, data, part, lists([[1, -1]] * 4, warm=(False, True, True, False)))
        assert found.per_user["popularity_lift@2"][0] == pytest.approx(taste, nan_ok=True)

    def test_seen_items_left_in(self):
        asked = {**self.ASKED, "exclude_seen": False}
        found = evaluation_of(experiment(evaluation=asked), *self.case(), lists(LISTS))
        # popularity's own list is 10, 20 for everybody: item 30 is not expected any more
        assert found.per_user["serendipity@2"].tolist() == [1 / 2, 1 / 2, 0]

    @pytest.mark.parametrize("kind", ["text", "number"])
    def test_data_without_genres(self, kind):
        features = {"year": [1990.0, 1991.0, 1992.0, 1993.0]} if kind == "number" else {"title": ["a", "b", "c", "d"]}
        found = evaluation_of(experiment(evaluation=self.ASKED), *self.case(kind, features), lists(LISTS))
        assert "calibration@2" not in found.overall
        assert ("diversity@2" in found.overall) == (kind == "number")
        assert set(found.per_user) == {name for name in found.overall if not name.startswith("gini")}

    @pytest.mark.parametrize("metric", ["diversity", "calibration"])
    def test_a_primary_that_the_data_do_not_hold(self, metric):
        asked = experiment(evaluation={"metrics": [metric], "primary": f"{metric}@2"})
        what = {
            "diversity": "features of items beside text, and these data have none (known of items: title (text))",
            "calibration": "a column of labels or categories of items, and these data have none (known: title (text))",
        }
        with pytest.raises(InputError) as caught:
            refuse_nobody(asked, *self.case("text", {"title": ["a", "b", "c", "d"]}))
        assert str(caught.value) == (
            f"evaluation.primary: {metric}@2 needs {what[metric]}; name a file of items in data.items, or choose "
            "another primary"
        )
        refuse_nobody(asked, *self.case())


class TestRanks:
    """User 4 is cold; users 1, 2, 3 have 1, 2, 1 test rows, and item 40 is in no list."""

    ASKED = {"metrics": ["reciprocal_rank", "auc", "topk_accuracy"], "primary": "auc"}
    LEFT = {"ranks": [1, 2, 1, 0, 2], "row_ranks": [2, 3, 1, 0, 2], "n_candidates": [1, 2, 2, 3]}

    def found(self, case, evaluation=ASKED, **changes):
        return evaluation_of(experiment(evaluation=evaluation, **changes), *case, lists(LISTS, **self.LEFT))

    def test_warm_users(self, case):
        found = self.found(case)
        assert found.per_user["reciprocal_rank"].tolist() == [1, 1, 0]
        assert found.per_user["auc"].tolist() == [1, 1, 0]
        assert found.per_user["topk_accuracy@2"].tolist() == [1, 1 / 2, 0]
        assert found.overall["topk_accuracy@2"] == 2 / 4
        assert list(found.overall) == ["reciprocal_rank", "auc", "topk_accuracy@2"]
        assert found.cold == {"reciprocal_rank": 1 / 2, "auc": 1 / 2, "topk_accuracy@2": 1}

    def test_all_users(self, case):
        found = self.found(case, {**self.ASKED, "users": "all"})
        assert found.per_user["auc"].tolist() == [1, 1, 0, 1 / 2]
        assert found.overall["topk_accuracy@2"] == 3 / 5
        table = pd_table(found)
        pooled = user_values(table, ["m"], ["topk_accuracy@2"]).means()["topk_accuracy@2"]
        assert pooled == pytest.approx([found.overall["topk_accuracy@2"]])

    def test_only_positives_are_relevant_but_every_row_counts(self):
        data = dataset([*TRAIN, (1, 30, 4.0), (2, 20, 5.0), (2, 30, 1.0)])
        part = fold(data, test=range(4, 7))
        shown = lists(
            LISTS[:2], users=(0, 1), warm=(True, True), ranks=[1, 2, 1], row_ranks=[2, 3, 1], n_candidates=[1, 2]
        )
        found = evaluation_of(experiment(evaluation=self.ASKED, positive=3.5), data, part, shown)
        assert found.per_user["reciprocal_rank"].tolist() == [1, 1 / 2]
        assert found.per_user["auc"].tolist() == [1, 0]
        assert found.per_user["topk_accuracy@2"].tolist() == [1, 1 / 2]

    def test_a_pair_that_stands_twice_is_relevant_once_and_two_rows(self):
        data = dataset([(1, 10), (2, 10), (3, 30), (2, 30), (2, 30), (2, 20)])
        part = fold(data, test=[3, 4, 5])
        shown = lists([[1, -1]], users=(1,), warm=(True,), ranks=[1, 1, 3], row_ranks=[1, 1, 3], n_candidates=[4])
        found = evaluation_of(experiment(evaluation=self.ASKED), data, part, shown)
        assert found.per_user["auc"].tolist() == [(2 / 2 + 1 / 2) / 2]
        assert found.per_user["topk_accuracy@2"].tolist() == [2 / 3]

    def test_a_model_that_leaves_lists_alone(self, case):
        found = evaluation_of(experiment(evaluation={"metrics": ["auc", "ndcg"]}), *case, lists(LISTS))
        assert list(found.overall) == ["ndcg@2"]

    @pytest.mark.parametrize("primary", ["auc", "reciprocal_rank", "topk_accuracy@2"])
    def test_a_primary_that_no_model_can_tell(self, case, primary):
        external = {"name": "external", "command": ["true"]}
        asked = {**self.ASKED, "primary": primary}
        with pytest.raises(InputError, match=f"^evaluation.primary: {primary} needs to know where every item stands"):
            refuse_nobody(experiment(evaluation=asked, models=[external]), *case)
        refuse_nobody(experiment(evaluation=asked, models=[external, "popularity"]), *case)

    def test_stored_and_read_again(self, tmp_path):
        lists(LISTS, **self.LEFT).save(tmp_path)
        again = Lists.load(tmp_path)
        for name, values in self.LEFT.items():
            assert getattr(again, name).tolist() == values
        assert again.predicted is None


class TestPredictedValues:
    PREDICTED = (3.0, 5.0, 2.0, 5.0, 1.0)
    ASKED = {"metrics": ["ndcg", "rmse", "mae"]}

    def test_pooled_over_rows(self, case):
        found = evaluation_of(experiment(evaluation=self.ASKED), *case, lists(LISTS, predicted=self.PREDICTED))
        assert list(found.overall) == ["ndcg@2", "rmse", "mae"]
        assert found.per_user["rmse"] == pytest.approx([1, np.sqrt(2), 0])
        assert found.per_user["mae"] == pytest.approx([1, 1, 0])
        assert found.overall["rmse"] == pytest.approx(np.sqrt((1 + 0 + 4 + 0) / 4))
        assert found.overall["mae"] == pytest.approx(3 / 4)
        assert set(found.cold) == {"ndcg@2"}

    def test_of_all_users(self, case):
        found = evaluation_of(
            experiment(evaluation={**self.ASKED, "users": "all"}), *case, lists(LISTS, predicted=self.PREDICTED)
        )
        assert found.overall["rmse"] == pytest.approx(np.sqrt((1 + 0 + 4 + 0 + 16) / 5))

    def test_over_all_rows_of_the_users_that_the_leaderboard_counts(self, case):
        """One number everywhere: what MLflow shows is what the leaderboard pools from the users' values."""
        data, part = case
        found = evaluation_of(
            experiment(evaluation=self.ASKED, positive=4.5),
            data,
            part,
            lists(LISTS[1:], users=(1, 2, 3), warm=(True, True, False), predicted=self.PREDICTED),
        )
        assert found.overall["rmse"] == pytest.approx(np.sqrt((0 + 4 + 0) / 3))
        table = pd_table(found)
        assert user_values(table, ["m"], ["rmse"]).means()["rmse"] == pytest.approx([found.overall["rmse"]])

    def test_a_model_that_predicts_none(self, case):
        found = evaluation_of(experiment(evaluation=self.ASKED), *case, lists(LISTS))
        assert list(found.overall) == list(found.per_user) == ["ndcg@2"]

    def test_nothing_else_was_asked_for(self, case):
        asked = {"metrics": ["rmse"], "primary": "rmse"}
        models = ["popularity", "mf"]
        silent = evaluation_of(experiment(evaluation=asked, models=models), *case, lists(LISTS))
        assert (silent.per_user, silent.overall, silent.intervals, silent.note) == ({}, {}, {}, None)
        assert silent.users.tolist() == [0, 1, 2]

    def test_interval_of_a_pooled_error(self):
        data, part = world(n_users=60)
        random = np.random.default_rng(0)
        predicted = np.asarray(data.value[part.test]) + random.normal(0, 1, len(part.test))
        users = np.unique(data.user[part.test])
        shown = Lists(users, np.ones(60, bool), np.zeros((60, 1), np.int32), np.zeros((60, 1), np.float32), predicted)
        asked = spec(evaluation={"metrics": ["ndcg", "rmse"], "k": [1], "primary": "ndcg@1"})
        found = evaluation_of(asked, data, part, shown)
        low, high = found.intervals["rmse"]
        assert low < found.overall["rmse"] < high
        assert high - low == pytest.approx(2 * 1.96 / np.sqrt(2 * 60), rel=0.35)


def pd_table(found):
    import pandas as pd

    keys = {"model": "m", "seed": 0, "fold": 0, "user": found.users, "rows": found.rows}
    return pd.DataFrame({**keys, **found.per_user})


class TestIntervals:
    @pytest.mark.parametrize(("n_users", "there"), [(FEWEST_USERS - 1, False), (FEWEST_USERS, True)])
    def test_from_thirty_users_on(self, n_users, there):
        data, part = world(n_users=n_users)
        users = np.unique(data.user[part.test])
        items = np.tile(np.arange(3, dtype=np.int32), (n_users, 1))
        found = evaluation_of(experiment(), data, part, Lists(users, np.ones(n_users, bool), items, items * 0.0))
        assert bool(found.intervals) == there
        assert (found.note is None) == there
        if there:
            assert set(found.intervals) == set(found.per_user)
            low, high = found.intervals["recall@2"]
            assert low < found.overall["recall@2"] < high
        else:
            assert "29 users are too few" in found.note


class TestNobody:
    def test_all_with_test_positives_are_cold(self, case):
        data, _ = case
        part = fold(data, test=[8])
        with pytest.raises(InputError) as caught:
            evaluation_of(experiment(), data, part, lists(LISTS[3:], users=(3,), warm=(False,)))
        assert str(caught.value) == (
            "split: none of the 1 user with test positives is in training; choose another split, or count cold users "
            "too: evaluation.users: all"
        )
        assert evaluation_of(
            experiment(evaluation={"users": "all"}), data, part, lists(LISTS[3:], users=(3,), warm=(False,))
        ).users.tolist() == [3]

    def test_the_fold_is_named(self, case):
        from dataclasses import replace

        data, _ = case
        with pytest.raises(InputError, match="split, window 2: none of the 1 user"):
            refuse_nobody(experiment(), data, replace(fold(data, test=[8]), name="window 2"))


def test_stored_and_read_again(case, tmp_path):
    data, part = case
    places = stored(tmp_path, data, part)
    fit, folder = tmp_path / "fit", tmp_path / "evaluation"
    fit.mkdir()
    folder.mkdir()
    lists(LISTS, predicted=TestPredictedValues.PREDICTED).save(fit)
    asked = experiment(evaluation={"metrics": ["ndcg", "rmse"]})
    evaluate_lists(asked, *places, fit, folder)
    found, again = evaluation_of(asked, data, part, Lists.load(fit)), Evaluation.load(folder)
    for name in ("overall", "n_cold", "cold", "note"):
        assert getattr(again, name) == getattr(found, name)
    assert again.intervals == {name: list(bounds) for name, bounds in found.intervals.items()}
    assert list(again.per_user) == list(found.per_user)
    assert all(np.array_equal(again.per_user[name], found.per_user[name]) for name in found.per_user)
    assert np.array_equal(again.users, found.users)
    assert np.array_equal(again.rows, found.rows)

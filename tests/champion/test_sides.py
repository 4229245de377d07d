"""One side on the window, worked by hand, and two sides against each other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from made import dataset, spec

from recsys.champion.gate import decide
from recsys.champion.sides import pair, side_of
from recsys.champion.window import window_fold
from recsys.experiment.lists import Lists
from recsys.experiment.retrain import Retrain

BEFORE = [("ann", "a", 5, 0), ("ann", "b", 2, 1), ("bob", "a", 4, 1), ("bob", "c", 4, 2), ("bob", "b", 1, 2)]
WINDOW = [("ann", "c", 5, 8), ("ann", "d", 1, 8), ("bob", "d", 2, 9), ("cat", "a", 5, 9), ("bob", "e", 5, 9)]


@pytest.fixture
def data():
    """Ann and Bob have rows before the window; Cat is new; e is an item that only the window has."""
    rows = BEFORE + WINDOW
    return dataset([row[:3] for row in rows], timestamps=[row[3] for row in rows])


def lists(data, by_user, predicted=None):
    users = np.array([data.users.parse(user) for user in by_user])
    items = np.array([[data.items.parse(item) if item else -1 for item in own] for own in by_user.values()])
    return Lists(users, np.ones(len(users), bool), items, np.zeros(items.shape, np.float32), predicted)


def experiment(primary="ndcg@2", **changes):
    metrics = [primary.partition("@")[0], "ndcg"]
    models = ["mf"] if primary in ("rmse", "mae") else ["popularity"]
    return spec(models=models, evaluation={"metrics": metrics, "k": [2], "primary": primary, **changes})


ALL = {"ann": "cd", "bob": "de", "cat": "ba"}


class TestSide:
    def test_by_hand(self, data):
        side = side_of(experiment(), data, window_fold(data, "5d"), lists(data, ALL))
        np.testing.assert_array_equal(side.before, [2, 3, 0])
        np.testing.assert_array_equal(side.counted, [True, True, False])
        np.testing.assert_array_equal(side.rows, [2, 2, 1])
        np.testing.assert_allclose(side.values, [1, 1, 1 / math.log2(3)])
        # Of the two users before the window both had a and b, one had c, nobody d and e, which count as one.
        np.testing.assert_allclose(side.novelty, [1.0, 1.0, 0.0])
        # c, d and e are shown to those who count, and candidates are a, b and c.
        assert side.coverage == pytest.approx(1.0)
        assert (side.k, side.primary, side.higher_is_better) == (2, "ndcg@2", True)

    def test_a_primary_that_reads_what_users_had(self, data):
        side = side_of(experiment("popularity_lift@2"), data, window_fold(data, "5d"), lists(data, ALL))
        # Ann and Bob had a and b, which both had; c is of one of them, d of nobody: a quarter on average.
        np.testing.assert_allclose(side.values, [1 / 4 - 1, 0 - 1, np.nan])

    def test_a_primary_of_ranks(self, data):
        found = lists(data, ALL)
        ranks = {"ranks": np.array([1, 2, 4, 1, 0]), "n_candidates": np.array([5, 5, 5])}
        side = side_of(experiment("reciprocal_rank"), data, window_fold(data, "5d"), replace(found, **ranks))
        assert side.values.tolist() == [1, 1 / 4, 1]
        assert np.isnan(side_of(experiment("auc"), data, window_fold(data, "5d"), found).values).all()

    def test_all_users_count_where_the_experiment_says_so(self, data):
        side = side_of(experiment(users="all"), data, window_fold(data, "5d"), lists(data, ALL))
        assert side.counted.all()

    def test_catalogue_as_candidates(self, data):
        side = side_of(experiment(candidates="catalogue"), data, window_fold(data, "5d"), lists(data, ALL))
        assert side.coverage == pytest.approx(3 / 5)

    def test_positives_alone_are_the_truth(self, data):
        asked = experiment().model_copy(update={"positive": 4.0})
        side = side_of(asked, data, window_fold(data, "5d"), lists(data, ALL))
        np.testing.assert_allclose(side.values, [1, 1 / math.log2(3), 1 / math.log2(3)])
        # A user's rows before the window count, positive or not, and so do those in it.
        np.testing.assert_array_equal(side.before, [2, 3, 0])
        np.testing.assert_array_equal(side.rows, [2, 2, 1])

    def test_what_was_measured(self, data):
        measured = {"recommend_seconds": 0.3, "model_bytes": 5_000_000}
        side = side_of(experiment(), data, window_fold(data, "5d"), lists(data, ALL), measured)
        assert (side.milliseconds, side.megabytes) == (pytest.approx(100), pytest.approx(5))
        nothing = side_of(experiment(), data, window_fold(data, "5d"), lists(data, ALL))
        assert math.isnan(nothing.milliseconds)
        assert math.isnan(nothing.megabytes)

    def test_rows_held_out_for_validation_are_before_the_window_too(self, data):
        side = side_of(experiment(), data, window_fold(data, "5d", validation=0.4), lists(data, ALL))
        np.testing.assert_array_equal(side.before, [2, 3, 0])

    def test_errors_of_predicted_values(self, data):
        fold = window_fold(data, "5d")
        predicted = data.value[fold.test] + np.array([1, -1, 2, 0, 4], dtype=np.float32)
        side = side_of(experiment("rmse"), data, fold, lists(data, ALL, predicted))
        np.testing.assert_allclose(side.values, [1, math.sqrt(10), 0], rtol=1e-6)
        assert (side.k, side.higher_is_better) == (2, False)

    def test_a_model_that_predicts_nothing_has_no_errors(self, data):
        side = side_of(experiment("rmse"), data, window_fold(data, "5d"), lists(data, ALL))
        assert np.isnan(side.values).all()
        assert pair(side, side).users == 0


@pytest.fixture
def values():
    random = np.random.default_rng(3)
    return random.beta(1, 2, 200), random.beta(1, 2, 200)


class TestPair:
    def test_gain_is_challenger_minus_champion(self, side, values):
        one, other = values
        found = pair(side(one), side(other))
        assert (found.users, found.enough, found.column) == (200, True, "ndcg@10")
        assert found.challenger.value == pytest.approx(one.mean())
        assert found.champion.value == pytest.approx(other.mean())
        assert found.gain.value == pytest.approx((one - other).mean())
        error = (one - other).std() / math.sqrt(200)
        assert found.gain.low == pytest.approx(found.gain.value - 1.96 * error, abs=0.1 * error)
        assert found.gain.high == pytest.approx(found.gain.value + 1.96 * error, abs=0.1 * error)

    def test_is_paired(self, side, values):
        """Two that move together are told apart where their own intervals are ten times as wide."""
        one, _ = values
        found = pair(side(one + 0.01), side(one))
        assert found.gain == pytest.approx((0.01, 0.01, 0.01))
        assert found.challenger.low < found.champion.value

    def test_with_itself_is_exactly_nothing(self, side, values):
        one, _ = values
        assert pair(side(one), side(one)).gain == (0, 0, 0)
        assert decide("refresh", pair(side(one), side(one)), [], Retrain(tolerance=0)).verdict == "promoted"

    def test_the_same_twice(self, side, values):
        assert pair(*map(side, values)) == pair(*map(side, values))

    @pytest.mark.parametrize("primary", ["rmse", "mae"])
    def test_an_error_that_falls_is_a_gain(self, side, values, primary):
        one, _ = values
        found = pair(side(one, primary), side(one + 0.2, primary))
        assert 0 < found.gain.low <= found.gain.value <= found.gain.high
        back = pair(side(one + 0.2, primary), side(one, primary))
        assert back.gain == pytest.approx((-found.gain.value, -found.gain.high, -found.gain.low))

    def test_errors_are_pooled_over_rows(self, side, values):
        one, other = values
        rows = np.random.default_rng(5).integers(1, 30, 200)
        found = pair(side(one, "rmse", rows=rows), side(other, "rmse", rows=rows))
        assert found.challenger.value == pytest.approx(math.sqrt((one**2 * rows).sum() / rows.sum()))
        plain = pair(side(one, "mae", rows=rows), side(other, "mae", rows=rows))
        assert plain.champion.value == pytest.approx((other * rows).sum() / rows.sum())

    def test_rows_do_not_weigh_ranks(self, side, values):
        one, other = values
        weighed = np.random.default_rng(5).integers(1, 30, 200)
        assert pair(side(one, rows=weighed), side(other, rows=weighed)) == pair(side(one), side(other))

    def test_only_users_that_count_and_have_a_value_on_both_sides(self, side, values):
        one, other = (each.copy() for each in values)
        counted = np.arange(200) >= 10
        one[20], other[30] = np.nan, np.nan
        found = pair(side(one, counted=counted), side(other, counted=counted))
        kept = counted & (np.arange(200) != 20) & (np.arange(200) != 30)
        assert found.users == 188
        assert found.gain.value == pytest.approx((one - other)[kept].mean())

    @pytest.mark.parametrize(("n", "enough"), [(0, False), (1, False), (29, False), (30, True)])
    def test_few_users(self, side, values, n, enough):
        one, other = values
        found = pair(side(one[:n]), side(other[:n]))
        assert (found.users, found.enough) == (n, enough)
        assert math.isnan(found.gain.low) == (not enough)
        assert decide("first", found, [], Retrain()).verdict == ("kept" if enough else "waiting")

    def test_other_users_or_metrics_are_refused(self, side, values):
        one, other = values
        with pytest.raises(ValueError, match="different windows or metrics"):
            pair(side(one), side(other[1:]))
        with pytest.raises(ValueError, match="different windows or metrics"):
            pair(side(one), side(other, "recall@10"))

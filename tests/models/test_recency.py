"""Old interactions weigh less, items of today more; by default neither happens."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from explained import assert_parts_sum_to_scores
from pydantic import ValidationError
from worlds import DAY, fitted, interactions, of_histories, taste_world, with_strangers

from recsys.models.base import ABOUT
from recsys.models.recency import MOST_HALVINGS, TimedConfig, TimedRecommender, half_lives, lift_of
from recsys.models.registry import BUILT_IN, model_class, open_model
from recsys.models.space import space_of
from recsys.models.vectors import VectorRecommender
from recsys.training.run import FitRun

TIMED = [name for name in BUILT_IN if issubclass(model_class(name), TimedRecommender)]
VECTORS = [name for name in TIMED if issubclass(model_class(name), VectorRecommender)]
MULTIPLIED = [name for name in TIMED if name != "two-tower"]


def config(name, **settings):
    """The settings of a model, with one epoch where it has any."""
    kind = model_class(name).Config
    return kind(name=name, **({"epochs": 1} if "epochs" in kind.model_fields else {}), **settings)


@pytest.fixture(scope="module")
def train():
    return taste_world()[0]


@pytest.fixture(scope="module")
def on(train):
    """Each model with both ways on, fitted once."""
    found = {}

    def of(name):
        if name not in found:
            found[name] = fitted(config(name, half_life_days=60, recency=1.0, recency_half_life_days=20), train)
        return found[name]

    return of


def test_the_models_that_know_of_time():
    expected = {"item-knn", "co-visitation", "ease", "slim", "rp3beta", "ials", "gf-cf", "pure-svd", "two-tower"}
    assert set(TIMED) == expected


class TestOff:
    @pytest.mark.parametrize("name", TIMED)
    def test_a_model_meets_the_very_rows_and_histories(self, name, train, monkeypatch):
        """Off is not a long half-life: nothing is computed, so that no bit can differ."""
        kind, met = model_class(name), []
        monkeypatch.setattr(kind, "fit", lambda self, rows, run: met.append(rows))
        model = kind(config(name))
        model.learn(train, FitRun())
        batch, scores = train.batch(np.arange(3)), np.ones((3, train.n_items))
        assert met[0] is train
        assert model.history(batch) is batch.history
        assert model.lifted(scores) is scores
        assert "lift" not in model.state
        assert not model.timed

    @pytest.mark.parametrize("name", TIMED)
    def test_it_is_tuned_and_off_by_default(self, name):
        space, kind = space_of(model_class(name).Config), model_class(name).Config(name=name)
        assert set(TimedConfig.model_fields) - {"name", "label"} <= set(space)
        assert kind.half_life_days is None
        assert kind.recency == 0
        assert None in space["half_life_days"]
        assert 0.0 in space["recency"]

    def test_a_model_stored_before_there_was_time_is_opened(self, train, tmp_path):
        model = fitted(config("ease"), train)
        model.save(tmp_path)
        about = json.loads((tmp_path / ABOUT).read_text())
        for key in ("half_life_days", "recency", "recency_half_life_days"):
            del about["settings"][key]
        (tmp_path / ABOUT).write_text(json.dumps(about))
        batch = train.batch(np.arange(3))
        assert np.array_equal(open_model(tmp_path).scores(batch), model.scores(batch))


class TestOn:
    @pytest.mark.parametrize("name", TIMED)
    def test_both_ways_matter(self, name, train, on):
        batch = train.batch(np.arange(20))
        off = fitted(config(name), train).scores(batch)
        for settings in ({"half_life_days": 60}, {"recency": 1.0}):
            assert not np.allclose(fitted(config(name, **settings), train).scores(batch), off, rtol=1e-3)

    @pytest.mark.parametrize("name", TIMED)
    def test_a_stranger_with_the_same_history_gets_the_same(self, name, train, on):
        users = np.arange(30)
        known, stranger = (on(name).scores(train.batch(users, known=known)) for known in (True, False))
        np.testing.assert_allclose(stranger, known, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("name", TIMED)
    def test_in_a_batch_as_alone(self, name, train, on):
        together = on(name).scores(train.batch(np.array([5, 2])))
        alone = on(name).scores(train.batch(np.array([2])))
        np.testing.assert_allclose(together[1], alone[0], rtol=1e-5, atol=1e-5 * np.abs(alone).max())

    @pytest.mark.parametrize("name", TIMED)
    def test_saved_and_opened(self, name, train, on, tmp_path):
        on(name).save(tmp_path)
        batch = train.batch(np.arange(20))
        assert np.array_equal(open_model(tmp_path).scores(batch), on(name).scores(batch))

    @pytest.mark.parametrize("name", [name for name in MULTIPLIED if name != "co-visitation"])
    def test_explanations_sum_to_the_scores(self, name, train, on):
        assert_parts_sum_to_scores(on(name), train)

    @pytest.mark.parametrize("name", VECTORS)
    def test_the_score_is_still_a_product_of_vectors(self, name, train, on):
        """What an index of vectors searches is all there is to the score."""
        model, batch = on(name), train.batch(np.arange(20))
        expected = model.user_vectors(batch) @ model.item_vectors.T + model.item_biases
        np.testing.assert_allclose(model.scores(batch), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(model.own_vectors * model.lift[:, None], model.item_vectors, rtol=1e-5)

    @pytest.mark.parametrize("name", MULTIPLIED)
    def test_recency_multiplies_scores(self, name, train):
        batch = train.batch(np.arange(20))
        fill = {"fill": False, "neighbors": 200} if name == "co-visitation" else {}
        plain, lifted = (fitted(config(name, recency=power, **fill), train).scores(batch) for power in (0.0, 1.0))
        kept = np.isfinite(plain)
        expected = (plain * lift_of(train, 30.0, 1.0))[kept]
        np.testing.assert_allclose(lifted[kept], expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())

    def test_recency_multiplies_the_chances_of_two_tower(self, train):
        """Its scores are their logarithms."""
        batch = train.batch(np.arange(20))
        plain, lifted = (fitted(config("two-tower", recency=power), train).scores(batch) for power in (0.0, 1.0))
        added = np.broadcast_to(np.log(lift_of(train, 30.0, 1.0)), plain.shape)
        np.testing.assert_allclose(lifted - plain, added, atol=1e-4)


class TestHalfLife:
    def test_what_is_fitted(self):
        # Item 1 shares a user with items 0 and 2; the user with item 2 was there two half-lives before.
        train = of_histories([[0, 1], [1, 2]], timestamp=[20 * DAY, 20 * DAY, 0, 0])
        model = fitted(model_class("item-knn").Config(similarity="cosine", shrinkage=0, half_life_days=10), train)
        dense = model.similarity.toarray()
        assert dense[1, 0] == pytest.approx(1 / np.sqrt(1 + 1 / 16))
        assert dense[1, 2] == pytest.approx(1 / 16 / np.sqrt(1 + 1 / 16) / 0.25)

    def test_what_is_read_counts_from_the_users_newest_positive(self):
        times = [0, 10 * DAY, 30 * DAY, 100 * DAY, 80 * DAY, 1000 * DAY]
        train = of_histories([[0, 1, 2], [1, 0], [2]], timestamp=times, positive=[1, 1, 1, 1, 1, 1])
        model = fitted(model_class("ease").Config(half_life_days=10), train)
        found = model.history(train.batch(np.array([1, 0]))).toarray()
        np.testing.assert_allclose(found, [[0.25, 1, 0], [0.125, 0.25, 1]])

    def test_what_is_no_positive_is_not_read_and_is_not_the_newest(self):
        train = of_histories([[0, 1, 2]], timestamp=[0, 10 * DAY, 500 * DAY], positive=[1, 1, 0])
        model = fitted(model_class("ease").Config(half_life_days=10), train)
        np.testing.assert_allclose(model.history(train.batch(np.array([0]))).toarray(), [[0.5, 1, 0]])

    def test_a_pair_that_occurs_twice_is_as_old_as_the_newer(self):
        train = interactions([0, 0, 0], [1, 0, 1], timestamp=[0, 30 * DAY, 20 * DAY])
        assert np.array_equal(train.ages.toarray(), [[0, 10]])

    def test_weights_of_the_data_count(self):
        train = of_histories([[0, 1]], timestamp=[0, 10 * DAY], weight=[4, 3])
        model = fitted(model_class("ease").Config(half_life_days=10), train)
        np.testing.assert_allclose(model.history(train.batch(np.array([0]))).toarray(), [[2, 3]])

    @pytest.mark.parametrize("name", TIMED)
    def test_nobody_vanishes(self, name):
        """Thousands of half-lives are no nothing, which many a model would divide by."""
        histories = [[0, 1, 2], [1, 2, 3], [0, 3, 4]]
        train = of_histories(histories, timestamp=np.arange(9) * 10_000 * DAY)
        scores = fitted(config(name, half_life_days=1, recency=2.0), train).scores(train.batch(np.arange(3)))
        assert np.isfinite(scores).all()
        assert fitted(config(name, half_life_days=1), train).history(train.batch(np.arange(3))).data.min() == (
            pytest.approx(0.5**MOST_HALVINGS)
        )

    def test_a_history_without_times_is_read_in_full(self, train, on):
        batch = with_strangers(train, [[3, 40, 7]]).batch(np.array([0]), known=False)
        assert on("ease").history(batch) is batch.history

    def test_without_a_clock_the_rows_span_a_year(self):
        rows = of_histories([[0, 1], [2, 3]])
        np.testing.assert_allclose(half_lives(rows, 73.0), np.array([3, 2, 1, 0]) / 4 * 5)
        own = replace(of_histories([[0, 1], [2, 3]], timestamp=[2, 1, 1, 2]), clock="order")
        np.testing.assert_allclose(half_lives(own, 73.0), np.array([0, 1, 1, 0]) / 2 * 5)
        fitted(model_class("ease").Config(half_life_days=30), own)

    def test_co_visitation_reads_the_newest_as_more(self):
        # Item 0 leads to 2 and item 1 to 3, once each; the user took 1 ten days after 0.
        train = of_histories([[0, 1], [0, 2], [1, 3]], timestamp=[0, 10 * DAY, 0, 0, 0, 0])
        model = fitted(model_class("co-visitation").Config(half_life_days=10), train)
        scores = model.scores(train.batch(np.array([0])))[0]
        np.testing.assert_allclose(scores[[2, 3]], [0.5, 1], rtol=1e-6)
        parts = model.explain(train.batch(np.array([0])), np.array([2, 3])).parts
        np.testing.assert_allclose(parts, [[0.5, 0], [0, 1]], rtol=1e-6)


class TestRecency:
    def test_a_share_of_what_is_recent(self):
        # Item 0: two positives of half a life each; item 1: one of today; item 2: one of today and a row that is none.
        train = of_histories([[0, 1, 2], [0, 2]], timestamp=[0, 7 * DAY, 7 * DAY, 0, 7 * DAY], positive=[1, 1, 1, 1, 0])
        np.testing.assert_allclose(lift_of(train, 7.0, 1.0), [2 / 3, 1, 1], rtol=1e-6)
        np.testing.assert_allclose(lift_of(train, 7.0, 2.0), [4 / 9, 1, 1], rtol=1e-6)

    @pytest.mark.parametrize("name", MULTIPLIED)
    def test_of_two_equals_the_recent_one_comes_first(self, name):
        """Items 1 and 2 go with item 0 equally often; item 2 only of late."""
        histories = [[0, 1]] * 12 + [[0, 2]] * 12 + [[3, 4]] * 12 + [[0]]
        times = np.repeat([0, 100 * DAY, 50 * DAY, 100 * DAY], [24, 24, 24, 1])
        train = of_histories(histories, timestamp=times)
        # Of full rank pure-svd gives each history back and nothing else.
        settings = {"embedding_size": 2} if name == "pure-svd" else {}
        scores = fitted(config(name, recency=1.0, **settings), train).scores(train.batch(np.array([36])))[0]
        assert scores[2] > scores[1]

    def test_what_fills_a_list_stays_behind(self):
        train = of_histories([[0, 1]] * 2 + [[2, 3]] * 5, timestamp=np.repeat([0, 900 * DAY], [4, 10]))
        model = fitted(model_class("co-visitation").Config(recency=2.0), train)
        scores = model.scores(of_histories([[0]], n_items=4).batch(np.array([0])))[0]
        assert scores[1] > scores[2:].max() > 0

    @pytest.mark.parametrize("settings", [{"half_life_days": 3}, {"recency": 0.5}])
    def test_predicted_values_know_no_time(self, settings):
        with pytest.raises(ValidationError, match="time plays no part"):
            model_class("item-knn").Config(similarity="co-rated", **settings)

"""The joint bootstrap: right in simulation, equal to scipy's, the same in any company."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from recsys.comparison.bootstrap import bootstrap


@pytest.fixture(scope="module")
def values():
    """500 users, 4 columns that hang together."""
    random = np.random.default_rng(11)
    return random.beta(1, 3, size=(500, 1)) + 0.1 * random.normal(size=(500, 4)) + [0, 0.01, 0.02, 0.05]


def test_agrees_with_scipy(values):
    mine = bootstrap(values, resamples=20_000)
    theirs = stats.bootstrap(
        (values[:, 0],), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    error = values[:, 0].std() / np.sqrt(500)
    found = mine.interval(0)
    assert found.value == pytest.approx(values[:, 0].mean())
    assert found.low == pytest.approx(theirs.low, abs=0.05 * error)
    assert found.high == pytest.approx(theirs.high, abs=0.05 * error)


def test_a_difference_is_the_interval_of_the_differences(values):
    found = bootstrap(values).difference(2, 0)
    apart = bootstrap((values[:, 2] - values[:, 0])[:, None]).interval(0)
    assert found == pytest.approx(apart, abs=1e-12)
    assert found.high - found.low < 0.7 * np.ptp(bootstrap(values).interval(0)[1:])


def test_a_column_is_the_same_in_any_company(values):
    whole = bootstrap(values, resamples=2000)
    for columns in ([0], [3, 0], [1, 2, 0]):
        part = bootstrap(values[:, columns], resamples=2000)
        np.testing.assert_allclose(part.resampled, whole.resampled[:, columns], rtol=1e-12)


def test_blocks_do_not_change_the_draws(values, monkeypatch):
    whole = bootstrap(values, resamples=300)
    for block in (1, 1700, 10**9):
        monkeypatch.setattr("recsys.comparison.bootstrap.BLOCK", block)
        np.testing.assert_allclose(bootstrap(values, resamples=300).resampled, whole.resampled, rtol=1e-12)


class TestGroups:
    """Of users beyond number, groups are drawn."""

    @pytest.fixture
    def many(self, monkeypatch):
        monkeypatch.setattr("recsys.comparison.bootstrap.MOST_UNITS", 2000)
        random = np.random.default_rng(5)
        return random.exponential(size=(9001, 1)) + 0.1 * random.normal(size=(9001, 2))

    def test_intervals_are_as_wide_as_those_of_users(self, many, monkeypatch):
        error, rows = 1.96 * many.std(axis=0) / np.sqrt(9001), np.random.default_rng(6).integers(1, 9, (9001, 1))
        for weights in (None, rows.astype(float)):
            grouped = bootstrap(many, 2000, weights=weights).intervals()
            with monkeypatch.context() as patch:
                patch.setattr("recsys.comparison.bootstrap.MOST_UNITS", 10_000)
                single = bootstrap(many, 2000, weights=weights).intervals()
            np.testing.assert_array_equal(grouped[:, 0], single[:, 0])
            np.testing.assert_allclose(grouped, single, atol=0.1 * error[0])
        assert np.diff(bootstrap(many, 4000).intervals()[:, 1:])[:, 0] == pytest.approx(2 * error, rel=0.06)

    def test_a_column_is_the_same_in_any_company(self, many):
        alone, both = bootstrap(many[:, [1]], 50).resampled, bootstrap(many, 50).resampled
        np.testing.assert_allclose(alone, both[:, [1]], rtol=1e-12)
        assert not np.array_equal(bootstrap(many, 50, seed=1).resampled, both)

    def test_as_many_users_as_groups_are_drawn_one_by_one(self, many, monkeypatch):
        few = many[:2000]
        drawn = bootstrap(few, 20).resampled
        monkeypatch.setattr("recsys.comparison.bootstrap.MOST_UNITS", 10_000)
        np.testing.assert_array_equal(bootstrap(few, 20).resampled, drawn)


def test_seeds(values):
    one, again, other = (bootstrap(values, resamples=100, seed=seed).resampled for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_coverage_in_simulation():
    """95 % intervals of skewed values hold the truth in about 95 % of 400 samples, differences too."""
    random = np.random.default_rng(0)
    held = np.zeros(2)
    for seed in range(400):
        shared = random.exponential(size=80)
        sample = np.stack([shared, shared + 0.3 * random.exponential(size=80) - 0.2], axis=1)
        drawn = bootstrap(sample, resamples=400, seed=seed)
        for i, (interval, truth) in enumerate([(drawn.interval(0), 1.0), (drawn.difference(1, 0), 0.1)]):
            held[i] += interval.low <= truth <= interval.high
    assert (held > 0.90 * 400).all()
    assert (held < 0.98 * 400).all()


def test_counts_are_those_of_a_loop(values):
    """The first resample, drawn by hand from the same generator."""
    drawn = np.random.default_rng(7).integers(0, 500, size=500)
    np.testing.assert_allclose(bootstrap(values, resamples=3, seed=7).resampled[0], values[drawn].mean(axis=0))


def test_few_users_have_no_interval(values):
    found = bootstrap(values[:29])
    assert found.observed == pytest.approx(values[:29].mean(axis=0))
    assert "29 users" in found.note
    assert np.isnan(found.intervals()[:, 1:]).all()
    assert np.isnan(found.differences(0)[:, 1:]).all()
    assert bootstrap(values[:30]).note is None


def test_no_users():
    found = bootstrap(np.empty((0, 2)))
    assert np.isnan(found.observed).all()
    assert "0 users" in found.note


class TestWeights:
    def test_ones_change_nothing(self, values):
        plain, weighted = bootstrap(values, 200), bootstrap(values, 200, weights=np.ones(values.shape))
        np.testing.assert_allclose(plain.resampled, weighted.resampled, rtol=1e-12)

    def test_a_weighted_mean(self, values):
        weights = np.arange(1.0, 501)[:, None]
        found = bootstrap(values, 200, weights=weights)
        np.testing.assert_allclose(found.observed, np.average(values, axis=0, weights=weights[:, 0]))
        drawn = np.random.default_rng(0).integers(0, 500, size=500)
        np.testing.assert_allclose(found.resampled[0], np.average(values[drawn], axis=0, weights=weights[drawn, 0]))

    def test_weight_zero_hides_a_user(self, values):
        hidden = values.copy()
        hidden[::2, 1] = np.nan
        weights = np.isfinite(hidden).astype(float)
        found = bootstrap(hidden, 200, weights=weights)
        assert found.observed[1] == pytest.approx(values[1::2, 1].mean())
        assert np.isfinite(found.intervals()).all()

    def test_a_column_with_few_users(self, values):
        weights = np.ones(values.shape)
        weights[20:, 1] = 0
        found = bootstrap(values, 200, weights=weights)
        assert np.isnan(found.intervals()[1, 1:]).all()
        assert np.isfinite(found.intervals()[[0, 2, 3]]).all()
        assert "20 users" in found.note


def test_nan_is_refused(values):
    broken = values.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        bootstrap(broken)

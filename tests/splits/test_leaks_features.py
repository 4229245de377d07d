"""Features made with rows of the test: what is refused, and what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.data.dataset import Entities
from recsys.splits.config import SPLITS
from recsys.splits.leaks import ERRORS, Case, check_fold
from recsys.splits.leaks_features import dates_after_the_cut, features_know_the_future, features_know_the_target
from recsys.splits.splitting import split

DAY = 86_400 * 10**6


def case_of(world, kind="random", positive=4):
    return Case(world, split(world, SPLITS[kind](kind=kind))[0], positive=positive)


def with_column(case, side, values, name="column", kind="number"):
    """The case with one feature of users or items, (n,)."""
    entities = getattr(case.data, side)
    described = Entities(entities.ids, pd.DataFrame({name: values}), {name: kind})
    return replace(case, data=replace(case.data, **{side: described}))


def counted(case, side, rows, weights=None):
    code = getattr(case.data, side.removesuffix("s"))
    return np.bincount(code[rows], weights=weights, minlength=len(getattr(case.data, side))).astype(float)


def everything(case):
    return np.arange(len(case.data))


class TestTarget:
    def test_a_count_of_all_rows_is_an_error(self, world):
        case = case_of(world)
        leaky = with_column(case, "items", counted(case, "items", everything(case)), name="popularity")
        (finding,) = check_fold(leaky, ERRORS)
        assert (finding.check, finding.severity) == ("features_know_the_target", "error")
        assert "column 'popularity' of 80 items: the number of rows, test rows included" in finding.message
        assert finding.count == len(finding.rows) == len(case.fold.test)

    def test_the_same_count_without_the_test_is_none(self, world):
        case = case_of(world)
        assert check_fold(with_column(case, "items", counted(case, "items", case.known)), ERRORS) == []

    @pytest.mark.parametrize("change", [np.log1p, np.negative, lambda x: x / x.sum(), lambda x: np.round(x * 1.5)])
    def test_units_make_no_difference(self, world, change):
        case = case_of(world)
        assert features_know_the_target(with_column(case, "items", change(counted(case, "items", everything(case)))))
        assert not features_know_the_target(with_column(case, "items", change(counted(case, "items", case.known))))

    @pytest.mark.parametrize("digits", [1, 2, 6])
    def test_a_rounded_mean_of_all_values(self, world, digits):
        case = case_of(world)

        def mean(rows):
            return (counted(case, "users", rows, case.data.value[rows]) / counted(case, "users", rows)).round(digits)

        finding = features_know_the_target(with_column(case, "users", mean(everything(case))))
        assert "the mean value, test rows included" in finding.message
        assert not features_know_the_target(with_column(case, "users", mean(case.known)))

    def test_the_number_of_a_users_test_rows(self, world):
        case = case_of(world)
        leaky = with_column(case, "users", counted(case, "users", case.fold.test))
        assert "of the test alone" in features_know_the_target(leaky).message

    def test_shares_of_positives(self, world):
        case = case_of(world)
        rows = everything(case)
        liked = counted(case, "items", rows, case.data.value >= 4) / counted(case, "items", rows)
        assert "share of positives" in features_know_the_target(with_column(case, "items", liked)).message

    def test_what_goes_with_popularity_and_was_not_made_of_it(self, world):
        """A count elsewhere, of rank correlation 0.9 and more with the one here."""
        case = case_of(world)
        count = counted(case, "items", everything(case))
        elsewhere = 100 * count + np.random.default_rng(0).normal(0, 150, len(count))
        assert pd.Series(elsewhere).corr(pd.Series(count), method="spearman") > 0.9
        assert not features_know_the_target(with_column(case, "items", elsewhere))

    def test_few_and_constant_ones_prove_nothing(self, make):
        data = make([0, 0, 1, 1, 2, 2] * 10, list(range(60)))
        fold = split(data, SPLITS["random"](kind="random"))[0]
        case = Case(data, fold)
        assert not features_know_the_target(with_column(case, "users", np.full(3, 20.0)))
        assert not features_know_the_target(with_column(case, "items", np.ones(60)))

    @pytest.mark.parametrize("titled", [False, True])
    def test_the_last_item_of_each_user(self, world, titled):
        case = case_of(world, "leave-one-out")
        if titled:
            case = with_column(case, "items", [f"Film {i}" for i in range(80)], name="title", kind="text")
        last = np.full(300, np.nan, dtype=object)
        names = case.data.items.features["title"] if titled else case.data.items.ids.astype(str)
        last[case.data.user[case.fold.test]] = np.asarray(names)[case.data.item[case.fold.test]]
        finding = features_know_the_target(with_column(case, "users", pd.Series(last, dtype="str"), kind="category"))
        assert "an item of their test" in finding.message
        first = pd.Series(np.roll(last, 1), dtype="str")
        assert not features_know_the_target(with_column(case, "users", first, kind="category"))


class TestFuture:
    @pytest.mark.parametrize("unit", [1, 10**6, DAY])
    @pytest.mark.parametrize("kind", ["user-temporal", "temporal"])
    def test_the_time_of_the_newest_row(self, world, kind, unit):
        case = case_of(world, kind)

        def newest(rows):
            found = pd.Series(case.data.timestamp[rows]).groupby(case.data.user[rows]).max()
            return (found.reindex(range(300)) / unit).to_numpy()

        (finding,) = check_fold(with_column(case, "users", newest(everything(case)), name="last_seen"), ERRORS)
        assert finding.check == "features_know_the_future"
        assert "column 'last_seen'" in finding.message
        assert not features_know_the_future(with_column(case, "users", newest(case.known)))

    def test_dates_as_text(self, world):
        case = case_of(world, "user-temporal")
        newest = pd.Series(case.data.timestamp).groupby(case.data.user).max()
        days = pd.to_datetime(newest, unit="us").dt.strftime("%Y-%m-%d").reindex(range(300))
        assert features_know_the_future(with_column(case, "users", days.astype("str"), kind="text"))

    def test_the_first_row_is_no_secret(self, world):
        case = case_of(world)
        first = pd.Series(case.data.timestamp).groupby(case.data.user).min().reindex(range(300)).to_numpy(float)
        assert check_fold(with_column(case, "users", first, name="joined_at"), ERRORS) == []

    def test_dates_after_the_cut_are_a_warning(self, world):
        case = case_of(replace(world, timestamp=world.timestamp + 18_000 * DAY), "temporal")  # in 2019
        cut = case.data.timestamp[case.known].max() / DAY
        ends = np.full(300, cut - 10.0)
        assert not dates_after_the_cut(with_column(case, "users", ends, name="end_date"))
        ends[:60] = cut + 20
        finding = dates_after_the_cut(with_column(case, "users", ends, name="end_date"))
        assert finding.severity == "warning"
        assert "column 'end_date' of 60 users" in finding.message
        assert set(case.data.user[finding.rows]) <= set(range(60))
        assert not dates_after_the_cut(with_column(case, "users", ends, name="weight"))  # small numbers, no date

    def test_under_no_cut_there_is_nothing_after_it(self, world):
        case = case_of(world, "random")
        assert not dates_after_the_cut(with_column(case, "users", np.full(300, 9e9), name="end_date"))

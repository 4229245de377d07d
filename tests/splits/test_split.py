"""Every splitter: rows accounted for, the same again, and cut where it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from recsys.errors import InputError
from recsys.splits.config import SPLITS, SplitConfig, microseconds
from recsys.splits.fold import PARTS, Fold, shown_rows, training_rows
from recsys.splits.splitting import SPLITTERS, split

DAY = 86_400 * 10**6
CONFIG = TypeAdapter(SplitConfig)
EXAMPLES = [
    {"kind": "random"},
    {"kind": "leave-one-out"},
    {"kind": "leave-one-out", "order": "random", "validation": 0.5},
    {"kind": "temporal"},
    {"kind": "user-temporal"},
    {"kind": "k-fold"},
    {"kind": "cold-users"},
    {"kind": "cold-users", "history": 0.5},
    {"kind": "rolling", "window": "7d"},
    {"kind": "predefined", "test": "test.csv", "validation": "validation.csv"},
    {"kind": "predefined", "test": "test.csv", "validation": 0.25},
]


def rows_of(fold):
    return np.concatenate([getattr(fold, part) for part in PARTS])


@pytest.mark.parametrize("settings", EXAMPLES, ids=lambda settings: " ".join(map(str, settings.values())))
class TestEverySplitter:
    """What holds whatever the kind."""

    def test_every_row_is_in_exactly_one_part(self, world, settings):
        for fold in split(world, CONFIG.validate_python(settings)):
            rows = rows_of(fold)
            assert len(np.unique(rows)) == len(rows)
            if settings["kind"] != "rolling":
                np.testing.assert_array_equal(np.sort(rows), np.arange(len(world)))

    def test_rows_ascend(self, world, settings):
        for fold in split(world, CONFIG.validate_python(settings)):
            for part in PARTS:
                rows = getattr(fold, part)
                assert rows.dtype == np.int64
                assert (np.diff(rows) > 0).all()

    def test_no_part_is_empty(self, world, settings):
        for fold in split(world, CONFIG.validate_python(settings)):
            assert len(fold.train)
            assert len(fold.validation)
            assert len(fold.test)

    def test_the_same_again(self, world, settings):
        config = CONFIG.validate_python(settings)
        for one, other in zip(split(world, config), split(world, config), strict=True):
            for part in PARTS:
                np.testing.assert_array_equal(getattr(one, part), getattr(other, part))

    def test_saved_and_loaded(self, world, settings, tmp_path):
        for fold in split(world, CONFIG.validate_python(settings)):
            folder = tmp_path / str(fold.number)
            folder.mkdir()
            fold.save(folder)
            loaded = Fold.load(folder)
            assert (loaded.number, loaded.name) == (fold.number, fold.name)
            for part in PARTS:
                np.testing.assert_array_equal(getattr(loaded, part), getattr(fold, part))


@pytest.mark.parametrize("place", [0, 2, 5, 6, 7, 10])
def test_another_seed_is_another_split(world, place):
    config = CONFIG.validate_python(EXAMPLES[place])
    one, other = split(world, config)[0], split(world, config.model_copy(update={"seed": 43}))[0]
    assert not np.array_equal(one.validation, other.validation)


def test_every_kind_is_tried():
    assert set(SPLITS) == set(SPLITTERS) == {settings["kind"] for settings in EXAMPLES}
    assert all(kind == config.model_fields["kind"].annotation.__args__[0] for kind, config in SPLITS.items())


class TestRandom:
    def test_is_one_permutation(self, world):
        (fold,) = split(world, SPLITS["random"]())
        order = np.random.default_rng(42).permutation(4000)
        np.testing.assert_array_equal(fold.test, np.sort(order[3200:]))
        np.testing.assert_array_equal(fold.validation, np.sort(order[2880:3200]))

    def test_without_validation(self, world):
        (fold,) = split(world, SPLITS["random"](validation=0))
        assert [len(fold.train), len(fold.validation), len(fold.test)] == [3200, 0, 800]

    @settings(max_examples=50)
    @given(st.floats(0.05, 0.6), st.floats(0, 0.3))
    def test_sizes(self, world, test, validation):
        (fold,) = split(world, SPLITS["random"](test=test, validation=validation))
        fitted = round((1 - test) * 4000)
        train = round((1 - validation) * fitted)
        assert [len(fold.train), len(fold.validation), len(fold.test)] == [train, fitted - train, 4000 - fitted]


class TestLeaveOneOut:
    def test_last_in_time_then_next_to_last(self, make):
        data = make([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0], timestamp=[3, 9, 3, 5, 5, 1])
        (fold,) = split(data, SPLITS["leave-one-out"](kind="leave-one-out"))
        # User 0: rows 0 and 2 share a time and keep their order. User 1: likewise. User 2 has one row, which stays.
        np.testing.assert_array_equal(fold.test, [1, 4])
        np.testing.assert_array_equal(fold.validation, [2])
        np.testing.assert_array_equal(fold.train, [0, 3, 5])

    def test_order_of_rows_where_there_are_no_times(self, make):
        (fold,) = split(make([1, 0, 1, 0], [0, 0, 1, 1]), SPLITS["leave-one-out"](kind="leave-one-out"))
        np.testing.assert_array_equal(fold.test, [2, 3])

    def test_only_an_order_of_each_user_is_enough(self, make):
        data = make([0, 0, 1, 1], [0, 1, 0, 1], timestamp=[2, 1, 1, 2], clock="order")
        np.testing.assert_array_equal(split(data, SPLITS["leave-one-out"](kind="leave-one-out"))[0].test, [0, 3])

    def test_one_row_a_user(self, world):
        (fold,) = split(world, SPLITS["leave-one-out"](kind="leave-one-out", order="random", validation=0.25))
        counts = np.bincount(world.user)
        np.testing.assert_array_equal(np.bincount(world.user[fold.test], minlength=300), counts > 1)
        assert len(fold.validation) == round(0.25 * np.count_nonzero(counts > 2))
        assert np.bincount(world.user[fold.validation]).max() == 1


class TestTemporal:
    def test_newest_rows_with_ties_in_their_order(self, make):
        data = make([0, 1, 2, 3, 4], [0, 1, 2, 3, 4], timestamp=[5, 7, 5, 5, 1])
        (fold,) = split(data, SPLITS["temporal"](kind="temporal", test=0.4, validation=0.34))
        np.testing.assert_array_equal(fold.test, [1, 3])
        np.testing.assert_array_equal(fold.validation, [2])

    def test_nothing_is_newer_than_the_test(self, world):
        (fold,) = split(world, SPLITS["temporal"](kind="temporal"))
        times = world.timestamp
        assert times[fold.train].max() <= times[fold.validation].min()
        assert times[fold.validation].max() <= times[fold.test].min()
        assert len(fold.test) == 800

    def test_order_of_rows_where_there_are_no_times(self, make):
        (fold,) = split(make([0, 1, 0, 1, 0], [0] * 5), SPLITS["temporal"](kind="temporal", validation=0))
        np.testing.assert_array_equal(fold.test, [4])

    @pytest.mark.parametrize("kind", ["temporal", "rolling"])
    def test_users_without_a_common_clock_are_refused(self, make, kind):
        data = make([0, 0, 1, 1], [0, 1, 0, 1], timestamp=[1, 2, 1, 2], clock="order")
        with pytest.raises(InputError, match="user-temporal or leave-one-out"):
            split(data, SPLITS[kind](kind=kind))


class TestUserTemporal:
    def test_newest_share_of_each(self, make):
        data = make([0] * 5 + [1] * 2 + [2], [0, 1, 2, 3, 4, 0, 1, 0], timestamp=[5, 4, 3, 2, 1, 1, 2, 9])
        (fold,) = split(data, SPLITS["user-temporal"](kind="user-temporal", test=0.4, validation=0.3))
        np.testing.assert_array_equal(fold.test, [0, 1, 6])
        np.testing.assert_array_equal(fold.validation, [2])
        np.testing.assert_array_equal(fold.train, [3, 4, 5, 7])

    def test_everyone_keeps_a_row(self, world):
        (fold,) = split(world, SPLITS["user-temporal"](kind="user-temporal", test=0.9, validation=0.09))
        np.testing.assert_array_equal(np.unique(world.user[fold.train]), np.unique(world.user))

    def test_a_user_is_tested_on_the_newest(self, world):
        (fold,) = split(world, SPLITS["user-temporal"](kind="user-temporal"))
        for user in range(300):
            train, test = (rows[world.user[rows] == user] for rows in (fold.train, fold.test))
            if len(test):
                assert world.timestamp[train].max() <= world.timestamp[test].min()


class TestKFold:
    def test_every_row_is_tested_once(self, world):
        folds = split(world, SPLITS["k-fold"](kind="k-fold", folds=7))
        np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(4000))
        assert {len(fold.test) for fold in folds} == {571, 572}
        assert [fold.number for fold in folds] == list(range(7))
        assert len({fold.name for fold in folds}) == 7


class TestColdUsers:
    def test_test_users_are_unknown(self, world):
        (fold,) = split(world, SPLITS["cold-users"](kind="cold-users"))
        users = [set(world.user[getattr(fold, part)]) for part in PARTS]
        assert not users[0] & users[1]
        assert not (users[0] | users[1]) & users[2]
        assert len(users[2]) == 60
        assert not len(fold.history)

    def test_history_is_the_oldest_share(self, make):
        data = make([0] * 4 + [1] * 4, [0, 1, 2, 3] * 2, timestamp=[4, 3, 2, 1, 1, 2, 3, 4])
        (fold,) = split(data, SPLITS["cold-users"](kind="cold-users", test=0.5, validation=0, history=0.5))
        held = int(data.user[fold.test[0]])
        np.testing.assert_array_equal(fold.history, [[2, 3], [4, 5]][held])
        np.testing.assert_array_equal(fold.test, [[0, 1], [6, 7]][held])

    def test_one_row_is_left_to_predict(self, world):
        (fold,) = split(world, SPLITS["cold-users"](kind="cold-users", history=0.99))
        assert set(world.user[fold.history]) <= set(world.user[fold.test]) | set(world.user[fold.validation])
        np.testing.assert_array_equal(np.bincount(world.user[fold.test])[np.unique(world.user[fold.test])], 1)

    def test_refit_takes_validation_users_whole(self, world):
        (fold,) = split(world, SPLITS["cold-users"](kind="cold-users", history=0.5))
        np.testing.assert_array_equal(training_rows(world, fold, refit=False), fold.train)
        fitted = training_rows(world, fold, refit=True)
        test_users = np.unique(world.user[fold.test])
        np.testing.assert_array_equal(fitted, np.flatnonzero(~np.isin(world.user, test_users)))
        shown = shown_rows(world, fold, refit=True)
        np.testing.assert_array_equal(shown, np.setdiff1d(np.arange(4000), fold.test))


class TestRolling:
    def test_windows_end_with_the_newest_row(self, make):
        times = np.array([0, 5, 6, 7, 8, 9, 10]) * DAY
        data = make([0] * 7, range(7), timestamp=times)
        folds = split(data, SPLITS["rolling"](kind="rolling", window="2d", folds=2, validation=0))
        # Windows (6, 8] and (8, 10]: the second ends just after the newest row.
        np.testing.assert_array_equal(folds[0].test, [3, 4])
        np.testing.assert_array_equal(folds[0].train, [0, 1, 2])
        np.testing.assert_array_equal(folds[1].test, [5, 6])
        np.testing.assert_array_equal(folds[1].train, [0, 1, 2, 3, 4])
        assert folds[1].name == "1970-01-09 00:00:00 to 1970-01-11 00:00:00"

    def test_train_is_before_the_window(self, world):
        for fold in split(world, SPLITS["rolling"](kind="rolling", window="7d", folds=4)):
            assert world.timestamp[fold.train].max() <= world.timestamp[fold.validation].min()
            assert world.timestamp[fold.validation].max() < world.timestamp[fold.test].min()

    @pytest.mark.parametrize(("window", "message"), [("2w", "leave nothing to train on"), ("1d", "no row falls in")])
    def test_windows_that_do_not_fit(self, make, window, message):
        data = make([0] * 3, range(3), timestamp=np.array([0, 1, 9]) * DAY)
        with pytest.raises(InputError, match=message):
            split(data, SPLITS["rolling"](kind="rolling", window=window, folds=3))

    def test_without_times(self, make):
        with pytest.raises(InputError, match="timestamps"):
            split(make([0, 0], [0, 1]), SPLITS["rolling"](kind="rolling"))

    def test_durations(self):
        assert microseconds("90s") == 90 * 10**6
        assert microseconds("30min") == 30 * 60 * 10**6
        assert microseconds("12h") == DAY // 2


class TestPredefined:
    def test_parts_are_as_they_came(self, world):
        config = SPLITS["predefined"](kind="predefined", test="t.csv", validation="v.csv")
        (fold,) = split(world, config)
        for part, code in (("train", 0), ("test", 1), ("validation", 2)):
            np.testing.assert_array_equal(getattr(fold, part), np.flatnonzero(world.part == code))

    def test_a_share_for_validation(self, world):
        data = world.__class__(**{**world.__dict__, "part": np.where(world.part == 2, 0, world.part)})
        (fold,) = split(data, SPLITS["predefined"](kind="predefined", test="t.csv", validation=0.25))
        np.testing.assert_array_equal(fold.test, np.flatnonzero(data.part == 1))
        assert len(fold.validation) == np.count_nonzero(data.part == 0) - round(0.75 * np.count_nonzero(data.part == 0))

    def test_a_source_without_parts(self, make):
        with pytest.raises(InputError, match="test file"):
            split(make([0, 0], [0, 1]), SPLITS["predefined"](kind="predefined", test="t.csv"))

    def test_nothing_to_train_on(self, make):
        with pytest.raises(InputError, match="no rows to train on"):
            split(make([0, 0], [0, 1], part=[1, 1]), SPLITS["predefined"](kind="predefined", test="t.csv"))


class TestBadInput:
    @pytest.mark.parametrize("kind", ["random", "temporal"])
    def test_too_few_rows_for_a_test(self, make, kind):
        with pytest.raises(InputError, match="no test rows among 2") as caught:
            split(make([0, 1], [0, 1]), SPLITS[kind](kind=kind))
        assert caught.value.place == "split.test"
        assert caught.value.exit_status == 2

    def test_users_with_one_row_each(self, make):
        with pytest.raises(InputError, match="no test rows"):
            split(make([0, 1, 2], [0, 1, 2]), SPLITS["leave-one-out"](kind="leave-one-out"))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"kind": "random", "test": 0},
            {"kind": "random", "test": 1},
            {"kind": "random", "test": -0.1},
            {"kind": "random", "test": float("nan")},
            {"kind": "random", "test": 0.6, "validation": 0.4},
            {"kind": "random", "validation": 1},
            {"kind": "random", "seed": -1},
            {"kind": "random", "folds": 3},
            {"kind": "leave-one-out", "order": "value"},
            {"kind": "leave-one-out", "validation": 1.1},
            {"kind": "k-fold", "folds": 1},
            {"kind": "k-fold", "folds": 2, "validation": 0.5},
            {"kind": "cold-users", "history": 1},
            {"kind": "rolling", "window": "14"},
            {"kind": "rolling", "window": "0d"},
            {"kind": "rolling", "folds": 0},
            {"kind": "predefined"},
            {"kind": "predefined", "test": ""},
            {"kind": "predefined", "test": "t.csv", "validation": 1.5},
            {"kind": "holdout"},
            {},
        ],
        ids=str,
    )
    def test_refused_by_the_schema(self, wrong):
        with pytest.raises(ValidationError):
            CONFIG.validate_python(wrong)

    def test_bounds_stand_in_the_json_schema(self):
        schema = SPLITS["random"].model_json_schema()["properties"]["test"]
        assert (schema["exclusiveMinimum"], schema["exclusiveMaximum"]) == (0, 1)

    def test_configs_can_be_keys(self):
        assert len({CONFIG.validate_json('{"kind": "random"}'), SPLITS["random"]()}) == 1


@pytest.mark.parametrize("kind", ["temporal", "user-temporal", "leave-one-out"])
def test_rows_without_an_order_are_not_cut_in_time(make, kind):
    with pytest.raises(InputError, match=f"^split.kind: {kind}.* needs an order in time"):
        split(make([0, 0, 1, 1], [0, 1, 0, 1], clock="none"), SPLITS[kind](kind=kind))

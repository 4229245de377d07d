"""What the process of a model does: which rows it fits on, when it watches, whose lists it makes and of what."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from made import dataset, fold, job, spec, world
from made.models import Constant, GoingOn, Oracle, Watcher

from recsys.data.interactions import training_view
from recsys.errors import InputError, RunError
from recsys.experiment.candidates import candidate_mask, unknown_pairs
from recsys.experiment.cells import job_of
from recsys.experiment.fit import fit_and_recommend, make_lists
from recsys.experiment.lists import Lists
from recsys.models.registry import open_model
from recsys.splits.fold import training_rows

pytestmark = pytest.mark.usefixtures("models")

# Users 1, 2 and 3 train; 4 shows one row and is tested on another; 5 is only tested. Item 60 is only tested, 70 unused.
ROWS = [
    *((1, 10), (1, 20), (2, 20), (2, 30), (3, 10), (3, 30), (3, 40)),
    *((1, 30), (1, 60), (2, 10), (4, 20), (5, 10)),
    (4, 10),
]
TEST, HISTORY = range(7, 12), [12]


@pytest.fixture
def small():
    data = dataset([(*row, 5.0) for row in ROWS], items=[70])
    return data, fold(data, test=TEST, history=HISTORY)


def fitted(kind, data, part, **settings):
    """A model of made.models fitted on the training part, and that part."""
    from recsys.training.run import FitRun

    train = training_view(data, part.train, None, None, settings.pop("catalogue", False))
    model = kind(kind.Config(**settings))
    model.learn(train, FitRun())
    return model, train


def lists_of(tmp_path, small, kind=Constant, evaluation=None, catalogue=False, settings=None, **changes):
    """The lists of a made model, as {user id: item ids}, with Lists itself."""
    data, part = small
    experiment = spec(models=["constant"], evaluation={"k": [3], "primary": "ndcg@3", **(evaluation or {})})
    model, train = fitted(kind, data, part, catalogue=catalogue, **(settings or {}))
    found = make_lists(job(tmp_path, data, part, experiment, **changes), data, part, model, train)
    ids = data.items.ids
    shown = {
        int(data.users.ids[user]): [int(ids[item]) for item in items if item >= 0]
        for user, items in zip(found.users, found.items, strict=True)
    }
    return shown, found


class TestLists:
    def test_everybody_with_a_test_positive_and_what_they_have_not_seen(self, tmp_path, small):
        shown, found = lists_of(tmp_path, small)
        # user 4 has shown item 10, user 5 nothing
        assert shown == {1: [30, 40], 2: [10, 40], 4: [20, 30, 40], 5: [10, 20, 30]}
        assert found.users.tolist() == [0, 1, 3, 4]
        assert found.warm.tolist() == [True, True, False, False]
        assert found.items.shape == found.scores.shape == (4, 3)
        assert found.predicted is None

    def test_a_list_that_ends_early_is_padded(self, tmp_path, small):
        _, found = lists_of(tmp_path, small)
        assert found.items[0].tolist() == [2, 3, -1]
        assert found.scores[0].tolist() == [0, 0, -np.inf]

    def test_more_places_than_items(self, tmp_path, small):
        shown, found = lists_of(tmp_path, small, evaluation={"k": [50], "primary": "ndcg@50"})
        assert found.items.shape == (4, 50)
        assert shown[5] == [10, 20, 30, 40]

    def test_seen_items_too(self, tmp_path, small):
        shown, _ = lists_of(tmp_path, small, evaluation={"exclude_seen": False})
        assert shown == {user: [10, 20, 30] for user in (1, 2, 4, 5)}

    def test_the_best_come_first(self, tmp_path, small):
        settings = {"wanted": ("1 40", "4 30", "5 40", "2 40")}
        shown, found = lists_of(tmp_path, small, Oracle, settings=settings)
        assert {user: items[0] for user, items in shown.items()} == {1: 40, 2: 40, 4: 30, 5: 40}
        assert (found.scores[:, 0] == 1).all()

    def test_the_whole_catalogue(self, tmp_path, small):
        shown, _ = lists_of(
            tmp_path, small, evaluation={"k": [9], "primary": "ndcg@9", "candidates": "catalogue"}, catalogue=True
        )
        assert shown[1] == [30, 40, 60, 70]
        assert shown[5] == [10, 20, 30, 40, 60, 70]

    def test_a_file_of_candidates(self, tmp_path, small):
        file = tmp_path / "pairs.csv"
        # an unknown item, an unknown user, a pair twice, a pair of nobody with a test, and one that was seen
        file.write_text("user,item\n1,40\n1,60\n1,99\n9,10\n1,40\n3,20\n1,10\n5,30\n5,20\n")
        shown, _ = lists_of(tmp_path, small, evaluation={"candidates": str(file)})
        assert shown == {1: [40], 2: [], 4: [], 5: [20, 30]}

    def test_only_users_with_positives(self, tmp_path):
        data = dataset([(1, 10, 5.0), (1, 20, 2.0), (2, 10, 4.0), (2, 20, 5.0), (3, 20, 5.0)])
        part = fold(data, test=[1, 3])
        shown, _ = lists_of(tmp_path, (data, part), positive=4.0)
        assert shown == {2: [20]}
        shown, _ = lists_of(tmp_path, (data, part))
        assert shown == {1: [20], 2: [20]}

    def test_string_ids(self, tmp_path):
        data, part = world(n_users=8, strings=True)
        experiment = spec(models=["constant"])
        model, train = fitted(Constant, data, part)
        found = make_lists(job(tmp_path, data, part, experiment), data, part, model, train)
        assert found.warm.all()
        seen = {(user, item) for user, item in zip(data.user[part.train], data.item[part.train], strict=True)}
        assert not any(
            (user, item) in seen for user, items in zip(found.users, found.items, strict=True) for item in items
        )

    def test_stored_and_read_again(self, tmp_path, small):
        _, found = lists_of(tmp_path, small)
        place = tmp_path / "lists"
        place.mkdir()
        found.save(place)
        again = Lists.load(place)
        for name in ("users", "warm", "items", "scores"):
            assert np.array_equal(getattr(again, name), getattr(found, name))
        assert again.predicted is None


class TestCandidateMask:
    def test_named_ones_need_no_mask(self, small):
        data, part = small
        _, train = fitted(Constant, data, part)
        assert candidate_mask("train", data, train, np.array([0])) is None
        assert candidate_mask("catalogue", data, train, np.array([0])) is None

    def test_a_row_a_user_in_codes_of_training(self, small, tmp_path):
        data, part = small
        _, train = fitted(Constant, data, part)
        (tmp_path / "c.csv").write_text("user,item\n4,40\n1,20\n4,40\n2,10\n")
        mask = candidate_mask(str(tmp_path / "c.csv"), data, train, np.array([0, 3]))
        assert mask.toarray().tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("nosuch,nope\n", "names a user of the data and an item of training: nosuch, nope"),
            ("1,nope\n", "names a user of the data and an item of training: 1, nope"),
            ("1,70\n", "names a user of the data and an item of training: 1, 70"),
            ("a,b\nc,d\ne,f\ng,h\n", "names a user of the data and an item of training: a, b; c, d; e, f …"),
            ("1,10\n2,nope\n2,no\n", "names no item of the data for user 2: 2, nope; 2, no"),
            ("1,10\n2,nope\n3,no\n", "names no item of the data for user 2, nor of 1 more user: 2, nope"),
        ],
    )
    def test_what_would_only_give_zeros(self, small, tmp_path, text, said):
        data, part = small
        _, train = fitted(Constant, data, part)
        (tmp_path / "c.csv").write_text(f"user,item\n{text}")
        with pytest.raises(InputError) as caught:
            candidate_mask(str(tmp_path / "c.csv"), data, train, np.array([0]))
        assert caught.value.place == "evaluation.candidates"
        assert caught.value.message.endswith(said)
        assert caught.value.remedy == "write users and items as the data name them"

    @pytest.mark.parametrize("text", ["1,10\nnosuch,10\n", "1,10\n1,nope\n", "1,10\n2,60\n", "1,10\n2,70\n"])
    def test_some_that_are_unknown_may_be_honest(self, small, tmp_path, text):
        data, part = small
        _, train = fitted(Constant, data, part)
        (tmp_path / "c.csv").write_text(f"user,item\n{text}")
        assert candidate_mask(str(tmp_path / "c.csv"), data, train, np.array([0])).sum() == 1

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("1,10\n2,60\n", None),
            (
                "1,10\nnosuch,nope\n1,no\n",
                "2 of 3 pairs of {} name a user or an item that the data lack: nosuch, nope; 1, no",
            ),
        ],
    )
    def test_unknown_pairs_are_told(self, small, tmp_path, text, said):
        path = str(tmp_path / "c.csv")
        (tmp_path / "c.csv").write_text(f"user,item\n{text}")
        assert unknown_pairs(path, small[0]) == (said and said.format(path))
        assert unknown_pairs("train", small[0]) is None

    def test_a_table_without_the_columns(self, small, tmp_path):
        data, part = small
        _, train = fitted(Constant, data, part)
        (tmp_path / "c.csv").write_text("who,what\n4,40\n")
        with pytest.raises(InputError, match=r"evaluation\.candidates"):
            candidate_mask(str(tmp_path / "c.csv"), data, train, np.array([0]))


class TestFit:
    """What `fit_and_recommend` fits, in which order, and what it leaves."""

    @pytest.fixture
    def run(self, tmp_path):
        def do(model, data_and_fold=None, refit=True, **evaluation):
            data, part = data_and_fold or world(n_users=12)
            experiment = spec(models=[model], refit=refit, evaluation={"k": [3], "primary": "ndcg@3", **evaluation})
            work = tmp_path / "work"
            work.mkdir()
            told = []
            fit_and_recommend(job(tmp_path, data, part, experiment), work, tmp_path / "checkpoint", told.append)
            return work, told, (data, part)

        return do

    @pytest.mark.parametrize("model", ["constant", {"name": "watcher", "epochs": 2}])
    def test_scores_that_are_no_numbers(self, run, monkeypatch, model):
        """In a list, and where the validation part is looked at first."""

        def nothing(model, users):
            return np.full((len(users), len(model.items)), np.nan, dtype=np.float32)

        monkeypatch.setattr(Constant, "scores", nothing)
        monkeypatch.setattr(Watcher, "scores", nothing)
        name = model if isinstance(model, str) else model["name"]
        with pytest.raises(RunError, match=rf"model '{name}': scores hold NaN, .*; it has diverged, or cannot use"):
            run(model)

    def test_a_model_that_watches_is_fitted_twice(self, run):
        work, told, (_, part) = run({"name": "watcher", "epochs": 4})
        first, second = Watcher.fits
        assert first == {
            **{"rows": len(part.train), "epochs": 4, "validation": "rmse"},
            **{"checkpoint": "validation", "seed": 0},
        }
        assert second["rows"] == len(part.train) + len(part.validation)
        assert (second["epochs"], second["validation"], second["checkpoint"]) == (2, None, "fit")
        steps = [(step["phase"], step["epoch"], step["epochs"]) for step in told]
        assert steps == [*(("validation", epoch, 4) for epoch in (1, 2, 3, 4)), ("fit", 1, 2), ("fit", 2, 2)]
        assert told[1]["loss"] == 0.5
        assert json.loads((work / "curves.json").read_text()) == told
        measured = json.loads((work / "measured.json").read_text())
        assert measured["best_epoch"] == 2
        assert set(measured) == {
            *("best_epoch", "validation_seconds", "fit_seconds", "recommend_seconds", "model_bytes"),
        }
        assert measured["model_bytes"] == sum(path.stat().st_size for path in (work / "model").iterdir())

    def test_without_refit_the_watched_one_stays(self, run):
        work, _, (_, part) = run("watcher", refit=False)
        assert [fit["rows"] for fit in Watcher.fits] == [len(part.train)]
        measured = json.loads((work / "measured.json").read_text())
        assert measured["fit_seconds"] == measured["validation_seconds"]
        assert open_model(work / "model").config.epochs == 5

    def test_a_split_without_validation(self, run):
        data, part = world(n_users=12)
        without = fold(data, test=part.test)
        work, told, _ = run("watcher", (data, without))
        assert [fit["rows"] for fit in Watcher.fits] == [len(without.train)]
        assert {step["phase"] for step in told} == {"fit"}
        assert "best_epoch" not in json.loads((work / "measured.json").read_text())

    @pytest.mark.parametrize("refit", [True, False])
    def test_a_model_that_does_not_watch_is_fitted_once(self, run, refit):
        work, told, (data, part) = run("constant", refit=refit)
        assert told == []
        users = open_model(work / "model").popularity.sum()
        assert users == len(training_rows(data, part, refit))
        assert len(part.validation) > 0

    def test_what_was_seen_in_validation_is_left_out_once_refitted(self, run, tmp_path):
        work, _, (data, part) = run("constant")
        found = Lists.load(work)
        seen = set(zip(data.user[part.validation].tolist(), data.item[part.validation].tolist(), strict=True))
        listed = {(user, item) for user, items in zip(found.users, found.items, strict=True) for item in items}
        assert not listed & seen

    def test_the_stored_model_is_the_one_that_made_the_lists(self, run):
        work, _, (data, part) = run({"name": "oracle", "wanted": ["1000 51"]})
        model = open_model(work / "model")
        assert model.config.wanted == ("1000 51",)
        train = training_view(data, training_rows(data, part, True), None, None)
        assert np.array_equal(model.items.ids, train.items.ids)

    def test_values_of_all_test_rows(self, run):
        rows = [(1, 10, 4.0), (1, 20, 3.0), (2, 10, 5.0), (2, 20, 1.0), (1, 30, 2.0), (3, 10, 2.0)]
        data = dataset(rows)
        part = fold(data, test=[3, 4, 5])
        work, _, _ = run("watcher", (data, part), metrics=["ndcg", "rmse"])
        assert Lists.load(work).predicted.tolist() == [3, 1, 1]

    def test_no_values_where_nobody_asks_or_the_data_have_none(self, run, tmp_path):
        work, _, _ = run("watcher")
        assert Lists.load(work).predicted is None

    def test_data_without_values(self, run):
        data = dataset([(1, 10), (1, 20), (2, 10), (2, 20)])
        work, _, _ = run("watcher", (data, fold(data, test=[3])), metrics=["ndcg", "rmse"])
        assert Lists.load(work).predicted is None

    def test_a_model_and_data_that_do_not_go_together(self, run):
        data = dataset([(1, 10), (1, 20), (2, 10), (2, 20)])
        with pytest.raises(InputError, match="model 'mf': needs a value"):
            run("mf", (data, fold(data, test=[3])))


class TestGoingOn:
    """A fit that was killed leaves the same curve in the end as one that was not."""

    @pytest.fixture
    def run(self, tmp_path, monkeypatch):
        data, part = world(n_users=12)
        work = job(tmp_path, data, part, spec(models=["going-on"]))

        def do(name, ends=None, checkpoint="checkpoint"):
            monkeypatch.setattr(GoingOn, "ends", ends)
            (tmp_path / name).mkdir()
            told = []
            with pytest.raises(KeyboardInterrupt) if ends else contextlib.nullcontext():
                fit_and_recommend(work, tmp_path / name, tmp_path / checkpoint, told.append)
            return tmp_path / name, told

        return do

    @pytest.mark.parametrize("ends", [("validation", 1), ("validation", 4), ("fit", 1), ("fit", 2), ("fit", 4)])
    def test_after_one_end(self, run, ends):
        undisturbed, whole = run("undisturbed", checkpoint="other")
        assert [(step["phase"], step["epoch"]) for step in whole] == [
            *(("validation", epoch) for epoch in range(1, 6)),
            *(("fit", epoch) for epoch in range(1, 5)),
        ]
        run("first", ends)
        second, told = run("second")
        assert told == whole
        assert (second / "curves.json").read_bytes() == (undisturbed / "curves.json").read_bytes()

    def test_after_several(self, run):
        _, whole = run("undisturbed", checkpoint="other")
        for number, ends in enumerate(
            [("validation", 3), ("validation", 5), ("validation", 5), ("fit", 3), ("fit", 4)]
        ):
            run(f"end {number}", ends)
        assert run("last")[1] == whole

    def test_a_line_that_was_cut_off(self, run, tmp_path):
        _, whole = run("undisturbed", checkpoint="other")
        run("first", ("validation", 4))
        with (tmp_path / "checkpoint" / "validation" / "steps.jsonl").open("a") as file:
            file.write('{"phase": "valid')
        run("second", ("validation", 5))
        assert run("last")[1] == whole


class TestJob:
    """What a cell asks of its process."""

    def test_a_cell(self, tmp_path):
        experiment = spec(
            models=[{"name": "mf", "label": "mine", "epochs": 3}],
            data={"source": "synthetic", "weight": "log"},
            positive=4,
            refit=False,
            evaluation={
                **{"metrics": ["ndcg", "rmse"], "k": [5, 20, 10], "primary": "ndcg@5"},
                **{"exclude_seen": False, "candidates": "catalogue"},
            },
        )
        found = job_of(experiment, experiment.models[0], 7, tmp_path / "d", tmp_path / "f", 2)
        assert found.settings == experiment.models[0].settings()
        assert "label" not in found.settings
        assert found.model == experiment.models[0].model_copy(update={"label": None})
        assert (found.seed, found.threads, found.length, found.primary) == (7, 2, 20, "ndcg@5")
        assert (found.positive, found.weight, found.refit, found.candidates) == (4, "log", False, "catalogue")
        assert (found.exclude_seen, found.predict, found.device) == (False, True, "cpu")
        assert (found.dataset, found.fold) == (tmp_path / "d", tmp_path / "f")
        assert type(found).model_validate_json(found.model_dump_json()) == found
        assert not {"dataset", "fold"} & set(found.question())

    def test_what_makes_no_difference_to_a_model_is_left_out(self, tmp_path):
        experiment = spec(models=["ease"], evaluation={"metrics": ["ndcg", "rmse"]})
        found = job_of(experiment, experiment.models[0], 7, tmp_path, tmp_path, 1)
        assert (found.seed, found.primary, found.predict) == (0, "", False)

"""What stored models recommend to given users: known, unknown, or a history; and how far lists agree."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made import dataset, fold, job, spec, stored

from recsys.data.dataset import Dataset
from recsys.errors import InputError
from recsys.experiment.ask import Question, ask
from recsys.experiment.fit import fit_and_recommend

pytestmark = pytest.mark.usefixtures("models")

TITLES = ["Ten", "Twenty", None, "Forty", "Fifty"]
ROWS = [(1, 10, 5.0), (1, 20, 3.0), (2, 20, 4.0), (2, 40, 1.0), (3, 30, 2.0), (4, 10, 5.0), (4, 40, 4.0), (1, 50, 1.0)]


@pytest.fixture
def place(tmp_path):
    """Users 1 to 3 train on items 10 to 40; user 4 shows item 10; item 50 is only in the test."""
    data = dataset(ROWS, title=TITLES)
    stored(tmp_path, data, fold(data, test=[6, 7], history=[5]))
    return tmp_path


@pytest.fixture
def answer(place):
    def asked(question, models=("constant",), **changes):
        experiment = spec(models=list(models), **changes)
        fits = {}
        data = Dataset.load(place / "dataset")
        for model in experiment.models:
            fits[model.row] = place / model.row
            fits[model.row].mkdir()
            single = spec(**{**changes, "models": [model]})
            fit_and_recommend(job(place, data, None, single), fits[model.row], place / "checkpoint", print)
        return ask(question, experiment, place / "dataset", place / "fold", fits)

    return asked


def items_of(found, user=None, model=None):
    lines = found["recommendations"]
    return [
        *(line["item"] for line in lines if user in (None, line["user"]) and model in (None, line["model"])),
    ]


class TestUsers:
    def test_a_known_one(self, answer):
        found = answer(Question(users=("2",), k=2))
        assert found["recommendations"] == [
            {"model": "constant", "user": 2, "item": 10, "rank": 1, "score": 0.0, "known": True, "title": "Ten"},
            {"model": "constant", "user": 2, "item": 30, "rank": 2, "score": 0.0, "known": True, "title": None},
        ]
        assert found["overlap"] == []
        assert json.loads(json.dumps(found)) == found

    def test_one_who_is_only_in_the_test_by_the_history_that_may_be_shown(self, answer):
        found = answer(Question(users=("4",)))
        assert items_of(found) == [20, 30, 40]
        assert {(line["user"], line["known"]) for line in found["recommendations"]} == {(4, False)}

    def test_one_whom_nobody_knows(self, answer):
        found = answer(Question(users=("99", "someone")))
        assert items_of(found, "99") == items_of(found, "someone") == [10, 20, 30, 40]
        assert not any(line["known"] for line in found["recommendations"])

    def test_each_once_in_the_order_asked(self, answer):
        found = answer(Question(users=("3", "1", "3"), k=1))
        assert [line["user"] for line in found["recommendations"]] == [3, 1]

    def test_seen_items_where_the_experiment_leaves_them_in(self, answer):
        assert items_of(answer(Question(users=("2",), k=2), evaluation={"exclude_seen": False})) == [10, 20]

    def test_the_whole_catalogue_where_the_experiment_says_so(self, answer):
        assert 50 in items_of(answer(Question(users=("2",)), evaluation={"candidates": "catalogue"}))

    def test_unknown_users_get_the_fallback_of_the_model(self, answer):
        found = answer(Question(users=("99",), k=2), models=["popularity"])
        assert [(line["item"], line["score"]) for line in found["recommendations"]] == [(20, 2), (10, 1)]


class TestHistory:
    def test_a_new_user(self, answer):
        found = answer(Question(history=("10", "30"), k=3))
        assert [(line["user"], line["item"], line["known"]) for line in found["recommendations"]] == [
            *(("new", 20, False), ("new", 40, False)),
        ]

    def test_the_history_counts(self, answer):
        for seen, first in {"10": {20}, "20": {10, 40}}.items():  # 10 and 40 stand alike beside 20
            found = answer(Question(history=(seen,), k=1), models=[{"name": "ease", "label": f"ease {seen}"}])
            assert found["recommendations"][0]["score"] != 0
            assert found["recommendations"][0]["item"] in first

    @pytest.mark.parametrize("item", ["77", "50"])
    def test_an_item_that_training_lacks(self, answer, item):
        with pytest.raises(InputError) as caught:
            answer(Question(history=("10", item)))
        assert str(caught.value) == f"--history: no item '{item}' in training; name items that the models have seen"


class TestOverlap:
    def test_of_every_pair_and_user(self, answer):
        models = [
            "constant",
            {"name": "oracle", "wanted": ["3 40", "1 40"]},
            {"name": "oracle", "label": "same", "wanted": []},
        ]
        found = answer(Question(users=("3", "1"), k=2), models=models)
        assert items_of(found, 3, "constant") == [10, 20]
        assert items_of(found, 3, "oracle") == [40, 10]
        assert items_of(found, 1, "constant") == items_of(found, 1, "same") == [30, 40]
        assert items_of(found, 1, "oracle") == [40, 30]
        assert found["overlap"][0] == {
            **{"user": 3, "model": "constant", "other": "oracle"},
            **{"overlap@2": 1, "jaccard": pytest.approx(1 / 3)},
        }
        pairs = [(pair["user"], pair["model"], pair["other"], pair["overlap@2"]) for pair in found["overlap"]]
        assert pairs == [
            *((3, "constant", "oracle", 1), (3, "constant", "same", 2), (3, "oracle", "same", 1)),
            *((1, "constant", "oracle", 2), (1, "constant", "same", 2), (1, "oracle", "same", 2)),
        ]

    def test_a_user_for_whom_nothing_is_left(self, answer):
        found = answer(Question(history=("10", "20", "30", "40")), models=["constant", "popularity"])
        assert found == {"recommendations": [], "overlap": []}


def test_string_ids(tmp_path):
    data = dataset([("ann", "x"), ("ann", "y"), ("bob", "y"), ("bob", "z"), ("cy", "x"), ("cy", "z")])
    part = fold(data, test=[5])
    experiment = spec(models=["constant"])
    fit = tmp_path / "fit"
    fit.mkdir()
    fit_and_recommend(job(tmp_path, data, part, experiment), fit, tmp_path / "checkpoint", print)
    found = ask(Question(users=("bob",)), experiment, tmp_path / "dataset", tmp_path / "fold", {"constant": fit})
    assert [(line["user"], line["item"]) for line in found["recommendations"]] == [("bob", "x")]
    assert isinstance(found["recommendations"][0]["user"], str)
    assert not isinstance(found["recommendations"][0]["score"], np.generic)


@pytest.mark.parametrize(
    ("question", "field"),
    [(Question(users=("2", "caf\udce9")), "--user"), (Question(history=("caf\udce9",)), "--history")],
)
def test_an_id_that_no_data_set_can_have(place, question, field):
    with pytest.raises(InputError) as caught:
        ask(question, spec(models=["constant"]), place / "dataset", place / "fold", {})
    said = rf"{field}: 'caf\udce9' is not UTF-8 text; write the id as the data have it"
    assert str(caught.value) == said

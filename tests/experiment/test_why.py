"""Why items are recommended: as values, as they stand beside recommendations, and as people read them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made import dataset, fold, job, spec
from made.models import Constant

from flows.command import Speech
from flows.commands.recommend import _show
from recsys.data.interactions import training_view
from recsys.experiment.ask import Question, ask
from recsys.experiment.fit import fit_and_recommend
from recsys.experiment.why import reasons
from recsys.models.explanation import Explanation

ROWS = [(1, 10), (1, 20), (1, 30), (2, 40), (2, 50), (3, 10)]
TITLES = ["Ten", "Twenty", None, "[Forty]", "Fifty"]


class Explained(Constant):
    """Says what it was told to say."""

    told: Explanation | None = None

    def explain(self, users, items):
        self.asked = (users.index.tolist(), items.tolist())
        return self.told


@pytest.fixture
def model():
    made = Explained(Explained.Config())
    made.items = dataset(ROWS, title=TITLES).items
    return made


@pytest.fixture
def user():
    train = training_view(dataset(ROWS, title=TITLES), np.arange(len(ROWS)), None, None)
    return train.batch(np.array([0]))


PARTS = np.array([[0.5, 2.0, -0.25], [1.0, 1.0, 1.0]], dtype=np.float32)
HISTORY = np.array([0, 1, 2])


class TestReasons:
    def test_the_strongest_first(self, model, user):
        model.told = Explanation(HISTORY, PARTS, additive=True)
        first, second = reasons(model, user, np.array([3, 4]), np.array([2.25, 3.0]))
        assert model.asked == ([0], [3, 4])
        assert first == {
            "additive": True,
            "history": [
                {"item": 20, "title": "Twenty", "part": 2.0},
                {"item": 10, "title": "Ten", "part": 0.5},
                {"item": 30, "title": None, "part": -0.25},
            ],
            "terms": {},
        }
        assert [part["item"] for part in second["history"]] == [10, 20, 30]  # equal ones by id
        assert json.loads(json.dumps([first, second])) == [first, second]

    def test_parts_that_do_not_sum_to_the_score_are_no_sum(self, model, user):
        model.told = Explanation(HISTORY, PARTS, additive=True)
        items = np.array([3, 4])
        assert [why["additive"] for why in reasons(model, user, items, np.array([2.25, 3.5]))] == [True, False]
        assert [why["additive"] for why in reasons(model, user, items, np.array([2.2501, 3.0]))] == [True, True]
        model.told = Explanation(HISTORY, PARTS, additive=False)
        assert [why["additive"] for why in reasons(model, user, items, np.array([2.25, 3.0]))] == [False, False]

    def test_words(self, model, user):
        told = Explanation(HISTORY, PARTS, additive=False, terms=[{"war": np.float32(0.5), "love": 0.25}, {}])
        model.told = told
        first, second = reasons(model, user, np.array([3, 4]), np.zeros(2))
        assert (first["terms"], second["terms"]) == ({"war": 0.5, "love": 0.25}, {})

    def test_a_model_that_gives_none(self, model, user):
        assert reasons(model, user, np.array([3, 4]), np.zeros(2)) == [None, None]

    def test_nothing_was_recommended(self, model, user):
        assert reasons(model, user, np.array([], dtype=int), np.array([])) == []

    def test_a_user_without_a_history(self, model, user):
        model.told = Explanation(np.array([], dtype=int), np.zeros((1, 0), np.float32), additive=True)
        assert reasons(model, user, np.array([3]), np.zeros(1)) == [{"additive": False, "history": [], "terms": {}}]


@pytest.mark.usefixtures("models")
class TestAsked:
    """Beside the recommendations of stored models."""

    @pytest.fixture
    def answer(self, tmp_path):
        rows = [*((1, 10), (1, 20), (2, 20), (2, 30), (3, 10), (3, 30), (4, 10), (4, 20), (4, 40)), (3, 20)]
        data = dataset(rows, title=TITLES[:4])
        part = fold(data, test=[9])

        def asked(question, name):
            experiment, fit = spec(models=[name]), tmp_path / name
            fit.mkdir(exist_ok=True)
            if not (fit / "model").exists():
                fit_and_recommend(job(tmp_path, data, part, experiment), fit, tmp_path / "checkpoint", print)
            return ask(question, experiment, tmp_path / "dataset", tmp_path / "fold", {name: fit})

        return asked

    @pytest.mark.parametrize("who", [{"users": ("1",)}, {"history": ("20", "10")}])
    def test_the_parts_of_ease_sum_to_its_scores(self, answer, who):
        lines = answer(Question(**who, k=2, explain=True), "ease")["recommendations"]
        assert {line["item"] for line in lines} == {30, 40}
        for line in lines:
            assert line["why"]["additive"]
            assert {part["item"] for part in line["why"]["history"]} == {10, 20}
            assert sum(part["part"] for part in line["why"]["history"]) == pytest.approx(line["score"], rel=1e-4)
        assert json.loads(json.dumps(lines)) == lines

    def test_somebody_unknown(self, answer):
        (line,) = answer(Question(users=("nobody",), k=1, explain=True), "ease")["recommendations"]
        assert line["why"] == {"additive": False, "history": [], "terms": {}}

    def test_a_model_that_gives_no_reasons(self, answer):
        (line,) = answer(Question(users=("1",), k=1, explain=True), "constant")["recommendations"]
        assert line["why"] is None

    def test_only_where_asked(self, answer):
        (line,) = answer(Question(users=("1",), k=1), "ease")["recommendations"]
        assert "why" not in line


class TestShown:
    """On the screen: below each item its strongest parts, and what they are."""

    @staticmethod
    def shown(capsys, *whys):
        line = {"model": "m", "user": 1, "item": 40, "score": 2.25, "known": True, "title": "[Forty]"}
        lines = [{**line, "rank": rank, "why": why} for rank, why in enumerate(whys, start=1)]
        _show({"recommendations": lines, "overlap": []}, 5, Speech())
        return [" ".join(part.split()) for part in capsys.readouterr().out.splitlines()]

    def test_a_sum(self, capsys):
        parts = [("Two", 1.5), ("One", 0.5), (None, 0.25), ("Four", 0.125), ("Five", -0.125)]
        history = [{"item": number, "title": title, "part": part} for number, (title, part) in enumerate(parts)]
        out = self.shown(capsys, {"additive": True, "history": history, "terms": {}})
        assert out[-6:] == [
            "1 40 [Forty] 2.2500",
            *("Two 1.5000", "One 0.5000", "2 0.2500", "2 others 0.0000"),
            "m: below each item what the history adds to its score; the parts sum to it",
        ]

    def test_no_sum(self, capsys):
        history = [{"item": 7, "title": "Seven", "part": 0.9}] * 4
        out = self.shown(capsys, {"additive": False, "history": history, "terms": {"[war]": 0.5}})
        assert out[-5:] == [
            *["Seven 0.9000"] * 3,
            "'[war]' 0.5000",
            "m: below each item what of the history speaks for it; the parts do not sum to its score",
        ]

    def test_no_reasons(self, capsys):
        assert self.shown(capsys, None)[-1] == "m: it gives no reasons"
        nothing = {"additive": False, "history": [], "terms": {}}
        assert self.shown(capsys, nothing, nothing)[-1] == "m: no reasons, there is no history"

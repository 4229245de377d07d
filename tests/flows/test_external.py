"""Where commands and flows take models that are external commands, and where they refuse them."""

from __future__ import annotations

import json
import uuid

import pytest
import yaml

from flows.command import Speech
from flows.commands import backtest, models, recommend, retrain
from flows.session import supervised
from recsys.errors import InputError
from recsys.experiment.ask import Question
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from tasks.context import Reporter, Run

MINE = {"name": "external", "label": "mine", "command": ["touch", "{folder}/ran"]}


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """The path of a spec with these models."""
    monkeypatch.chdir(tmp_path)

    def made(*entries):
        document = {"name": "made", "data": {"source": "synthetic"}, "models": list(entries)}
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump(document))
        return tmp_path / "spec.yaml"

    return made


class TestNoModelToAsk:
    """Refused before any server starts."""

    def test_retrain(self, spec):
        with pytest.raises(InputError, match="model 'mine': 'external' leaves lists, and retraining needs"):
            retrain.run(spec(MINE, "ease"), [], None, Speech())
        nights = retrain.nights_of(None, "2024-01-01", "2024-01-02", "1d", False)
        with pytest.raises(InputError, match="retraining needs"):
            retrain.backfill(spec(MINE), [], nights, False, Speech())

    def test_backtest(self, spec):
        with pytest.raises(InputError, match="a backtest needs a fitted model"):
            backtest.run(spec("ease", MINE), [], None, None, None, Speech())

    def test_recommend(self, spec):
        with pytest.raises(InputError, match=r"model 'mine': .* recommend needs a fitted model"):
            recommend.run(spec("ease", MINE), [], Question(users=("1",)), ["ease", "mine"], Speech())
        with pytest.raises(InputError, match="recommend needs a fitted model"):
            recommend.run(spec(MINE), [], Question(users=("1",)), [], Speech())

    def test_recommend_asks_the_others(self, spec, monkeypatch, capsys):
        asked = []

        def noted(experiment, labels, speech):
            asked.extend(labels)
            raise KeyboardInterrupt

        monkeypatch.setattr(recommend, "_fit", noted)
        with pytest.raises(KeyboardInterrupt):
            recommend.run(spec(MINE, "ease"), [], Question(users=("1",)), [], Speech())
        assert asked == ["ease"]
        assert "left out: mine (no fitted model to ask" in capsys.readouterr().out


class TestDeployment:
    """What a worker starts runs no command that somebody sent, unless the worker's environment allows it."""

    @pytest.fixture
    def by_worker(self, monkeypatch):
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid.uuid4()))

    @staticmethod
    def begin(path):
        """Enter what every flow enters first. A run outside any flow gets no further than to ask for its context."""
        run = Run(Experiment.load(path), Settings(), "key", {}, Reporter(), fresh=False)
        with supervised(run, "lock", "waiting"):
            raise AssertionError

    @pytest.mark.usefixtures("by_worker")
    def test_is_refused(self, spec):
        with pytest.raises(InputError, match="model 'mine': a deployment runs no external command unless"):
            self.begin(spec("ease", MINE))

    @pytest.mark.usefixtures("by_worker")
    @pytest.mark.parametrize("said", ["", "0", "maybe"])
    def test_any_other_word_allows_nothing(self, spec, monkeypatch, said):
        monkeypatch.setenv("RECSYS_ALLOW_EXTERNAL", said)
        with pytest.raises(InputError, match=r"RECSYS_ALLOW_EXTERNAL(=1|: is)"):
            self.begin(spec(MINE))

    @pytest.mark.usefixtures("by_worker")
    def test_is_allowed(self, spec, monkeypatch):
        monkeypatch.setenv("RECSYS_ALLOW_EXTERNAL", "1")
        with pytest.raises(RuntimeError, match="context"):
            self.begin(spec(MINE))

    @pytest.mark.usefixtures("by_worker")
    def test_other_models_are(self, spec):
        with pytest.raises(RuntimeError, match="context"):
            self.begin(spec("ease"))

    def test_the_command_line_runs_them(self, spec):
        with pytest.raises(RuntimeError, match="context"):
            self.begin(spec(MINE))


def test_models_names_what_it_needs(capsys):
    models.run(Speech(json=True))
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert rows["external"]["required"] == ["command"]
    assert rows["external"]["settings"] == {}
    assert rows["ease"]["required"] == []
    assert rows["ease"]["settings"]["regularization"] > 0

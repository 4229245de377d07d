"""What `recsys tune` shows, answers and writes, with the search itself left out."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import flows.tune
from flows.command import Speech
from flows.commands import tune as command
from flows.tune import TunedModels
from recsys.errors import InputError, RunError
from recsys.experiment.spec import Experiment
from recsys.experiment.trials import TrialRecord, Tuned

SPEC = {"name": "made", "data": {"source": "synthetic"}, "models": ["popularity", "ease", "item-knn"]}


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The experiment that was asked for; `failures` are those of the search."""
    asked: dict[str, Any] = {"failures": {}}
    trials = tuple(
        TrialRecord(number=number, state="done", seconds=2.0, value=value, settings={"regularization": setting})
        for number, (value, setting) in enumerate([(0.2, 500.0), (0.25, 90.0)])
    )

    def tune(experiment: Experiment) -> TunedModels:
        asked["experiment"] = experiment
        ease, nothing = Tuned.of(experiment.models[1], "ndcg@10", trials), Tuned(label="popularity", metric="ndcg@10")
        found = {"popularity": nothing, "ease": ease}
        return TunedModels(experiment, found, asked["failures"], "a run", "http://127.0.0.1:5000/#/a-run")

    @contextlib.contextmanager
    def orchestrated(*about: Any) -> Any:
        yield lambda: None

    monkeypatch.setattr(flows.tune, "tune", tune)
    monkeypatch.setattr(command, "orchestrated", orchestrated)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made.yaml").write_text(yaml.safe_dump(SPEC))
    return asked


def run(
    trials: int | None = None, seconds: float | None = None, out: Path | None = None, as_json: bool = False
) -> None:
    command.run(Path("made.yaml"), ["seeds=[7]"], trials, seconds, out, Speech(json=as_json))


def test_a_line_a_model_and_the_spec(searched: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run(trials=2)
    assert searched["experiment"].tuning.as_json() == {"trials": 2, "seconds": 600.0}
    said = capsys.readouterr().out
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line.strip()}
    assert lines["ease"][1:6] == ["2", "0", "4.0", "0.2000", "0.2500"]
    assert lines["ease"][6:] == ["regularization", "500.0", "->", "90.0"]
    assert lines["popularity"][1:] == ["0", "nothing", "to", "tune"]
    assert "next     recsys compare made-tuned.yaml" in said
    assert Experiment.load("made-tuned.yaml").models[1].settings()["regularization"] == 90.0


def test_the_default_budget_and_the_one_asked_for(searched: dict[str, Any]) -> None:
    run(out=Path("a.yaml"))
    assert searched["experiment"].tuning.as_json() == {"trials": 20, "seconds": 600.0}
    assert searched["experiment"].seeds == (7,)
    run(seconds=30, out=Path("b.yaml"))
    assert searched["experiment"].tuning.as_json() == {"trials": 20, "seconds": 30.0}


def test_a_model_that_failed(searched: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """The others are tuned and written; the answer has them beside the error."""
    searched["failures"] = {"item-knn": "no memory"}
    with pytest.raises(RunError, match="item-knn: no memory; the others are tuned") as caught:
        run(as_json=True)
    assert caught.value.answer is not None
    assert [each["model"] for each in caught.value.answer["models"]] == ["popularity", "ease"]
    assert json.dumps(caught.value.answer)
    said = capsys.readouterr()
    assert said.out == ""
    assert "failed" in next(line for line in said.err.splitlines() if line.startswith("item-knn"))
    assert Path("made-tuned.yaml").exists()


def test_never_over_a_file(searched: dict[str, Any]) -> None:
    Path("made-tuned.yaml").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        run()
    assert "experiment" not in searched
    with pytest.raises(InputError, match="is there already"):
        command._write(Path("made-tuned.yaml"), "another")
    assert Path("made-tuned.yaml").read_text() == "mine"


def test_a_place_that_cannot_be_written(searched: dict[str, Any]) -> None:
    """It is found before the search, and what comes in between after it."""
    with pytest.raises(InputError, match="is no folder that can be written"):
        run(out=Path("made.yaml/below.yaml"))
    assert "experiment" not in searched
    with pytest.raises(InputError, match="cannot be written"):
        command._write(Path("made.yaml/below.yaml"), "text")

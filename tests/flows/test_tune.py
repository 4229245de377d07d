"""Tuning as flows and as a command: in a comparison, on its own, in MLflow, and the spec that it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from faults.harness import WORLD, Workplace, assert_same, recorded, result_of

from flows.compare import compare
from flows.fit import fit
from flows.tune import tune
from recsys.data.load import inputs
from recsys.errors import InputError
from recsys.experiment.fit import fit_and_recommend
from recsys.experiment.locate import Located
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.store import Store
from recsys.tracking.runs import Tracker
from tasks import context
from tasks.context import width

BUDGET = {"trials": 5, "seconds": 500}
TRIALS = [("climber", n) for n in range(5)] + [("mine", n) for n in range(5)]


@pytest.fixture
def fits(prefect: None, models: None, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Models are fitted in this process; the settings of each fit."""
    done: list[dict[str, Any]] = []

    def run_child(job: Any, folder: Path, **how: Any) -> None:
        if job.settings["name"] == "broken" or job.settings.get("tilt") == 0.25:
            raise InputError("model 'broken'", "it never works")
        how["checkpoint"].mkdir(parents=True, exist_ok=True)
        fit_and_recommend(job, folder, how["checkpoint"], how["tell"])
        measured = json.loads((folder / "measured.json").read_text())
        (folder / "measured.json").write_text(json.dumps(measured | {"cpu_seconds": 1.0, "peak_memory_mb": 80.0}))
        done.append(job.settings)

    monkeypatch.setattr(context, "run_child", run_child)
    return done


def spec(**changes: Any) -> Experiment:
    given: dict[str, Any] = {
        "name": "tuning",
        "data": WORLD,
        "models": ["climber", {"name": "tilted", "label": "mine", "tilt": -0.9}, "popularity"],
        "evaluation": {"metrics": ["ndcg", "recall"], "k": [10]},
        "tuning": BUDGET,
    }
    return Experiment.parse({**given, **changes})


def trial_runs(home: Path) -> list[Any]:
    return [run for run in recorded(home) if run.active and run.tags.get("role") == "trial"]


class TestInAComparison:
    def test_from_the_search_to_the_report(self, fits: list, home: Path, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.chdir(tmp_path)
        result = compare(spec())
        board = result.leaderboard.set_index("model")
        assert board["tuned"].to_dict() == {"climber": True, "mine": True, "popularity": False, "random": False}
        facts = result.manifest["tuning"]
        assert set(facts) == {"climber", "mine"}
        assert {about["trials"] for about in facts.values()} == {5}
        assert facts["mine"]["after"] > facts["mine"]["before"]
        assert facts["mine"]["changed"]["tilt"][0] == -0.9
        assert facts["climber"]["settings"]["epochs"] == 4
        report = (result.out / "report.html").read_text()
        assert '<h2 id="tuning">Tuning</h2>' in report
        assert f"tilt -0.9 → {facts['mine']['settings']['tilt']}" in report
        # The last fits are those of the settings found, on training and validation rows.
        assert [each["tilt"] for each in fits if each["name"] == "tilted"][-1] == facts["mine"]["settings"]["tilt"]
        self.look_at_mlflow(home, result.run_id, facts)

        before = len(fits)
        assert compare(spec()).cached
        # What was tuned is found again where only some models are wanted.
        (mine,) = fit(spec(), ["mine"])
        assert len(fits) == before
        settings, experiment = Settings(), spec()
        read = inputs(experiment.data, None, settings)
        located = Located(experiment, read, Store(settings.store), width(experiment)[1])
        found = located.fit(experiment.models[1], 42)
        assert found is not None
        assert found.folder == mine.folder
        about = json.loads((mine.folder / "model" / "model.json").read_text())
        assert about["settings"]["tilt"] == facts["mine"]["settings"]["tilt"]

    def look_at_mlflow(self, home: Path, parent: str, facts: dict[str, Any]) -> None:
        """A finished run a trial below the comparison, that counts as no candidate."""
        runs = trial_runs(home)
        assert sorted((run.tags["label"], int(run.tags["trial"])) for run in runs) == TRIALS
        assert {run.tags["mlflow.parentRunId"] for run in runs} == {parent}
        assert {run.status for run in runs} == {"FINISHED"}
        states = [run.tags["state"] for run in runs]
        assert states.count("pruned") == facts["climber"]["pruned"] + facts["mine"]["pruned"] == 1
        client = Tracker(Settings()).client
        mine = [client.get_run(run.run_id).data for run in runs if run.tags["label"] == "mine"]
        values = {run.tags["trial"]: run.metrics["validation.ndcg_at_10"] for run in mine}
        assert values["0"] == facts["mine"]["before"]
        assert max(values.values()) == facts["mine"]["after"]
        assert {run.params["model"] for run in mine} == {"tilted"}
        assert next(run for run in mine if run.tags["trial"] == "0").params["tilt"] == "-0.9"

    def test_a_model_that_fails_with_its_own_settings(
        self, fits: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from flows.compare import ModelsFailedError

        monkeypatch.chdir(tmp_path)
        models = [{"name": "tilted", "tilt": 0.25, "label": "bad"}, "tilted"]
        with pytest.raises(ModelsFailedError, match="bad") as caught:
            compare(spec(models=models))
        board = caught.value.comparison.leaderboard.set_index("model")
        assert board.loc["tilted", "status"] == "ok"
        assert "it never works" in board.loc["bad", "status"]


class TestAlone:
    def test_leaves_a_spec_that_compares_like_the_tuned_comparison(
        self, fits: list, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        tuned = tune(spec(tuning=None), overrides=["tuning.trials=5"])
        assert {label: len(found.trials) for label, found in tuned.found.items()} == {
            "climber": 5,
            "mine": 5,
            "popularity": 0,
        }
        parents = [run for run in recorded(home) if run.tags.get("role") == "tuning"]
        assert [(run.run_id, run.status) for run in parents] == [(tuned.run_id, "FINISHED")]
        assert {run.tags["mlflow.parentRunId"] for run in trial_runs(home)} == {tuned.run_id}
        kept = Tracker(Settings()).client.list_artifacts(tuned.run_id)
        assert [each.path for each in kept] == ["tuned.yaml", "tuning.html"]

        (tmp_path / "tuned.yaml").write_text(tuned.text("spec.yaml"))
        ready = Experiment.load(tmp_path / "tuned.yaml")
        assert ready.tuning is None
        assert ready.models[1].settings()["tilt"] == tuned.found["mine"].settings["tilt"]
        one, other = compare(ready, overrides=["runner.workers=1"]), compare(spec(tuning={"trials": 5}))
        a, b = result_of(one.out), result_of(other.out)
        assert a["leaderboard"].pop("tuned").tolist() == [False] * 4
        assert sorted(b["leaderboard"].pop("tuned")) == [False, False, True, True]
        assert_same(a, b)
        before = len(fits)
        assert tune(spec(tuning={"trials": 5})).found == tuned.found
        assert len(fits) == before


COMMAND = {
    "name": "tuned",
    "data": WORLD,
    "models": ["popularity", "ease"],
    "evaluation": {"metrics": ["ndcg"], "k": [10]},
}


@pytest.mark.stack
def test_the_command(tmp_path: Path, databases: Path) -> None:
    """It tunes, answers in JSON, writes a spec, and never over a file; a plan says what a search takes."""
    place = Workplace(tmp_path / "place", COMMAND).seed(databases)
    ended = place.run("tune", "spec.yaml", "--trials", "3", "--json")
    assert ended.status == 0, ended.said
    answer = json.loads(ended.out)
    assert [each["model"] for each in answer["models"]] == ["popularity", "ease"]
    ease = answer["models"][1]
    assert (ease["trials"], ease["after"] >= ease["before"]) == (3, True)
    assert "settings changed" in ended.err
    written = place.folder / "spec-tuned.yaml"
    assert answer["spec"] == "spec-tuned.yaml"
    text = written.read_text()
    assert text.startswith("# Made by `recsys tune` from spec.yaml: 3 trials, ndcg@10 on the validation part.\n")
    found = {name: value for name, value in ease["settings"].items() if value is not None}
    assert yaml.safe_load(text)["models"][1] == {"name": "ease", **found}

    again = place.run("tune", "spec.yaml", "--json")
    assert (again.status, json.loads(again.out)["error"]["message"]) == (2, "is there already")
    plan = place.run("compare", "spec.yaml", "--set", "tuning.trials=7", "--dry-run")
    assert "tuning: 7 trials of each of 1 models" in plan.out
    place.assert_empty()

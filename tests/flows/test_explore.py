"""`recsys explore` from the spec to the page, the run in MLflow, and the answer from the store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.command import Speech
from flows.commands import explore as explore_command
from flows.commands.explore import answer_of, show
from flows.explore import explore
from recsys.errors import InputError
from recsys.experiment.keys import exploration_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.tracking.explored import finished_exploration


def spec(*models: str, **more: object) -> Experiment:
    made = {"source": "synthetic", "users": 60, "items": 40, "interactions": 900, "seed": 3}
    return Experiment.parse({"name": "small", "data": made, "models": list(models) or ["popularity"]} | more)


@pytest.fixture
def here(prefect: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_the_spec_to_the_page_and_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = explore(spec())
    assert done.out.parent == here / "runs" / "small"
    assert {path.name for path in done.out.iterdir()} == {"explore.html", "explore.json"}
    assert json.loads((done.out / "explore.json").read_text()) == done.facts
    assert (done.facts["rows"], done.facts["name"], done.facts["split"]) == (900, "small", "random")

    client = MlflowClient(Settings().mlflow_uri)
    run = client.get_run(done.run_id)
    assert (run.data.tags["role"], run.info.status) == ("exploration", "FINISHED")
    assert run.data.tags["data"].startswith("900 rows of ")
    assert run.data.metrics["rows"] == 900
    assert run.data.metrics["density"] == pytest.approx(done.facts["density"])
    assert run.data.metrics["split.temporal.overlap"] == 0
    assert {each.path for each in client.list_artifacts(done.run_id)} == {"explore.html", "explore.json"}
    assert run.inputs.dataset_inputs[0].dataset.name == "synthetic"

    # Models and seeds play no part: another experiment on these data and this split is answered from the store.
    key = exploration_key(spec("ease", "random", seeds=[1, 2]), {})
    again = finished_exploration("small", key, Settings(), here / "else")
    assert again is not None
    assert (again.run_id, again.facts) == (done.run_id, done.facts)
    assert (here / "else" / "explore.html").read_text() == (done.out / "explore.html").read_text()

    show(again, Speech())
    said = capsys.readouterr().out.splitlines()
    assert said[1].split()[:2] == ["rows", "900"]
    assert said[-1] == f"page            {here / 'else' / 'explore.html'}"
    assert len(said) <= 15
    told = json.loads(json.dumps(answer_of(again), allow_nan=False))
    assert (told["out"], told["rows"]) == (str(here / "else"), 900)

    # A run that was deleted is not one to show: the same run begins anew, on what is stored.
    client.delete_run(done.run_id)
    assert finished_exploration("small", key, Settings(), None) is None
    anew = explore(spec())
    assert anew.run_id != done.run_id
    assert anew.facts == done.facts
    found = finished_exploration("small", key, Settings(), None)
    assert found is not None
    assert found.run_id == anew.run_id


def test_the_command_is_answered_before_prefect(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = explore(spec())
    monkeypatch.setattr(explore_command, "orchestrated", None)
    (here / "spec.yaml").write_text(json.dumps(spec().document()))
    explore_command.run(here / "spec.yaml", ["models=[random]"], None, Speech(json=True))
    told = json.loads(capsys.readouterr().out)
    assert (told["run_id"], told["out"]) == (done.run_id, str(done.out))


def test_what_the_key_depends_on() -> None:
    found = {
        exploration_key(each, inputs)
        for each, inputs in [
            (spec(), {}),
            (spec(split={"kind": "temporal"}), {}),
            (spec(split={"kind": "random", "test": 0.3}), {}),
            (spec(positive=4), {}),
            (spec(refit=False), {}),
            (spec(), {"interactions: a.csv": "1f"}),
        ]
    }
    assert len(found) == 6
    assert exploration_key(spec("ease"), {}) == exploration_key(spec("random"), {})


def test_wrong_data_are_told(here: Path) -> None:
    (here / "events.csv").write_text("user,item\n1,a\n1,a\n2,b\n")
    wrong = Experiment.parse(
        {"name": "twice", "data": {"source": "table", "interactions": "events.csv"}, "models": ["popularity"]}
    )
    with pytest.raises(InputError, match=r"data\.duplicates|duplicates"):
        explore(wrong)

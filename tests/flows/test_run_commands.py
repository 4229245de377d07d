"""`recsys metrics explain`, `recsys rerun` and `recsys compare --runs` on runs in MLflow."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from made.commands import answer_to
from mlflow import MlflowClient

from flows.command import Speech
from flows.commands import compare as compare_command
from flows.commands import compare_runs, rerun
from flows.commands.metrics import explain
from flows.compare import compare
from recsys.comparison.result import Comparison
from recsys.comparison.stored_run import StoredRun
from recsys.errors import InputError
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.store import file_digest
from recsys.tracking import stored


def spec(*models: str, **more: Any) -> Experiment:
    table = {"source": "table", "interactions": "events.csv"}
    asked = {"metrics": ["ndcg", "recall", "coverage"], "k": [3, 5], "primary": "ndcg@5"}
    return Experiment.parse({"name": "shop", "data": table, "models": list(models), "evaluation": asked} | more)


@pytest.fixture
def here(prefect: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table here, and flows that run on the server of the session."""

    @contextlib.contextmanager
    def orchestrated(*about: Any) -> Iterator[Any]:
        yield lambda: None

    monkeypatch.setattr(compare_command, "orchestrated", orchestrated)
    monkeypatch.chdir(tmp_path)
    rows = [f"{u},{i}" for u in range(40) for i in range(24) if (u + i) % 2 == 0 and (7 * u + 5 * i) % 3]
    (tmp_path / "events.csv").write_text("\n".join(["user,item", *rows]) + "\n")
    return tmp_path


def test_from_a_run_to_its_definitions_its_copy_and_its_rivals(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = compare(spec("item-knn"))
    speech = Speech(json=True)

    explain(first.run_id, speech)
    told = json.loads(capsys.readouterr().out)
    assert told["run_id"] == first.run_id
    assert told["differences"]["TFRS"] == {
        "recall": "the share of all test positives that are listed: users with more of them weigh more"
    }
    (line,) = (each for each in told["lines"] if (each["model"], each["metric"], each["k"]) == ("item-knn", "ndcg", 5))
    board = first.leaderboard.set_index("model")
    assert line["values"]["recsys"] == pytest.approx(board.loc["item-knn", "ndcg@5"], abs=1e-12)
    assert line["values"]["TFRS"] is None
    assert len(told["lines"]) == 3 * 6 * 2

    child = board.loc["item-knn", "mlflow_run_id"]
    explain(child, Speech())
    said = capsys.readouterr().out
    assert "item-knn" in said
    assert "popularity" not in said
    assert "LensKit recall: over min(k, relevant items)" in said

    with pytest.raises(InputError, match=f"is that of one model; its comparison is: recsys rerun {first.run_id}"):
        rerun.run(child, None, speech)
    rerun.run(first.run_id, None, speech)
    told = json.loads(capsys.readouterr().out)
    assert (told["rerun_of"], told["changed"], told["largest_difference"]) == (first.run_id, {}, 0)
    assert told["out"] == str(here / "runs" / "shop" / f"rerun-{first.run_id[:8]}")
    numbers = {(each["model"], each["column"]): each for each in told["differences"]}
    assert numbers["item-knn", "coverage@3"]["then"] == board.loc["item-knn", "coverage@3"]
    assert not {name for _, name in numbers} & {"fit_seconds", "cpu_seconds", "seeds"}
    run = MlflowClient(Settings().mlflow_uri).get_run(told["run_id"])
    assert (run.data.tags["rerun_of"], run.info.status) == (first.run_id, "FINISHED")
    assert run.info.run_id != first.run_id

    rival = compare(spec("rp3beta", name="other"))
    compare_runs.run([first.run_id, rival.run_id], here / "both", False, speech)
    told = json.loads(capsys.readouterr().out)
    assert {row["model"] for row in told["leaderboard"]} == {"item-knn", "rp3beta", "popularity", "random"}
    assert (here / "both" / "report.html").exists()
    both = {row["model"]: row["ndcg@5"] for row in told["leaderboard"]}
    assert both["rp3beta"] == rival.leaderboard.set_index("model").loc["rp3beta", "ndcg@5"]

    (here / "events.csv").write_text("user,item\n1,1\n")
    for command in (lambda: explain(first.run_id, speech), lambda: rerun.run(first.run_id, None, speech)):
        with pytest.raises(InputError, match=r"events\.csv: is not what the run has read"):
            command()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["metrics", "explain", "abc"], "run abc: there are no runs in "),
        (["rerun", "abc"], "run abc: there are no runs in "),
        (["compare", "--runs", "abc", "def"], "run abc: there are no runs in "),
        (["compare", "--runs", "abc"], "--runs: two or more different runs are compared"),
        (["compare", "--runs", "abc", "abc"], "--runs: two or more different runs are compared"),
        (["compare", "--runs", "abc", "def", "--fresh"], "--runs: nothing is fitted; leave out --set, --also, --fresh"),
        (["compare", "a.yaml", "b.yaml"], "compare b.yaml: is one too many; one spec is compared at a time"),
        (["compare"], "Missing argument 'SPEC'"),
    ],
)
def test_what_cannot_be_asked(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = answer_to([*words, "--json"], monkeypatch, capsys)
    assert status == 2
    assert said in err
    assert "error" in json.loads(out)


def test_other_candidates_than_those_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample is part of the passport: with another one the numbers would not be the same numbers."""
    monkeypatch.chdir(tmp_path)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("user,item\n1,1\n")
    made = {"source": "synthetic", "users": 60, "items": 40, "interactions": 800}
    sampled = spec("popularity", data=made, evaluation={"k": [5], "primary": "ndcg@5", "candidates": str(pairs)})
    manifest = {"data": {"inputs": {}}, "choices": {"candidates": file_digest(pairs)}}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(sampled.model_dump(mode="json", exclude_none=True)))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(stored, "stored_run", lambda *about: StoredRun("a" * 32, Comparison(tmp_path, "", "")))
    pairs.write_text("user,item\n1,2\n")
    with pytest.raises(InputError, match=r"evaluation\.candidates: .*pairs\.csv is not what the run has read"):
        rerun.run("a" * 32, None, Speech())

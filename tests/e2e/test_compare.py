"""A comparison from start to end: what it says, leaves and records, and that a finished one is answered at once."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from faults.harness import Ended, Recorded, Workplace, flow_runs, recorded

from recsys.comparison.leaderboard import MEASURED
from recsys.comparison.result import FILES

COLUMNS = {"user": "who", "item": "what", "value": "stars", "timestamp": "at"}
SPEC: dict[str, Any] = {
    "name": "shop",
    "data": {"source": "table", "interactions": "events.csv", "columns": COLUMNS},
    "split": {"kind": "k-fold", "folds": 2, "seed": 7},
    "models": ["popularity", "ease", {"name": "faulty", "label": "noisy", "epochs": 3}],
    "evaluation": {"metrics": ["ndcg", "recall", "coverage"], "k": [3, 10], "primary": "ndcg@3"},
    "seeds": [1, 2],
}
CELLS = {
    (label, seed, fold)
    for label, seed in (("popularity", 1), ("ease", 1), ("noisy", 1), ("noisy", 2), ("random", 1), ("random", 2))
    for fold in (0, 1)
}
N_USERS, N_ITEMS = 40, 24


def write_events(folder: Path) -> None:
    """A table whose users like odd or even items, with words for ids."""
    rows = [
        f"user {u:02d},item {i:02d},{1 + (u + i) % 5},{1_700_000_000 + 60 * (N_USERS * u + i)}"
        for u in range(N_USERS)
        for i in range(N_ITEMS)
        if (u + i) % 2 == 0 and (7 * u + 5 * i) % 3
    ]
    (folder / "events.csv").write_text("\n".join(["who,what,stars,at", *rows]) + "\n")


@dataclass(frozen=True)
class Done:
    """A finished comparison, and where."""

    place: Workplace
    ended: Ended

    @property
    def answer(self) -> dict[str, Any]:
        return json.loads(self.ended.out)

    @property
    def out(self) -> Path:
        return Path(self.answer["out"])

    @property
    def runs(self) -> dict[tuple[str, int, int], Recorded]:
        """The child runs by label, seed and fold."""
        found = [run for run in recorded(self.place.home) if run.active and not run.is_parent]
        return {(run.tags["label"], int(run.tags["seed"]), int(run.tags["fold"])): run for run in found}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, databases: Path) -> Done:
    """The comparison of SPEC from the command line, which answers in JSON."""
    place = Workplace(tmp_path_factory.mktemp("shop"), SPEC).seed(databases).plant()
    write_events(place.folder)
    ended = place.run("compare", "spec.yaml", "--json")
    assert ended.status == 0, ended.said
    place.assert_kept_here()
    return Done(place, ended)


def test_files_of_the_working_folder_are_no_libraries(done: Done) -> None:
    assert not done.place.sprouted()


def test_the_answer(done: Done) -> None:
    assert set(done.answer) == {"out", "run_id", "leaderboard"}
    assert done.out.parent == done.place.folder / "runs/shop"
    rows = done.answer["leaderboard"]
    assert [row["model"] for row in rows if row["model"] == "ease"] == ["ease"]
    assert {row["model"] for row in rows} == {"popularity", "ease", "noisy", "random"}  # the last is added to all
    board = pd.read_csv(done.out / "leaderboard.csv")
    assert list(board.columns) == list(rows[0])
    assert [row["ndcg@3"] for row in rows] == board["ndcg@3"].tolist()


def test_what_people_read_is_on_standard_error(done: Done) -> None:
    said = done.ended.err
    for words in (
        "data ",
        "split ",
        "model ",
        "fitted in",
        "ndcg@3",
        "95 % interval",
        "report ",
        "MLflow ",
        "schedule ",
    ):
        assert words in said
    assert "Traceback" not in said
    assert "Warning" not in said


def test_the_files(done: Done) -> None:
    assert {path.name for path in done.out.iterdir()} == set(FILES)
    board = pd.read_csv(done.out / "leaderboard.csv").set_index("model")
    assert board.loc["ease", "ndcg@3"] > board.loc["popularity", "ndcg@3"]
    assert board["seeds"].to_dict() == {"popularity": 1, "ease": 1, "noisy": 2, "random": 2}
    assert board["ndcg@3_sd_seeds"].notna().to_dict() == {
        "popularity": False,
        "ease": False,
        "noisy": True,
        "random": True,
    }
    assert board["ndcg@3_sd_folds"].notna().all()
    assert set(board["folds"]) == {2}
    assert set(board["status"]) == {"ok"}
    lists = pd.read_parquet(done.out / "recommendations.parquet")
    assert list(lists.columns) == ["model", "seed", "fold", "user", "item", "rank", "score"]
    assert set(lists[["model", "seed", "fold"]].drop_duplicates().itertuples(index=False, name=None)) == CELLS
    assert lists["user"].str.fullmatch(r"user \d\d").all()
    assert lists["item"].str.fullmatch(r"item \d\d").all()
    assert lists.groupby(["model", "seed", "fold", "user"])["rank"].max().max() <= 10
    per_user = pd.read_parquet(done.out / "per_user.parquet")
    mean = per_user[per_user["model"] == "ease"]["ndcg@3"].mean()
    assert board.loc["ease", "ndcg@3"] == pytest.approx(mean, abs=0.02)
    spec = yaml.safe_load((done.out / "spec.yaml").read_text())
    assert spec["seeds"] == [1, 2]
    manifest = json.loads((done.out / "manifest.json").read_text())
    assert manifest["mlflow_run_id"] == done.answer["run_id"]
    assert manifest["failures"] == {}
    assert manifest["controls"] == ["random"]
    assert [model["name"] for model in spec["models"]] == ["popularity", "ease", "faulty"]


def test_prefect_has_seen_all_of_it_end(done: Done) -> None:
    assert flow_runs(done.place.home) == ["Completed"]
    with closing(sqlite3.connect(done.place.home / "prefect.db")) as database:
        tasks = dict(database.execute("SELECT name, state_type FROM task_run").fetchall())
    assert len(tasks) == 3 + 2 * len(CELLS) + 2
    assert set(tasks.values()) == {"COMPLETED"}
    assert "fit noisy seed 2 fold 1" in tasks


def test_one_parent_and_a_child_a_cell(done: Done) -> None:
    (parent,) = [run for run in recorded(done.place.home) if run.is_parent]
    assert (parent.run_id, parent.status, parent.name) == (done.answer["run_id"], "FINISHED", "shop")
    assert set(done.runs) == CELLS
    assert {run.status for run in done.runs.values()} == {"FINISHED"}
    assert {run.tags["mlflow.parentRunId"] for run in done.runs.values()} == {parent.run_id}
    assert {"run_key", "data.digest", "split.digest", "spec.digest", "prefect.flow_run_id", "best"} <= set(parent.tags)
    assert parent.tags["best"] == "ease"


@pytest.fixture(scope="module")
def client(done: Done) -> Any:
    """MLflow's own client on the home."""
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{done.place.home / 'mlflow.db'}")


def test_metrics_bounds_and_costs_of_a_child(done: Done, client: Any) -> None:
    for (label, seed, fold), run in done.runs.items():
        metrics = client.get_run(run.run_id).data.metrics
        assert len(metrics) < 100
        assert all(np.isfinite(value) for value in metrics.values())
        low, high = metrics["test.ndcg_at_3.ci_low"], metrics["test.ndcg_at_3.ci_high"]
        assert low <= metrics["test.ndcg_at_3"] <= high
        assert {"cost.fit_seconds", "cost.cpu_seconds", "cost.peak_memory_mb"} <= set(metrics)
        per_user = pd.read_parquet(done.out / "per_user.parquet")
        own = per_user[(per_user["model"] == label) & (per_user["seed"] == seed) & (per_user["fold"] == fold)]
        assert metrics["test.ndcg_at_3"] == pytest.approx(own["ndcg@3"].mean(), abs=1e-12)


def test_curves_by_epoch(done: Done, client: Any) -> None:
    curve = client.get_metric_history(done.runs["noisy", 2, 1].run_id, "fit.loss")
    assert [(point.step, point.value) for point in curve] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert client.get_metric_history(done.runs["ease", 1, 0].run_id, "fit.loss") == []


def test_settings_of_parent_and_child(done: Done, client: Any) -> None:
    params = client.get_run(done.answer["run_id"]).data.params
    assert params["split.kind"] == "k-fold"
    assert params["models.2.epochs"] == "3"
    assert params["evaluation.primary"] == "ndcg@3"
    child = client.get_run(done.runs["noisy", 2, 1].run_id).data.params
    assert (child["model"], child["epochs"], child["seed"], child["fold"]) == ("faulty", "3", "2", "1")


def test_data_as_inputs_with_our_digests(done: Done, client: Any) -> None:
    manifest = json.loads((done.out / "manifest.json").read_text())
    for run_id in (done.answer["run_id"], done.runs["ease", 1, 0].run_id):
        inputs = {each.dataset.name: each.dataset for each in client.get_run(run_id).inputs.dataset_inputs}
        assert inputs["table"].digest == manifest["data"]["digest"][: len(inputs["table"].digest)]
        assert inputs["table-k-fold"].digest == manifest["split"]["digest"][: len(inputs["table-k-fold"].digest)]
        assert json.loads(inputs["table"].profile)["users"] == N_USERS


def test_each_stored_model_opens(done: Done, client: Any, tmp_path: Path) -> None:
    from recsys.models.registry import open_model

    run = client.get_run(done.runs["ease", 1, 0].run_id)
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert model.status == "READY"
    folder = Path(model.artifact_location.removeprefix("file://"))
    assert folder.is_relative_to(done.place.home / "artifacts/shop")
    opened = open_model(folder)
    assert sorted(opened.items.ids)[0] == "item 00"


def test_the_result_as_artifacts_of_the_parent(done: Done, client: Any) -> None:
    listed = {file.path for file in client.list_artifacts(done.answer["run_id"])}
    assert listed == {*FILES, "figures"}
    figures = {file.path for file in client.list_artifacts(done.answer["run_id"], "figures")}
    assert {"figures/by-k-ndcg.svg", "figures/data-rows-by-item.svg"} <= figures
    path = client.download_artifacts(done.answer["run_id"], "leaderboard.csv")
    assert Path(path).read_bytes() == (done.out / "leaderboard.csv").read_bytes()


def test_a_finished_spec_is_answered_at_once(done: Done) -> None:
    before = recorded(done.place.home)
    ended = done.place.run("compare", "spec.yaml", "--json", "--out", "again", PYTHONPROFILEIMPORTTIME="1")
    assert ended.status == 0, ended.said
    assert json.loads(ended.out)["leaderboard"] == done.answer["leaderboard"]
    assert {path.name for path in (done.place.folder / "again").iterdir()} == set(FILES)
    assert recorded(done.place.home) == before
    assert flow_runs(done.place.home) == ["Completed"]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.err.splitlines() if "|" in line}
    assert "recsys" in imported
    assert not imported & {"prefect", "mlflow", "torch", "sklearn", "matplotlib"}

    ended = done.place.run("compare", "spec.yaml")
    assert "was finished before: nothing is fitted and no run is started" in ended.out
    assert ended.seconds < 10, "a quiet machine takes one second and a half"


def test_another_label_fits_nothing_anew(done: Done) -> None:
    before = len(done.place.stored("fit"))
    ended = done.place.run(
        "compare", "spec.yaml", "--json", "--set", "models.1.label=linear", "--set", "models.1.name=ease"
    )
    assert ended.status == 0, ended.said
    assert len(done.place.stored("fit")) == before
    assert ended.err.count("fitted before") == len(CELLS)


def test_a_command_of_somebodys_own_in_the_same_table(done: Done) -> None:
    command = [sys.executable, str(Path(__file__).parents[1] / "made" / "popular.py"), "{folder}"]
    (done.place.folder / "theirs.yaml").write_text(
        yaml.safe_dump({**SPEC, "models": [{"name": "external", "label": "theirs", "command": command}, "popularity"]})
    )
    ended = done.place.run("compare", "theirs.yaml", "--set", "seeds=[1]", "--json", "--out", "theirs")
    assert ended.status == 0, ended.said
    board = {row["model"]: row for row in json.loads(ended.out)["leaderboard"]}
    assert board["theirs"]["ndcg@3"] == pytest.approx(
        board["popularity"]["ndcg@3"], abs=0.05
    )  # ties have another order
    assert {path.name for path in (done.place.folder / "theirs").iterdir()} == set(FILES)
    assert "theirs" in (done.place.folder / "theirs" / "report.html").read_text()


def test_two_protocols_side_by_side(done: Done, client: Any) -> None:
    asked = ["--also", "split.kind=random", "--out", "both", "--json"]
    ended = done.place.run("compare", "spec.yaml", *asked)
    assert ended.status == 0, ended.said
    answer, out = json.loads(ended.out), done.place.folder / "both"
    assert answer["leaderboard"] == done.answer["leaderboard"]  # finished before
    also = answer["also"]
    assert (also["out"], also["run_id"] != answer["run_id"]) == (str(out / "also"), True)
    assert {path.name for path in (out / "also").iterdir()} == set(FILES)
    assert yaml.safe_load((out / "also/spec.yaml").read_text())["split"]["kind"] == "random"
    assert also["protocols"] == json.loads((out / "protocols.json").read_text())
    assert also["protocols"]["names"] == ["k-fold split", "random split"]
    ranks = {each["model"]: each["ranks"] for each in also["protocols"]["standings"]}
    for place, rows in enumerate((answer["leaderboard"], also["leaderboard"])):
        assert [row["model"] for row in rows] == sorted(ranks, key=lambda label: ranks[label][place])
    page = (out / "report.html").read_text()
    assert '<h2 id="protocols">Two protocols</h2>' in page
    assert "Ranks under both" in page
    assert "Two protocols" not in (out / "also/report.html").read_text()
    logged = {file.path for file in client.list_artifacts(answer["run_id"], "also")}
    assert logged == {"also/report.html", "also/protocols.json"}
    assert "Kendall" in ended.err


def test_recommendations_of_stored_models(done: Done) -> None:
    users = ["--user", "user 03", "--user", "somebody"]
    ended = done.place.run("recommend", "spec.yaml", *users, "--model", "ease", "--model", "noisy", "-k", "4", "--json")
    assert ended.status == 0, ended.said
    answer = json.loads(ended.out)
    lines = pd.DataFrame(answer["recommendations"])
    assert {"model", "user", "item", "rank", "score"} <= set(lines.columns)
    assert lines.groupby(["model", "user"]).size().to_dict() == dict.fromkeys(
        [(model, user) for model in ("ease", "noisy") for user in ("user 03", "somebody")], 4
    )
    known = lines.groupby("user")["known"].all().to_dict()
    assert known == {"user 03": True, "somebody": False}
    stored = pd.read_parquet(done.out / "recommendations.parquet")
    mine = stored[(stored["model"] == "ease") & (stored["fold"] == 0) & (stored["user"] == "user 03")].head(4)
    asked = lines[(lines["model"] == "ease") & (lines["user"] == "user 03")]
    assert asked["item"].tolist() == mine["item"].tolist()
    (pair,) = [pair for pair in answer["overlap"] if pair["user"] == "user 03"]
    assert 0 <= pair["overlap@4"] <= 4

    ended = done.place.run("recommend", "spec.yaml", "--history", "item 00", "--history", "item 02", "--model", "ease")
    assert ended.status == 0, ended.said
    assert "user new" in ended.out
    assert "item 00" not in ended.out


def forked_from() -> list[psutil.Process]:
    """What fits of this process are forked from."""
    return [each for each in psutil.Process().children() if "recsys.experiment.fork_server" in each.cmdline()]


def test_from_python(prefect: None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result as frames; a finished one comes back as it is, and `fresh` computes it anew."""
    from flows.compare import compare
    from flows.session import choosing
    from recsys.experiment.forks import Forks
    from recsys.experiment.spec import Experiment

    monkeypatch.chdir(tmp_path)
    write_events(tmp_path)
    Path("spec.yaml").write_text(
        yaml.safe_dump({**SPEC, "models": ["popularity", "random"], "split": {"kind": "random"}, "seeds": [1]})
    )
    spec = Experiment.load("spec.yaml")
    result = compare(spec, ["evaluation.k=[3]"])
    assert set(result.leaderboard["model"]) == {"popularity", "random"}
    assert {"ndcg@3", "ndcg@3_low", "ndcg@3_high"} <= set(result.leaderboard.columns)
    assert set(result.recommendations["rank"]) == {1, 2, 3}
    assert set(result.per_user["model"]) == {"popularity", "random"}
    assert not result.cached
    assert not forked_from()

    again = compare(spec, ["evaluation.k=[3]"])
    assert again.cached
    assert again.run_id == result.run_id
    with Forks(tmp_path / "processes", tmp_path / "forks.log") as forks, choosing(forks=forks):
        # The fits of both are forked from one process, which ends when whoever started it lets it go.
        with choosing(fresh=True, out=tmp_path / "fresh"):
            fresh = compare(spec, ["evaluation.k=[3]"])
        (first,) = forked_from()
        compare(spec, ["evaluation.k=[3, 20]"])
        assert forked_from() == [first]
    assert not forked_from()
    assert fresh.run_id != result.run_id
    assert fresh.out == tmp_path / "fresh"
    same = [name for name in result.leaderboard.columns if name not in MEASURED]
    pd.testing.assert_frame_equal(fresh.leaderboard[same], result.leaderboard[same])
    assert [run.status for run in recorded(home) if run.active] == ["FINISHED"] * 9


def test_what_takes_longest_begins_first(
    prefect: None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order Prefect begins the tasks."""
    from flows.compare import compare
    from flows.session import choosing
    from recsys.experiment.cells import expected_seconds
    from recsys.experiment.spec import Experiment
    from tasks import turns
    from tasks.context import Cell, Reporter

    begun: list[Cell] = []

    class Listener(Reporter):
        def begin(self, cell: Cell) -> None:
            begun.append(cell)

    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)
    monkeypatch.chdir(tmp_path)
    write_events(tmp_path)
    models = ["random", {"name": "mf", "epochs": 1}, "popularity", {"name": "mf", "label": "long"}, "item-knn"]
    spec = Experiment.model_validate(
        {**SPEC, "models": models, "seeds": [1], "split": {"kind": "random"}, "runner": {"workers": 1}}
    )
    with choosing(reporter=Listener()):
        compare(spec)
    expected = [expected_seconds(spec, cell.model, (N_USERS, N_ITEMS, 300)) for cell in begun]
    assert len(set(expected)) == len(models)
    assert expected == sorted(expected, reverse=True)
    assert [cell.label for cell in begun[:2]] == ["long", "mf"]

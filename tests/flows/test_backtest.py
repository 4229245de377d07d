"""A backtest from the table to the page, in worlds where what age does is known."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.backtest import BacktestFailedError, backtest
from flows.command import Speech
from flows.commands.backtest import answer_of, show
from recsys.comparison.backtest import Course
from recsys.errors import InputError
from recsys.experiment.fit import fit_and_recommend
from recsys.experiment.spec import Experiment
from recsys.report.backtest_words import advice
from recsys.settings import Settings
from tasks import context
from tasks.backtesting import Backtested

PERIODS, N_USERS, N_NEW = 4, 40, 5


def write_world(path: Path, fashion: bool, times: bool = True) -> None:
    """Forty people who take five items every day, and five newcomers a day who take five items at its end.

    fashion: what people take today is what the newcomers took last night, and nobody took it before: a model that has
    seen last night knows all of it, an older one nothing. Else everybody goes down one list, five items further a day;
    strangers who have taken the more, the higher an item stands there, made that list known long ago.
    """
    rows = []
    for day in range(10):
        for person in range(N_USERS):
            rows += [(f"p{person}", f"i{5 * day + i:03}", day * 86_400 + 60 * person) for i in range(5)]
        for new in range(N_NEW):
            ahead = 5 * (day + 1) if fashion else 0
            rows += [(f"n{day}-{new}", f"i{ahead + i:03}", day * 86_400 + 86_000 + new) for i in range(5)]
    if not fashion:
        rows += [(f"s{number}", f"i{item:03}", 0) for item in range(50) for number in range(200 - item)]
    lines = ["user,item,timestamp" if times else "user,item"]
    lines += [",".join(map(str, row if times else row[:2])) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def spec(table: Path, *models: str) -> Experiment:
    return Experiment.parse(
        {
            "name": "fashion",
            "data": {"source": "table", "interactions": str(table)},
            "models": list(models),
            "evaluation": {"metrics": ["ndcg"], "k": [5], "primary": "ndcg@5"},
        }
    )


@pytest.fixture
def here(prefect: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Models are fitted in this process; which ones."""
    names: list[str] = []

    def run_child(job, folder, **how):
        names.append(job.settings["name"])
        how["checkpoint"].mkdir(parents=True, exist_ok=True)
        fit_and_recommend(job, folder, how["checkpoint"], how["tell"])
        measured = json.loads((folder / "measured.json").read_text())
        (folder / "measured.json").write_text(json.dumps(measured | {"cpu_seconds": 2.0, "peak_memory_mb": 80.0}))

    monkeypatch.setattr(context, "run_child", run_child)
    return names


def only(done: Backtested) -> Course:
    (found,) = done.result.courses
    return found


@pytest.mark.soak
def test_taste_that_changes_every_day(here: Path) -> None:
    """In processes of their own: what is a day old finds nothing, and each policy what its fresh days find."""
    write_world(here / "events.csv", fashion=True)
    done = backtest(spec(here / "events.csv", "popularity"), every="1d", periods=PERIODS)
    course = only(done)
    assert [age.value.value for age in course.ages] == [1, 0, 0, 0]
    assert [(age.loss.value, age.users) for age in course.ages[1:]] == [(1, N_USERS)] * 3
    assert [(each.steps, each.fits, each.value.value) for each in course.policies] == [
        (1, 4, 1),
        (2, 2, 0.5),
        (4, 1, 0.25),
    ]
    assert course.policies[0].cpu_seconds > course.policies[2].cpu_seconds > 0
    said = advice(course, done.result)
    assert said.startswith(
        "popularity: retrain every day; a model 3 days old loses 100.0\xa0% (95\xa0% interval 100.0 to"
    )
    assert {path.name for path in done.out.iterdir()} == {"backtest.csv", "backtest.html"}
    assert done.out.parent == here / "runs" / "fashion"
    assert len(list(csv.DictReader((done.out / "backtest.csv").open()))) == 4 + 3
    assert said in (done.out / "backtest.html").read_text()

    run = MlflowClient(Settings().mlflow_uri).get_run(done.run_id)
    assert (run.data.tags["role"], run.info.status, run.data.tags["advice"]) == ("backtest", "FINISHED", said)
    assert run.data.metrics["popularity.by_age.ndcg_at_5"] == 0
    assert run.data.metrics["popularity.by_policy.ndcg_at_5"] == 0.25


def test_a_world_that_stays_is_done_once(here: Path, fitted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No age makes a difference; and the same again fits nothing, in the same run and folder."""
    write_world(here / "events.csv", fashion=False)
    asked = spec(here / "events.csv", "popularity")
    done = backtest(asked, every="1d", periods=PERIODS)
    assert [age.value.value for age in only(done).ages] == [1] * PERIODS
    assert all(age.loss == (0, 0, 0) for age in only(done).ages)
    assert "age makes no difference that these 40 users could show" in advice(only(done), done.result)
    assert fitted == ["popularity"] * PERIODS
    page = (done.out / "backtest.html").read_text()

    again = backtest(asked, every="1d", periods=PERIODS)
    assert len(fitted) == PERIODS
    assert (again.out, again.run_id) == (done.out, done.run_id)
    assert (again.out / "backtest.html").read_text() == page

    show(again, Speech())
    table = capsys.readouterr().out
    assert "every 2 days" in table
    assert f"report   {done.out / 'backtest.html'}" in table
    told = json.loads(json.dumps(answer_of(again), allow_nan=False))
    assert (told["every"], told["periods"], told["primary"]) == ("1d", 4, "ndcg@5")
    assert [each["name"] for each in told["models"][0]["policies"]] == ["every day", "every 2 days", "once"]


def test_one_model_of_two_fails(here: Path, fitted: list[str]) -> None:
    """mf needs values and there are none: the other one is held all the same, and the run says so."""
    write_world(here / "events.csv", fashion=False)
    with pytest.raises(BacktestFailedError, match="needs a value") as caught:
        backtest(spec(here / "events.csv", "mf", "popularity"), every="1d", periods=2)
    done = caught.value.backtest
    assert [course.label for course in done.result.courses] == ["popularity"]
    assert "mf failed" in (done.out / "backtest.html").read_text()


def test_no_times(here: Path, fitted: list[str]) -> None:
    write_world(here / "events.csv", fashion=False, times=False)
    with pytest.raises(InputError, match="these data have no times that all users share"):
        backtest(spec(here / "events.csv", "popularity"))
    assert fitted == []


def test_fewer_users_than_an_interval_needs(here: Path, fitted: list[str]) -> None:
    write_world(here / "all.csv", fashion=True)
    lines = (here / "all.csv").read_text().splitlines()
    few = [line for line in lines if not line.startswith("p") or int(line[1:].partition(",")[0]) < 20]
    (here / "events.csv").write_text("\n".join(few) + "\n")
    done = backtest(spec(here / "events.csv", "popularity"), every="1d", periods=2)
    assert advice(only(done), done.result) == (
        "popularity: 20 users are too few to say what age does to it; 30 are needed."
    )
    assert "In 2 of 2 periods fewer than 30 users count" in (done.out / "backtest.html").read_text()

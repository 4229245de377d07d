"""Retraining that is killed, stopped or done twice at once: decided once, with what an undisturbed one leaves."""

from __future__ import annotations

import datetime as dt
import json
import random
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from faults.harness import HELD_UP, Command, Workplace, flow_runs, recorded
from faults.law import assert_lawful, assert_nothing_half, kept_by_mlflow
from faults.points import RETRAIN, SIGNALS, ended_at, turn
from faults.proxy import QUICK, Proxy, mlflow_server
from made.shop import LAST, spec_of, write_world

from recsys.champion.record import DecisionRecord
from recsys.data.config import TableData
from recsys.data.traffic import simulate
from recsys.settings import Settings
from recsys.store.keys import file_digest
from recsys.tracking.pyfunc import bundle_of
from recsys.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS
from tasks.night import Office

SECONDS = 15.0
"""A quiet machine takes less than five; this one may be busy with other tests."""

COMMAND = ("retrain", "spec.yaml")


@pytest.fixture(scope="session")
def log(shared: Path) -> Path:
    """The days of the shop in a folder; the last twenty have not come yet."""
    folder = shared / "shop"
    if not (folder / "log").exists():
        folder.mkdir()
        write_world(folder / "world.csv")
        world = TableData(source="table", interactions=str(folder / "world.csv"))
        simulate(world, str(folder / "log"), until=LAST - dt.timedelta(days=20))
    return folder / "log"


def workplace(folder: Path, log: Path, home: Path | None = None, **spec: Any) -> Workplace:
    """A place with the shop's experiment; spec: its model, its section `retrain`."""
    return Workplace(folder, spec_of({"source": "table", "interactions": str(log)}, **spec), home)


@pytest.fixture
def shop(tmp_path: Path, log: Path, databases: Path) -> Iterator[Workplace]:
    """A place to retrain in; nothing of it is left running, or talked to others."""
    place = workplace(tmp_path / "place", log).seed(databases)
    yield place
    for process in place.processes():
        process.kill()
    place.assert_kept_here()


def start(place: Workplace, *arguments: str, **env: str) -> Command:
    """`recsys retrain` unless told otherwise; a new champion's lists go into a folder beside the home."""
    return place.start(*(arguments or COMMAND), **{"RECSYS_PUBLISH_TO": str(place.home.parent / "lists"), **env})


def office(place: Workplace) -> Office:
    return Office(Settings(home=place.home))


def records(place: Workplace) -> list[DecisionRecord]:
    """The decisions but skips, oldest first."""
    return [each.record for each in office(place).decisions.all("shop") if each.record.verdict != "skipped"]


def aliases(place: Workplace) -> tuple[int | None, ...]:
    """The versions that are champion, challenger, previous champion."""
    found = [office(place).registry.alias("shop", alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)]
    return tuple(version.number if version else None for version in found)


def left_by(place: Workplace) -> dict[str, Any]:
    """What a retraining leaves, but for times, what was measured, and ids of runs."""
    (record,) = records(place)
    plain = record.model_dump(mode="json", exclude={"time", "runs", "guards"})
    registry = office(place).registry
    (version,) = registry.versions("shop")
    bundle = bundle_of(registry.folder(version))
    lists = place.home.parent / "lists/current"
    return {
        "record": {**plain, "guards": [(guard.name, guard.fell) for guard in record.guards]},
        "aliases": aliases(place),
        "model": {path.name: file_digest(path) for path in (bundle / "model").iterdir()},
        "histories": {path.name: file_digest(path) for path in (bundle / "histories").iterdir()},
        "lists": {path.name: pd.read_parquet(path).drop(columns="time") for path in lists.glob("*.parquet")},
        "mlflow": kept_by_mlflow(place.home),
    }


def assert_as_undisturbed(place: Workplace, undisturbed: dict[str, Any]) -> None:
    """Fail where a place was not left as by one retraining that nothing disturbed."""
    left = left_by(place)
    lists, wanted = left.pop("lists"), dict(undisturbed)
    assert_lawful(place, wanted["mlflow"])
    for name, table in wanted.pop("lists").items():
        pd.testing.assert_frame_equal(lists[name], table, check_exact=True, obj=name)
    assert left == wanted
    assert all(each.settled for each in office(place).decisions.all("shop"))
    assert_clean(place)


def assert_clean(place: Workplace) -> None:
    """Fail where a process, an open run or a half-written file is left."""
    place.assert_empty()
    assert {run.status for run in recorded(place.home) if run.active} == {"FINISHED"}
    assert_nothing_half(place)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, log: Path, databases: Path, server: str) -> dict[str, Any]:
    """What a first retraining leaves that nothing disturbed."""
    place = workplace(tmp_path_factory.mktemp("undisturbed") / "place", log).seed(databases)
    ended = start(place, PREFECT_API_URL=server).wait()
    assert ended.status == 0, ended.said
    assert ended.out.count("promoted: version 1 serves") == 1
    assert_clean(place)
    found = left_by(place)
    assert found["record"]["verdict"] == "promoted"
    assert found["aliases"] == (1, None, None)
    return found


def test_ended_again_and_again(shop: Workplace, server: str, undisturbed: dict[str, Any]) -> None:
    """Each start is ended at a later point than the one before; the last one goes through."""
    again = partial(start, shop, PREFECT_API_URL=server)
    for point in ("in a fit", "model logged, named by no run", "version made", "a tag set", "lists written"):
        number, with_children = turn(point, RETRAIN)
        ended_at(RETRAIN[point], number, shop, again, with_children)
    ended = again().wait()
    assert ended.status == 0, ended.said
    assert "is carried out" in ended.out
    assert "skipped: version 1 serves" in ended.out
    assert_as_undisturbed(shop, undisturbed)


@pytest.mark.soak
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("point", RETRAIN)
def test_ended_at_each_point(
    shop: Workplace, server: str, undisturbed: dict[str, Any], point: str, number: signal.Signals
) -> None:
    again = partial(start, shop, PREFECT_API_URL=server)
    ended_at(RETRAIN[point], number, shop, again, with_children=turn(point, RETRAIN)[1])
    ended = again().wait()
    assert ended.status == 0, ended.said
    assert_as_undisturbed(shop, undisturbed)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(100))
def test_killed_at_a_random_moment(shop: Workplace, undisturbed: dict[str, Any], number: int) -> None:
    """With its own Prefect server; every other time with its children."""
    command = start(shop)
    time.sleep(random.Random(number).uniform(0.5, 16))
    command.kill(with_children=bool(number % 2))
    shop.assert_empty()
    ended = start(shop).wait()
    assert ended.status == 0, ended.said
    assert_as_undisturbed(shop, undisturbed)
    assert set(flow_runs(shop.home)) <= {"Completed", "Crashed"}


@pytest.mark.soak
def test_each_answer_of_mlflow_is_lost_once(
    shop: Workplace, tmp_path: Path, databases: Path, server: str, undisturbed: dict[str, Any]
) -> None:
    """What a server has done, and is asked for again, is there once all the same."""
    records = Workplace(tmp_path / "records").seed(databases).home
    with mlflow_server(records) as port, Proxy(port) as proxy:
        proxy.mode = "lost"
        ended = start(shop, PREFECT_API_URL=server, MLFLOW_TRACKING_URI=proxy.url, **QUICK).wait()
    assert ended.status == 0, ended.said
    assert kept_by_mlflow(records) == undisturbed["mlflow"]


@pytest.mark.parametrize("thread", [pytest.param(0, marks=pytest.mark.soak), -1], ids=["main", "another"])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak)]
)
def test_stopped_in_mid_fit(
    tmp_path: Path, log: Path, databases: Path, server: str, number: int, status: int, thread: int
) -> None:
    """The kernel may give a signal to any thread, and the main one waits for the fit."""
    place = workplace(tmp_path / "place", log, model="faulty").seed(databases)
    command = start(place, **HELD_UP, PREFECT_API_URL=server)
    command.wait_for(place.children, "a fit")
    ended = command.end(number, thread=psutil.Process(command.process.pid).threads()[thread].id)
    assert (ended.status, ended.seconds < SECONDS) == (status, True), (ended.status, ended.seconds)
    assert "Traceback" not in ended.said
    assert ended.err.startswith("stopped; what was finished is kept\ngo on with: ")
    assert ended.err.endswith("recsys retrain spec.yaml\n")
    place.assert_empty()
    runs = recorded(place.home)
    assert {run.status for run in runs if run.is_parent} == {"KILLED"}
    assert "RUNNING" not in {run.status for run in runs}
    assert records(place) == []


def test_two_at_once_decide_once(shop: Workplace, server: str, log: Path, undisturbed: dict[str, Any]) -> None:
    go_on = shop.folder / "go-on"
    first = start(shop, FAULTS_HOLD=RETRAIN["in a fit"], FAULTS_GO_ON=str(go_on), PREFECT_API_URL=server)
    first.wait_until_held()
    second = start(workplace(shop.folder.with_name("second"), log, shop.home), PREFECT_API_URL=server)
    second.wait_for(lambda: "another retraining of this name is at work" in second.out, "the second one waiting")
    go_on.touch()
    ended, waited = first.wait(), second.wait()
    assert (ended.status, waited.status) == (0, 0), ended.said + waited.said
    assert "promoted: version 1 serves" in ended.out
    assert "skipped: version 1 serves" in waited.out
    assert_as_undisturbed(shop, undisturbed)


PROMOTE = ("champion", "promote", "shop", "--json", "--reason")


@pytest.fixture
def waiting(tmp_path: Path, log: Path, databases: Path, server: str) -> Workplace:
    """Version 1 waits for a word."""
    place = workplace(tmp_path / "place", log, mode="manual").seed(databases)
    ended = start(place, PREFECT_API_URL=server).wait()
    assert "waiting: no champion yet" in ended.out, ended.said
    assert aliases(place) == (None, 1, None)
    return place


def test_two_people_at_once_promote_once(waiting: Workplace) -> None:
    """The first is held up before the alias changes; the other waits, and finds it done."""
    go_on = waiting.folder / "go-on"
    first = start(waiting, *PROMOTE, "mine", FAULTS_HOLD=RETRAIN["alias about to be set"], FAULTS_GO_ON=str(go_on))
    first.wait_until_held()
    second = start(waiting, *PROMOTE, "no, mine")
    second.wait_for(lambda: "somebody else decides about shop" in second.err, "the second one waiting")
    go_on.touch()
    ended, other = first.wait(), second.wait()
    assert (ended.status, json.loads(ended.out)["verdict"]) == (0, "promoted"), ended.said
    assert (other.status, json.loads(other.out)["error"]["message"]) == (2, "is champion already"), other.said
    assert aliases(waiting) == (1, None, None)
    assert [record.verdict for record in records(waiting)] == ["waiting", "promoted"]
    assert_clean(waiting)


@pytest.mark.soak
@pytest.mark.parametrize("point", ["alias about to be set", "tags set", "lists written", "lists published"])
def test_a_word_that_was_cut_off_is_carried_out(waiting: Workplace, point: str) -> None:
    killed = start(waiting, *PROMOTE, "good", FAULTS_HOLD=RETRAIN[point])
    killed.wait_until_held()
    killed.kill(with_children=True)
    ended = start(waiting, *PROMOTE, "good", "--version", "1").wait()
    assert (ended.status, json.loads(ended.out)["error"]["message"]) == (2, "is champion already"), ended.said
    assert aliases(waiting) == (1, None, None)
    assert [record.verdict for record in records(waiting)] == ["waiting", "promoted"]
    lists = pd.read_parquet(waiting.home.parent / "lists/current/recommendations.parquet")
    assert set(lists["version"]) == {"1"}
    assert_clean(waiting)

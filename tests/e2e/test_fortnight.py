"""Nights of a shop, end to end: a table that grows, `recsys up`, its deployments, `recsys serve`, the published lists.

What is served and published changes with a promotion and a rollback, and at no other time.
"""

from __future__ import annotations

import datetime as dt
import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Database, programs, running
from faults.harness import Command, Workplace, ask, free_port, recorded
from made.shop import LAST, spec_of, write_world
from pydantic import SecretStr

from recsys.champion.record import DecisionRecord
from recsys.data.config import TableData
from recsys.data.traffic import Poison, Traffic, simulate
from recsys.processes import wait_until
from recsys.settings import Settings
from tasks.night import Office

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

NAME = "nightly"
BEGIN = LAST - dt.timedelta(days=30)
"""The first night has the rows up to this day."""
USERS = range(0, 240, 12)
PATIENCE = 240.0
Lists = dict[str, list[str]]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """An empty database of PostgreSQL, in which the shop's rows arrive and its lists are published."""
    with running(programs()) as cluster:
        yield Database(cluster.empty("shop"), cluster)


@pytest.fixture
def shop(tmp_path: Path, databases: Path, database: Database) -> Iterator[Shop]:
    """The shop with everything running, before its first night; all of it is ended, and has left nothing."""
    assert database.cluster is not None
    database.cluster.empty("shop")
    shop = Shop(tmp_path / "shop", databases, database)
    yield shop
    shop.close()


class Shop:
    """A growing table of events, the stack beside it, and somebody who asks for lists."""

    def __init__(self, folder: Path, databases: Path, database: Database) -> None:
        folder.mkdir()
        write_world(folder / "world.csv")
        self.world = TableData(source="table", interactions=str(folder / "world.csv"))
        self.spec = spec_of({"source": "sql", "table": "events"}, name=NAME)
        self.place = Workplace(folder, self.spec).seed(databases)
        self.settings = Settings(home=self.place.home, sql_url=SecretStr(database.url))
        self.database, self.notes = database, folder / "notes.jsonl"
        ports = {name: free_port() for name in ("RECSYS_PREFECT_PORT", "RECSYS_MLFLOW_PORT")}
        self.env = {name: str(port) for name, port in ports.items()}
        self.env |= {"RECSYS_SQL_URL": database.url, "RECSYS_PUBLISH_TO": "sql:lists"}
        self.env |= {"RECSYS_NOTIFY_FILE": str(self.notes)}
        self.api = f"http://127.0.0.1:{ports['RECSYS_PREFECT_PORT']}/api"
        self.up: Command = self.place.start("up", **self.env)
        self.arrive(BEGIN)
        self.up.wait_for(lambda: "Ctrl-C ends" in self.up.out, "the servers")
        self.server: Command | None = None
        self.told: Lists = {}

    def recsys(self, *words: str) -> Any:
        """What a command answers."""
        ended = self.place.run(*words, "--json", **self.env)
        assert ended.status == 0, ended.said
        return json.loads(ended.out)

    def arrive(self, day: dt.date, poison: bool = False) -> None:
        """The rows of this day and all before it are there; poison: hammers one item."""
        traffic = Traffic(poison=(Poison(day=day, kind="hammer", share=0.9),) if poison else ())
        simulate(self.world, "sql:events", self.settings, traffic, until=day)

    def mend(self, day: dt.date) -> None:
        """The rows of a day are replaced by those that should have come."""
        self.database.run("DELETE FROM events WHERE arrived = ?", [(day,)])
        self.arrive(day)

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment as Prefect describes it."""
        return dict(ask(f"{self.api}/deployments/name/{name}"))

    def tick(self, times: int = 1, **parameters: Any) -> list[str]:
        """So many runs of retrain/nightly that are due at once, as after an outage; how they ended."""
        parameters |= {"spec": self.spec}
        url = f"{self.api}/deployments/{self.deployment('retrain/nightly')['id']}/create_flow_run"
        runs = [ask(url, {"parameters": parameters})["id"] for _ in range(times)]
        ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

        def states() -> list[str]:
            return [ask(f"{self.api}/flow_runs/{run}")["state_type"] for run in runs]

        self.up.wait_for(lambda: set(states()) <= set(ends), "the end of the night", seconds=PATIENCE + 20 * times)
        return states()

    def night(self, *verdicts: str) -> DecisionRecord:
        """As many ticks as verdicts, which come in this order; what is served and published fits. The last record."""
        before = len(self.records())
        assert self.tick(len(verdicts)) == ["COMPLETED"] * len(verdicts)
        records = self.records()
        said = [(record.verdict, record.reasons) for record in records[before:]]
        assert [verdict for verdict, _ in said] == list(verdicts), said
        self.look(changed="promoted" in verdicts)
        return records[-1]

    def records(self) -> list[DecisionRecord]:
        """The logbook, oldest first."""
        return [each.record for each in Office(self.settings).decisions.all(NAME)]

    def look(self, changed: bool) -> None:
        """Fail where the lists over HTTP and in the table are not the champion's, or changed though they should not."""
        champion = Office(self.settings).champion(NAME)
        assert champion is not None
        version = str(champion.version)
        self.serve()
        assert wait_until(lambda: self.ask("version")["version"] == version, PATIENCE), self.ask("version")
        served = {str(user): [row["item"] for row in self.lists(user)] for user in USERS}
        assert (served != self.told) == changed
        self.told = served
        assert self.published(version) == served

    def published(self, version: str) -> Lists:
        """The first ten of the same users in the table, all of which is of this version."""
        assert self.database.cluster is not None
        with self.database.cluster.connect(self.database.name) as session:
            assert session.execute("SELECT DISTINCT version FROM lists").fetchall() == [(version,)]
            rows = session.execute('SELECT "user", item FROM lists WHERE rank <= 10 ORDER BY "user", rank').fetchall()
        return {str(user): [item for owner, item in rows if owner == user] for user in USERS}

    def serve(self) -> None:
        """`recsys serve`, from the first champion on."""
        if self.server is None:
            server = self.place.start("serve", NAME, "--port", "0", "--json", **self.env)
            server.wait_for(lambda: server.out.endswith("\n"), "the address")
            self.server = server

    def ask(self, path: str) -> Any:
        """What `recsys serve` answers."""
        assert self.server is not None
        with urllib.request.urlopen(f"{json.loads(self.server.out)['url']}/{path}", timeout=30) as answer:
            return json.load(answer)

    def lists(self, user: int) -> list[dict[str, Any]]:
        return list(self.ask(f"recommend?user={user}&k=10")["recommendations"])

    def notified(self) -> list[str]:
        """What was told, oldest first: verdicts, and the words where there is none."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [note.get("verdict", note["text"]) for note in map(json.loads, lines)]

    def close(self) -> None:
        """End everything as a person would."""
        for command in filter(None, (self.server, self.up)):
            if command.process.poll() is None:
                command.process.terminate()
        try:
            ended = [command.wait(60) for command in (self.server, self.up) if command is not None]
            assert [each.status for each in ended] == [0] * len(ended), "\n".join(each.said for each in ended)
            self.place.assert_empty()
            assert "RUNNING" not in {run.status for run in recorded(self.place.home)}
            outgoing = self.place.home / "outgoing.log"
            asked = outgoing.read_text().splitlines() if outgoing.exists() else []
            assert asked == []
        finally:
            for process in self.place.processes():
                process.kill()


def wait_for(shop: Shop, happens: Callable[[], object], what: str) -> None:
    shop.up.wait_for(happens, what, seconds=PATIENCE)


@pytest.mark.timeout(900)
def test_four_nights(shop: Shop) -> None:
    """Two late ticks promote once; poisoned rows are rejected; once they are mended there is a newer champion."""
    assert shop.night("promoted", "skipped").serving == 1
    automations = {each["name"] for each in ask(f"{shop.api}/automations/filter", {})}
    assert automations >= {"retraining failed", "retraining hangs", "no retraining"}

    day = BEGIN + dt.timedelta(days=1)
    shop.arrive(day, poison=True)
    rejected = shop.night("rejected")
    assert any(guard.name in ("drift", "anomalous rows") for guard in rejected.fallen), rejected.reasons
    assert rejected.serving == 1

    shop.mend(day)
    before = shop.told
    assert shop.night("promoted").version == 2
    back = shop.recsys("champion", "rollback", NAME, "--reason", "smells")
    assert (back["verdict"], back["champion"]) == ("rolled back", 1)
    shop.look(changed=True)
    assert shop.told == before
    assert shop.notified() == ["promoted", "rejected", "promoted", "rolled back"]
    told = shop.recsys("champion", "history", NAME)["decisions"]
    assert [each["verdict"] for each in told] == ["promoted", "skipped", "rejected", "promoted", "rolled back"]
    published = {"deployments": {"id": {"any_": [shop.deployment("publish/after-promotion")["id"]]}}}
    wait_for(shop, lambda: ask(f"{shop.api}/flow_runs/count", published) == 3, "publications after promotions")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fourteen_days(shop: Shop) -> None:
    """A fortnight in which everything happens once, and on other days the champion is refreshed."""
    assert shop.night("promoted").version == 1
    for number in range(1, 14):
        day = BEGIN + dt.timedelta(days=number)
        if number == 4:  # the feed brings nothing
            shop.night("skipped")
            continue
        if number == 6:
            shop.arrive(day, poison=True)
            assert shop.night("rejected").serving is not None
            shop.mend(day)
            shop.night("promoted")
            continue
        if number == 11:  # an outage: ten ticks are late
            shop.arrive(day)
            shop.night("promoted", *["skipped"] * 9)
            continue
        shop.arrive(day)
        shop.night("promoted")
        if number == 9:
            shop.recsys("champion", "rollback", NAME, "--reason", "smells")
            shop.look(changed=True)
    assert shop.tick(as_of="1999-01-01T00:00:00Z") == ["FAILED"]
    trouble = "a retraining failed: see its flow run, and docs/runbook.md"
    wait_for(shop, lambda: trouble in shop.notified(), "a word about the failure")
    verdicts = [record.verdict for record in shop.records()]
    assert {name: verdicts.count(name) for name in ("rejected", "rolled back", "skipped")} == {
        "rejected": 1,
        "rolled back": 1,
        "skipped": 10,
    }

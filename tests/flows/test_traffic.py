"""`recsys simulate-traffic`: its options, what it says, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from made.commands import answer_to

from recsys.data.config import SqlData, TableData
from recsys.data.load import load
from recsys.data.newest import newest
from recsys.settings import Settings

WORLD = {"source": "synthetic", "users": 60, "items": 40, "interactions": 800}

Recsys = Callable[..., tuple[int, str, str]]


@pytest.fixture
def recsys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Recsys:
    """The command, with a spec of a made world; its status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECSYS_SQL_URL", raising=False)
    Path("spec.yaml").write_text(yaml.safe_dump({"name": "world", "data": WORLD, "models": ["popularity"]}))

    return lambda *words: answer_to(["simulate-traffic", "spec.yaml", *words], monkeypatch, capsys)


def section(said: str) -> dict:
    """The section `data` that is advised."""
    advised = next(line for line in said.splitlines() if line.startswith("a spec reads it with"))
    return yaml.safe_load(advised.partition("with")[2])["data"]


def test_each_day_is_said_and_the_section_advised_reads_them(recsys: Recsys) -> None:
    status, out, err = recsys("--into", "log", "--days", "3")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == [path.stem for path in sorted(Path("log").glob("*.parquet"))]
    assert lines[3].startswith("3 days (2024-01-")
    assert section(out) == {"source": "table", "interactions": "log"}
    n_rows = len(load(TableData(**section(out)), None, Settings()))
    assert lines[3].endswith(f"written, {n_rows} rows")
    _, out, _ = recsys("--into", "log", "--days", "1")
    assert "3 days (2024-01-" in out
    assert "there already, left as before" in out


def test_for_programs_with_everything_that_goes_wrong(recsys: Recsys) -> None:
    status, out, err = recsys("--into", "log", "--days", "200", "--json", "--form", "csv")
    assert status == 0
    answer = json.loads(out)
    assert answer["into"] == "log"
    assert answer["present"] == []
    days = [day["day"] for day in answer["written"]]
    assert sorted(path.name for path in Path("log").iterdir() if path.suffix == ".csv") == [
        f"{day}.csv" for day in days
    ]
    assert sum(day["rows"] for day in answer["written"]) == 800
    assert "2024" in err
    busy = max(answer["written"], key=lambda day: day["rows"])
    flags = ("--late", "0.2", "--repeat", "0.1", "--seed", "7", "--poison", f"{busy['day']}=hammer:0.4")
    _, out, _ = recsys("--into", "bad", "--from", days[3], "--until", busy["day"], *flags, "--json", "--quiet")
    found = json.loads(out)["written"]
    assert days[3] <= found[0]["day"] <= found[-1]["day"] == busy["day"]
    assert sum(day["late"] for day in found) > 0
    assert sum(day["repeated"] for day in found) > 0
    assert [day["day"] for day in found if day["made"]] == [busy["day"]]
    assert not any(day["shuffled"] for day in found)


def test_into_a_table(recsys: Recsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_SQL_URL_FEED", f"sqlite:///{tmp_path}/feed.db")
    status, out, _ = recsys("--into", 'sql+feed:"odd, name"', "--days", "2", "--repeat", "0.5")
    assert status == 0
    wanted = {"source": "sql", "connection": "feed", "table": '"odd, name"', "duplicates": "last"}
    assert section(out) == wanted
    assert newest(SqlData(**wanted), Settings()).rows > 0


def test_overrides_are_those_of_the_spec(recsys: Recsys) -> None:
    _, out, _ = recsys("--into", "log", "--set", "data.interactions=400", "--json")
    assert sum(day["rows"] for day in json.loads(out)["written"]) == 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "recsys simulate-traffic: Missing option '--into'"),
        (("--into", "log", "--from", "1st"), "recsys simulate-traffic: Invalid value for '--from'"),
        (("--into", "log", "--late", "1"), "recsys simulate-traffic: Invalid value for '--late'"),
        (("--into", "log", "--from", "2030-01-01"), "days: nothing arrives from 2030-01-01; rows arrive from 2024-01-"),
        (
            ("--into", "log", "--poison", "2024-01-09"),
            "--poison: '2024-01-09' is no poisoned day (kind); write DAY=ham",
        ),
        (("--into", "log", "--poison", "x=hammer:2"), "--poison: 'x=hammer:2' is no poisoned day (day, share); write"),
        (("--into", "s3://b/log"), "into: s3://b/log is no folder and no table; write a folder, or sql:TABLE"),
        (
            ("--into", "sql:events"),
            "RECSYS_SQL_URL: is not set, and a database is asked for; set it in the environment",
        ),
        (("--into", "log", "--set", "data.users=x"), "spec.yaml: data.users: "),
    ],
)
def test_refused(recsys: Recsys, arguments: tuple[str, ...], message: str) -> None:
    status, out, err = recsys(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith(message)
    assert not Path("log").exists()

"""`recsys retrain` and `recsys champion` as people type them: what they answer, how they end, what they refuse."""

from __future__ import annotations

import datetime as dt
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from faults.harness import Workplace
from made.commands import answer_to
from made.shop import LAST, spec_of, write_world

from recsys.data.config import TableData
from recsys.data.traffic import Poison, Traffic, simulate
from recsys.settings import Settings
from tasks.night import Office

Run = Callable[..., tuple[int, Any, str]]
BEGIN = LAST - dt.timedelta(days=20)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, databases: Path) -> Path:
    """A folder with a world and a spec, beside the home that these tests share: they go on from each other."""
    folder = tmp_path_factory.mktemp("commands")
    spec = spec_of({"source": "table", "interactions": "log"})
    Workplace(folder, spec).seed(databases)
    write_world(folder / "world.csv")
    untimed = {**spec, "name": "untimed", "data": {**spec["data"], "interactions": "untimed.csv"}}
    (folder / "untimed.yaml").write_text(yaml.safe_dump(untimed))
    rows = [line.rpartition(",")[0] for line in (folder / "world.csv").read_text().splitlines()]
    (folder / "untimed.csv").write_text("\n".join(rows))
    return folder


def arrive(place: Path, day: dt.date, *poison: Poison) -> None:
    """The rows of this day and all before it are there."""
    world = TableData(source="table", interactions=str(place / "world.csv"))
    simulate(world, str(place / "log"), traffic=Traffic(poison=poison), until=day)


@pytest.fixture
def recsys(
    prefect: None, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs a command with --json: exit status, its answer, what stands on standard error."""
    from flows.session import Options, options

    monkeypatch.chdir(place)
    monkeypatch.setenv("RECSYS_HOME", str(place / "home"))
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str) -> tuple[int, Any, str]:
        status, out, err = answer_to([*words, "--json"], monkeypatch, capsys)
        return status, json.loads(out), err

    yield run
    options.set(Options())
    signal.signal(signal.SIGTERM, before)


class TestRefused:
    """Wrong input is found before anything runs, and nothing is left behind."""

    @pytest.mark.parametrize(
        ("words", "where", "message"),
        [
            (("retrain", "none.yaml"), "none.yaml", ""),
            (("retrain", "spec.yaml", "--as-of", "yesterday"), "--as-of", "'yesterday' is no time"),
            (("retrain", "spec.yaml", "--promote"), "--promote", "belongs to a backfill"),
            (("retrain", "spec.yaml", "--every", "2d"), "--every", "belongs to a backfill"),
            (("retrain", "spec.yaml", "--from", "2024-05-01"), "--from, --to", "go together"),
            (("retrain", "spec.yaml", "--from", "2024-05-02", "--to", "2024-05-01"), "--to", "is before"),
            (
                ("retrain", "spec.yaml", "--from", "2024-05-01", "--to", "2024-05-02", "--every", "soon"),
                "--every",
                "'soon' is no length of time",
            ),
            (("champion", "show", "shop"), "shop", "nothing is registered|no model of this name"),
            (("champion", "rollback", "shop"), "--reason", "is missing"),
            (("champion", "rollback", "shop", "--reason", " "), "--reason", "is missing"),
            (("champion", "promote", "shop"), "--reason", "is missing"),
        ],
    )
    def test_as_typed(self, recsys: Run, place: Path, words: tuple[str, ...], where: str, message: str) -> None:
        status, answer, err = recsys(*words)
        assert status == 2, err
        assert answer["error"]["place"] == where
        assert any(part in answer["error"]["message"] for part in message.split("|"))
        assert answer["error"]["remedy"]

    def test_without_times(self, recsys: Run) -> None:
        status, answer, err = recsys("retrain", "untimed.yaml")
        assert (status, "time" in answer["error"]["message"]) == (2, True), err

    def test_before_all_rows(self, recsys: Run, place: Path) -> None:
        arrive(place, BEGIN)
        status, answer, err = recsys("retrain", "spec.yaml", "--as-of", "1999-01-01")
        assert (status, answer["error"]["place"]) == (2, "as_of"), err
        assert answer["error"]["message"] == "no row is from 1999-01-01 00:00 UTC or before"
        assert Office(Settings()).decisions.all("shop") == []


def test_nights_as_they_would_have_been(recsys: Run, place: Path) -> None:
    """A page is written; nothing is registered and nothing decided."""
    arrive(place, BEGIN)
    first, last = BEGIN - dt.timedelta(days=2), BEGIN
    status, answer, err = recsys("retrain", "spec.yaml", "--from", str(first), "--to", str(last))
    assert status == 0, err
    assert [each["verdict"] for each in answer["decisions"]] == ["promoted", "promoted", "promoted"]
    assert [each["kind"] for each in answer["decisions"]] == ["first", "refresh", "refresh"]
    assert [each["as_of"][:10] for each in answer["decisions"]] == [
        str(first),
        str(BEGIN - dt.timedelta(days=1)),
        str(last),
    ]
    assert Path(answer["page"]).read_text().lower().startswith("<!doctype html>")
    office = Office(Settings())
    assert (office.registry.versions("shop"), office.decisions.all("shop")) == ([], [])


class TestVerdicts:
    """The exit status is 0 whatever is decided."""

    def test_promoted(self, recsys: Run, place: Path) -> None:
        arrive(place, BEGIN)
        status, answer, err = recsys("retrain", "spec.yaml")
        assert (status, answer["verdict"], answer["kind"]) == (0, "promoted", "first"), err
        assert (answer["version"], answer["champion"], answer["challenger"]) == (1, 1, 1)
        assert 0 < answer["gain"]["low"] < answer["gain"]["value"] < answer["gain"]["high"]
        assert answer["primary"] == "ndcg@10"
        assert answer["reasons"]
        assert "promoted: version 1 serves" in err

    def test_skipped(self, recsys: Run) -> None:
        status, answer, err = recsys("retrain", "spec.yaml")
        assert (status, answer["verdict"], answer["version"], answer["champion"]) == (0, "skipped", None, 1), err
        assert answer["gain"] is None

    def test_nobody_to_go_back_to(self, recsys: Run) -> None:
        status, answer, err = recsys("champion", "rollback", "shop", "--reason", "why not")
        assert (status, answer["error"]["place"]) == (2, "previous champion of shop"), err
        assert answer["error"]["message"] == "there is none to go back to"

    def test_rejected(self, recsys: Run, place: Path) -> None:
        day = BEGIN + dt.timedelta(days=1)
        arrive(place, day, Poison(day=day, kind="hammer", share=0.9))
        status, answer, err = recsys("retrain", "spec.yaml")
        assert (status, answer["verdict"], answer["version"], answer["champion"]) == (0, "rejected", None, 1), err
        assert len(answer["reasons"]) > 1

    def test_waiting(self, recsys: Run, place: Path) -> None:
        mended = ("--set", "retrain.mode=manual", "--set", "retrain.guards={drift: null, anomalous: null}")
        status, answer, err = recsys("retrain", "spec.yaml", *mended)
        assert (status, answer["verdict"]) == (0, "waiting"), err
        assert (answer["version"], answer["challenger"], answer["champion"]) == (None, 2, 1)
        assert "approve  recsys champion promote shop --reason WHY" in err

    def test_promoted_by_hand(self, recsys: Run) -> None:
        status, answer, err = recsys("champion", "promote", "shop", "--reason", "it was a sale")
        assert (status, answer["verdict"], answer["version"], answer["champion"]) == (0, "promoted", 2, 2), err
        assert answer["reasons"] == ["it was a sale"]
        assert answer["gain"] is None

    def test_no_other_version_waits(self, recsys: Run) -> None:
        status, answer, _ = recsys("champion", "promote", "shop", "--reason", "again")
        assert (status, answer["error"]["message"]) == (2, "no version waits")
        status, answer, _ = recsys("champion", "promote", "shop", "--reason", "again", "--version", "9")
        assert (status, answer["error"]["message"], answer["error"]["remedy"]) == (
            2,
            "there is no such version",
            "there are: 1, 2",
        )

    def test_rolled_back(self, recsys: Run) -> None:
        status, answer, err = recsys("champion", "rollback", "shop", "--reason", "no sale after all")
        assert (status, answer["verdict"], answer["version"], answer["champion"]) == (0, "rolled back", 1, 1), err
        status, answer, _ = recsys("champion", "show", "shop")
        assert (status, answer["champion"]["version"], answer["previous"]) == (0, 1, 2)

    def test_the_next_step_back_does_not_lead_forward(self, recsys: Run) -> None:
        status, answer, err = recsys("champion", "rollback", "shop", "--reason", "and this one")
        assert (status, answer["error"]["message"]) == (2, "is version 2, which was rolled back (no sale after all)"), (
            err
        )
        _, _, err = recsys("champion", "show", "shop")
        assert "before it: version 2; rolled back (no sale after all)" in err

    def test_a_rollback_that_was_cut_off_is_carried_out(self, recsys: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Killed between the record and the alias; the next word of a person first does what the record says."""
        from recsys.tracking.registry import Registry

        def killed(*args: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Registry, "promote", killed)
            status, _, _ = recsys("champion", "promote", "shop", "--version", "2", "--reason", "after all")
            assert status == 130
        status, answer, err = recsys("champion", "promote", "shop", "--version", "2", "--reason", "once more")
        assert (status, answer["error"]["message"]) == (2, "is champion already"), err
        office = Office(Settings())
        assert office.registry.alias("shop", "champion") == office.registry.version("shop", 2)
        assert [each.settled for each in office.decisions.all("shop")[-2:]] == [True, True]

    def test_unknown(self, recsys: Run) -> None:
        status, answer, _ = recsys("champion", "history", "shap")
        assert (status, answer["error"]["place"]) == (2, "shap")
        assert "shop" in answer["error"]["remedy"]

    def test_history(self, recsys: Run) -> None:
        """Every decision, oldest first; `untimed` and what was refused left none."""
        status, answer, err = recsys("champion", "history", "shop")
        verdicts = ["promoted", "skipped", "rejected", "waiting", "promoted", "rolled back", "promoted"]
        assert (status, [each["verdict"] for each in answer["decisions"]]) == (0, verdicts), err
        times = [each["time"] for each in answer["decisions"]]
        assert times == sorted(times)
        assert [each["champion"] for each in answer["decisions"]] == [1, 1, 1, 1, 2, 1, 2]
        assert "no sale after all" in err

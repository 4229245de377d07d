"""Retraining from the source to the alias: each verdict, in the order of nights on one growing source."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faults.harness import Workplace
from made.shop import LAST, spec_of, write_world

from flows.night import Rehearsal, rehearsal
from flows.retrain import retrain
from flows.session import choosing
from recsys.champion.record import DecisionRecord
from recsys.data.config import TableData
from recsys.data.traffic import simulate
from recsys.data.traffic.plan import Poison, Traffic
from recsys.errors import InputError
from recsys.experiment.spec import Experiment
from recsys.serving.about import ABOUT
from recsys.serving.bundle import open_bundle
from recsys.serving.state import Serving
from recsys.settings import Settings
from recsys.tracking.champion import Champion
from recsys.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS
from tasks.context import Reporter
from tasks.night import Office, contender_of
from tasks.promoting import by_hand


@dataclass
class Shop:
    """A growing folder of events, and the experiment on it."""

    folder: Path
    world: TableData

    def spec(self, model: Any = "ease", **retrain: Any) -> Experiment:
        """The experiment with this first model."""
        return Experiment.parse(
            spec_of({"source": "table", "interactions": f"{self.folder}/*.parquet"}, model, **retrain)
        )

    def grow(self, until: dt.date, **traffic: Any) -> None:
        """More days, up to this one."""
        simulate(self.world, str(self.folder), traffic=Traffic(**traffic), until=until)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    write_world(folder / "world.csv")
    return Shop(folder / "events", TableData(source="table", interactions=str(folder / "world.csv")))


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, databases: Path) -> Path:
    """The home that all nights share."""
    place = tmp_path_factory.mktemp("nights")
    Workplace(place / "place", home=place / "home").seed(databases)
    return place / "home"


@pytest.fixture(autouse=True)
def at_home(prefect: None, lasting: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RECSYS_HOME", str(lasting))
    rehearsal.set(None)
    yield
    rehearsal.set(None)


def office() -> Office:
    return Office(Settings())


def aliases() -> dict[str, int | None]:
    """The version that each alias names."""
    found = {alias: office().registry.alias("shop", alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)}
    return {alias: version.number if version else None for alias, version in found.items()}


def records() -> list[DecisionRecord]:
    return [each.record for each in office().decisions.all("shop")]


def test_first_it_has_to_beat_popularity(shop: Shop) -> None:
    shop.grow(LAST - dt.timedelta(days=20))
    record = retrain(shop.spec({"name": "random"}))
    assert (record.verdict, record.kind, record.version) in {("kept", "first", None), ("rejected", "first", None)}
    assert aliases() == {CHAMPION: None, CHALLENGER: None, PREVIOUS: None}
    assert record.gain is not None
    assert record.gain.value < 0


def test_the_first_champion(shop: Shop) -> None:
    record = retrain(shop.spec())
    assert (record.verdict, record.kind, record.version) == ("promoted", "first", 1)
    assert record.gain is not None
    assert record.gain.low is not None
    assert record.gain.low > 0
    assert aliases() == {CHAMPION: 1, CHALLENGER: None, PREVIOUS: None}
    version = office().registry.alias("shop", CHAMPION)
    assert version is not None
    champion = contender_of(version)
    assert champion.settings["name"] == "ease"
    assert champion.newest == record.newest
    assert champion.rows == record.rows


def test_what_serves_was_fitted_on_all_rows(shop: Shop) -> None:
    version, folder = Champion("shop", Settings())()
    bundle = open_bundle(folder)
    assert version == "1"
    assert bundle.about.rows == records()[-1].rows
    assert bundle.facts.name == "shop"


def test_a_bundle_that_is_described_otherwise_does_not_serve(shop: Shop) -> None:
    champion = Champion("shop", Settings())
    _, folder = champion()
    text = (folder / ABOUT).read_text()
    (folder / ABOUT).write_text(text.replace('"exclude_seen": true', '"exclude_seen": false'))
    assert (folder / ABOUT).read_text() != text
    with pytest.raises(InputError, match=r"has digest .* is wanted; make it again: recsys retrain SPEC"):
        champion.open(folder)
    (folder / ABOUT).write_text(text)
    assert champion.open(folder).about.rows == records()[-1].rows


def test_no_new_rows(shop: Shop) -> None:
    record = retrain(shop.spec())
    assert record.verdict == "skipped"
    assert "no new rows" in record.reasons[0]
    assert record.serving == 1
    assert [each.verdict for each in records()][-2:] == ["promoted", "skipped"]


def test_too_few_new_rows(shop: Shop) -> None:
    shop.grow(LAST - dt.timedelta(days=18))
    record = retrain(shop.spec(min_new_rows=100_000))
    assert record.verdict == "skipped"
    assert "retrain.min_new_rows asks for 100,000" in record.reasons[0]


def test_a_refresh_is_equal_by_construction(shop: Shop) -> None:
    record = retrain(shop.spec())
    assert (record.verdict, record.kind, record.version) == ("promoted", "refresh", 2)
    assert record.gain is not None
    assert (record.gain.value, record.gain.low, record.gain.high) == (0, 0, 0)
    assert record.champion is not None
    assert record.champion.stand_in is not None
    assert "into the window" in record.champion.stand_in
    assert aliases() == {CHAMPION: 2, CHALLENGER: None, PREVIOUS: 1}


def test_the_same_time_again_repeats_the_decision(shop: Shop) -> None:
    shop.grow(LAST - dt.timedelta(days=12))
    asked = dt.datetime.combine(LAST - dt.timedelta(days=14), dt.time(12), dt.UTC)
    first = retrain(shop.spec(), as_of=asked)
    n = len(records())
    assert retrain(shop.spec(), as_of=asked) == first
    assert len(records()) == n
    assert first.as_of == asked
    assert first.newest is not None
    assert first.newest <= asked


def test_a_change_that_is_no_better(shop: Shop) -> None:
    before = aliases()
    record = retrain(shop.spec({"name": "ease", "regularization": 400_000.0}))
    assert record.kind == "change"
    assert record.verdict in ("kept", "rejected")
    assert record.version is None
    assert aliases() == before


def test_report_promotes_nothing(shop: Shop) -> None:
    shop.grow(LAST - dt.timedelta(days=10))
    before = aliases()
    record = retrain(shop.spec(mode="report"))
    assert (record.verdict, record.kind) == ("kept", "refresh")
    assert "mode report promotes nothing" in record.reasons[-1]
    assert aliases() == before


def test_manual_waits_for_a_word(shop: Shop) -> None:
    shop.grow(LAST - dt.timedelta(days=8))
    before = aliases()[CHAMPION]
    record = retrain(shop.spec(mode="manual"))
    assert record.verdict == "waiting"
    assert record.challenger is not None
    waiting = record.challenger.version
    assert aliases()[CHALLENGER] == waiting
    assert aliases()[CHAMPION] == before
    assert waiting is not None

    promoted = by_hand(office(), "shop", waiting, "ada", "looks good", Reporter())
    assert (promoted.verdict, promoted.version, promoted.person) == ("promoted", waiting, "ada")
    assert aliases() == {CHAMPION: waiting, CHALLENGER: None, PREVIOUS: before}


def test_poisoned_rows_are_rejected(shop: Shop) -> None:
    day = LAST - dt.timedelta(days=7)
    shop.grow(day, poison=(Poison(day=day, kind="hammer", share=0.9),))
    before = aliases()
    record = retrain(shop.spec())
    assert record.verdict == "rejected", record.reasons
    assert any(guard.name in ("drift", "anomalous rows") for guard in record.fallen)
    assert aliases() == before


def test_a_window_without_users_waits(shop: Shop) -> None:
    shop.grow(LAST - dt.timedelta(days=6))
    record = retrain(shop.spec(window="1min"))
    assert record.verdict == "waiting"
    assert "30 are needed" in record.reasons[0]


def test_rollback(shop: Shop) -> None:
    before = aliases()
    previous = before[PREVIOUS]
    assert previous is not None
    record = by_hand(office(), "shop", previous, "ada", "smells", Reporter(), "rolled back")
    assert (record.verdict, record.serving, record.reasons) == ("rolled back", previous, ("smells",))
    assert aliases()[CHAMPION] == previous
    assert aliases()[PREVIOUS] == before[CHAMPION]
    with pytest.raises(InputError, match="is champion already"):
        by_hand(office(), "shop", previous, "ada", "again", Reporter())


def test_two_decisions_about_one_champion(shop: Shop) -> None:
    """The second one finds another champion than it was about, and says so in its record."""
    from tasks.settling import settle

    champion, other = aliases()[CHAMPION], aliases()[PREVIOUS]
    assert other is not None
    stale = by_hand(office(), "shop", other, "ada", "first", Reporter())
    assert aliases()[CHAMPION] == other
    lost = stale.model_copy(update={"version": 1, "champion": stale.champion})
    run = office().tracker.open_parent("shop", "late", {}, {}, role="retraining")
    told = settle(office(), run.run_id, lost, Reporter())
    assert stale.champion is not None
    assert stale.champion.version == champion
    assert told.verdict == "kept"
    assert "another promotion came first" in told.reasons[-1]
    assert aliases()[CHAMPION] == other
    office().tracker.close(run.run_id, "FINISHED")


def test_a_rehearsal_changes_nothing(shop: Shop) -> None:
    before, n = aliases(), len(records())
    rehearsal.set(Rehearsal())
    record = retrain(shop.spec(), as_of=dt.datetime.combine(LAST - dt.timedelta(days=30), dt.time(), dt.UTC))
    assert record.decided_by == "backfill"
    assert record.kind == "first"
    assert aliases() == before
    assert len(records()) == n


def test_a_time_before_everything(shop: Shop) -> None:
    with pytest.raises(InputError, match="no row is from 1999-01-01 00:00 UTC or before"):
        retrain(shop.spec(), as_of=dt.datetime(1999, 1, 1, tzinfo=dt.UTC))


def test_a_promotion_that_was_cut_off_is_carried_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the record and the alias: the next night first does what the record says."""
    import flows.retrain

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    shop.grow(LAST - dt.timedelta(days=5))
    spec = shop.spec(mode="manual", guards={"anomalous": None, "drift": None})
    record = retrain(spec)
    assert record.verdict == "waiting"
    assert record.challenger is not None
    cut = record.model_copy(
        update={"verdict": "promoted", "version": record.challenger.version, "serving": record.challenger.version}
    )
    run = office().tracker.open_parent("shop", "cut", {}, {}, role="retraining")
    office().decisions.write(run.run_id, cut.model_copy(update={"time": dt.datetime.now(dt.UTC)}), {})
    monkeypatch.setattr(flows.retrain, "decide_tonight", killed)
    with pytest.raises(KeyboardInterrupt):
        retrain(spec)
    assert aliases()[CHAMPION] == record.challenger.version


class Warned(Reporter):
    """Keeps what it is warned of."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


def test_a_damaged_champion_is_replaced(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not served, and the next night names it, fits and decides, although no row has come."""
    spec = shop.spec(guards={"anomalous": None, "drift": None})
    assert retrain(spec).verdict == "skipped"
    champion = Champion("shop", Settings())
    number, bundle = champion()
    weights = next(bundle.glob("model/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + bytes([weights.read_bytes()[-1] ^ 1]))
    with pytest.raises(InputError, match=weights.name):
        Serving(champion).start()

    kept = retrain(shop.spec({"name": "ease", "regularization": 400_000.0}, guards={"anomalous": None, "drift": None}))
    assert (kept.verdict, kept.serving) == ("kept", int(number))
    assert kept.reasons[-1].startswith(
        f"version {number} cannot be opened, and nothing new can serve it; go to a sound"
    )

    monkeypatch.setenv("RECSYS_PUBLISH_TO", str(tmp_path / "lists"))
    warned = Warned()
    with choosing(reporter=warned):
        record = retrain(spec)
    assert record.verdict == "promoted"
    assert record.champion is not None
    assert record.champion.stand_in == f"version {number} cannot be opened; its settings were fitted anew"
    [said] = [said for said in warned.said if said.startswith(f"version {number} cannot be opened: ")]
    assert str(weights) in said
    assert aliases() == {CHAMPION: record.version, CHALLENGER: None, PREVIOUS: int(number)}
    state = Serving(Champion("shop", Settings()))
    state.start()
    state.stop()
    lists = pd.read_parquet(tmp_path / "lists/current/recommendations.parquet")
    assert {state.live.version} == set(lists["version"]) == {str(record.version)}


def test_a_champion_that_was_taken_away_by_hand(shop: Shop) -> None:
    """There is one again after the next night, although no row has come."""
    spec = shop.spec(guards={"anomalous": None, "drift": None})
    before = aliases()[CHAMPION]
    office().tracker.client.delete_registered_model_alias("recsys-shop", CHAMPION)
    record = retrain(spec)
    assert (record.verdict, record.kind) == ("promoted", "first")
    assert before is not None
    assert aliases()[CHAMPION] == record.version > before
    assert retrain(spec).verdict == "skipped"


def test_rows_that_end_before_those_of_the_champion(shop: Shop) -> None:
    """A feed without its newest part, or a time in the past, replaces nothing."""
    before, asked = aliases(), dt.datetime.combine(LAST - dt.timedelta(days=22), dt.time(), dt.UTC)
    record = retrain(shop.spec(), as_of=asked)
    assert (record.verdict, record.serving) == ("rejected", before[CHAMPION])
    assert [guard.name for guard in record.fallen] == ["older rows"]
    assert record.new_rows is not None
    assert record.new_rows < 0
    assert aliases() == before


def test_the_records_are_artifacts(shop: Shop) -> None:
    last = office().decisions.all("shop")[-2]
    client = office().tracker.client
    names = {file.path for file in client.list_artifacts(last.run_id)}
    assert {"decision.json", "decision.html"} <= names
    run = client.get_run(last.run_id)
    assert run.data.tags["verdict"] == last.record.verdict
    assert Settings().operations_page("shop").is_file()
    assert json.loads(last.record.to_json())["name"] == "shop"

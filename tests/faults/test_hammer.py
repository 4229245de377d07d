"""Eight processes hammer one store and one registry, and some are killed: nothing torn, nothing twice, no lie."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from faults import hammering
from faults.hammering import CALM, NAME, SHARED
from faults.harness import Workplace, environment
from filelock import FileLock
from made import world

from recsys.data.interactions import training_view
from recsys.models.base import FitRun
from recsys.models.popularity import Popularity
from recsys.serving.about import Facts
from recsys.serving.bundle import open_bundle, write_bundle
from recsys.settings import Settings
from recsys.store import Store
from recsys.tracking.pyfunc import bundle_of, save_pyfunc
from recsys.tracking.registry import CHAMPION, PREVIOUS
from tasks.context import Reporter
from tasks.night import Office
from tasks.promoting import by_hand

A_MOMENT_AND_A_MINUTE = pytest.mark.parametrize("seconds", [2.5, pytest.param(60, marks=pytest.mark.soak)])


def hammer(kind: str, home: Path, seconds: float) -> list[list[str]]:
    """What the processes noted, each line in words."""
    command = [sys.executable, hammering.__file__, kind, str(home), str(seconds)]
    ended = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=seconds + 240)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
    return [line.split() for line in (home / "notes").read_text().splitlines()]


@A_MOMENT_AND_A_MINUTE
def test_store(tmp_path: Path, seconds: float) -> None:
    notes = hammer("store", tmp_path, seconds)
    done = Counter((note[0], note[1]) for note in notes)
    kills = sum(note[0] == "killed" for note in notes)
    digests = {(key, digest) for what, key, *digest in notes if what in ("found", "made") for digest in digest}
    assert len(digests) == len({key for key, _ in digests}), "one key, two contents"
    assert {*SHARED, *CALM} <= {key for key, _ in digests}
    for key in CALM:
        assert done["made", key] <= 1  # the only one may have been killed before it could say so
        assert done["begun", key] <= 1 + kills
    for key in SHARED:
        assert done["begun", key] <= 1 + kills + done["damaged", key]
    store, stage = Store(tmp_path / "store"), tmp_path / "store/stage"
    for key, digest in digests:
        ref = store.get("stage", key)
        assert key in SHARED if ref is None else ref.digest == digest
    for key in SHARED:  # the last deed may have been damage
        assert (key, store.produce("stage", key, lambda folder, key=key: fill(folder, key)).digest) in digests
    temporaries = list(stage.glob(".*.tmp"))
    assert len(temporaries) <= kills
    for lock in stage.glob(".*.lock"):
        with FileLock(lock).acquire(timeout=0):
            pass


def fill(folder: Path, key: str) -> None:
    """What the processes make of a key."""
    (folder / "first").write_text(key * 500)
    (folder / "second").mkdir()
    (folder / "second/file").write_text(key)


@pytest.fixture
def office(home: Path, databases: Path) -> Office:
    """A home with two versions of a model."""
    Workplace(home.parent / "place", home=home).seed(databases)
    data, part = world()
    train = training_view(data, part.train, None, None)
    model = Popularity(Popularity.Config())
    model.learn(train, FitRun())
    (home / "model").mkdir()
    model.save(home / "model")
    write_bundle(home / "bundle", home / "model", train, Facts(name=NAME))
    save_pyfunc(home / "bundle", home / "served")
    office = Office(Settings())
    for _ in range(2):
        hammering.register(office, home / "served")
    return office


@A_MOMENT_AND_A_MINUTE
def test_registry(office: Office, seconds: float) -> None:
    home = office.settings.root
    hammer("registry", home, seconds)
    for _ in range(2):  # settles what a kill has left
        version = hammering.register(office, home / "served").number
        by_hand(office, NAME, version, "the last one", "calm again", Reporter())
    decided = office.decisions.all(NAME)
    assert all(each.settled for each in decided)
    records = [each.record for each in decided]
    for before, after in pairwise(records):
        assert before.time < after.time
        assert after.champion is not None
        assert after.champion.version == before.serving
    versions = {version.number: version for version in office.registry.versions(NAME)}
    assert list(versions) == list(range(1, len(versions) + 1))
    for found in versions.values():
        open_bundle(bundle_of(office.registry.folder(found)))
    assert {record.serving for record in records} <= set(versions)
    aliases = [office.registry.alias(NAME, alias) for alias in (CHAMPION, PREVIOUS)]
    assert [each.number if each else None for each in aliases] == [records[-1].serving, records[-2].serving]
    made = [found.tags["run_key"] for found in versions.values()]
    assert len(set(made)) == len(made)

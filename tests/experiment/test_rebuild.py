"""The data and split of a finished run, made again."""

from __future__ import annotations

import json

import pytest
from made import spec

from recsys.data.load import inputs
from recsys.errors import InputError
from recsys.experiment.rebuild import rebuilt, same_inputs
from recsys.settings import Settings

TABLE = {"source": "table", "interactions": "events.csv"}


@pytest.fixture
def table(tmp_path, monkeypatch):
    """An experiment on a table here, and what a run of it noted."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{user},{item}" for user in range(20) for item in range(8)]
    (tmp_path / "events.csv").write_text("\n".join(["user,item", *rows]) + "\n")
    experiment = spec(data=TABLE)
    return experiment, {"data": {"inputs": inputs(experiment.data, None, Settings())}}


def test_another_file_is_named(table, tmp_path):
    experiment, manifest = table
    assert same_inputs(experiment, manifest, Settings()) == manifest["data"]["inputs"]
    (tmp_path / "events.csv").write_text("user,item\n1,1\n")
    with pytest.raises(InputError, match=r"interactions: events.csv: is not what the run has read: its SHA-256 begins"):
        same_inputs(experiment, manifest, Settings())


def test_a_missing_file_is_named(table, tmp_path):
    (tmp_path / "events.csv").unlink()
    with pytest.raises(InputError, match=r"events\.csv"):
        same_inputs(*table, Settings())


def test_a_file_more_and_one_less(table):
    experiment, manifest = table
    with pytest.raises(InputError, match=r"users: u\.csv: the run has read it, and it is not there; put it back"):
        same_inputs(experiment, {"data": {"inputs": manifest["data"]["inputs"] | {"users: u.csv": "1f"}}}, Settings())
    with pytest.raises(InputError, match=r"interactions: events\.csv: the run has not read it; move it away"):
        same_inputs(experiment, {"data": {"inputs": {}}}, Settings())


def test_from_the_data_or_the_store(table):
    experiment, manifest = table
    about = {"data": manifest["data"] | {"digest": "x"}, "split": {"digest": "y"}}
    with pytest.raises(InputError, match=r"data: its digest is [0-9a-f]{12} and was x, from the same files; use the"):
        rebuilt(experiment, about, Settings())
    (stored,) = (Settings().store / "dataset").glob("[0-9a-f]*")
    about["data"]["digest"] = json.loads((stored / "store.json").read_text())["digest"]
    with pytest.raises(InputError, match=r"split: its digest is [0-9a-f]{12} and was y"):
        rebuilt(experiment, about, Settings())
    (stored,) = (Settings().store / "split").glob("[0-9a-f]*")
    about["split"]["digest"] = json.loads((stored / "store.json").read_text())["digest"]
    again = rebuilt(experiment, about, Settings())
    assert (again.dataset.cached, again.split.cached) == (True, True)
    assert (len(again.data), len(again.fold(0).test)) == (160, 32)

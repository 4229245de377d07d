"""What is told before any server is started."""

import pytest

from flows.early import refuse_wrong_data
from recsys.data.load import inputs
from recsys.errors import InputError
from recsys.experiment.keys import dataset_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.store import Store

WORLD = {"source": "synthetic", "users": 40, "items": 30, "interactions": 400}
ROWS = [f"{user},{item},3" for user in range(6) for item in range(user, user + 4)]


@pytest.fixture
def looked(tmp_path, monkeypatch):
    """Looks at an experiment whose events are these lines."""
    monkeypatch.chdir(tmp_path)

    def look(lines=("user,item,value", *ROWS), data=None, **sections):
        (tmp_path / "events.csv").write_text("\n".join(lines))
        document = {"name": "x", "data": data or {"source": "table", "interactions": "events.csv"}, "models": ["ease"]}
        experiment = Experiment.parse(document | sections)
        found = inputs(experiment.data, experiment.predefined, Settings())
        refuse_wrong_data(experiment, found, Settings())
        return experiment, found

    return look


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"lines": ["user,thing", "1,2"]}, "the file events.csv has no column 'item'"),
        ({"lines": ["user,item,value", "1,2,x", "2,3,1"]}, "events.csv, row 2: value is 'x'"),
        ({"positive": 9}, "test rows is a positive"),
        ({"split": {"kind": "rolling"}}, "split"),
        ({"data": {**WORLD, "weight": "value", "min_user_count": 1000}}, "none is left"),
        ({"data": {**WORLD, "interactions": 10**8}}, "more than half of the 1,200 pairs"),
        ({"split": {"kind": "predefined", "test": "events.csv"}}, "seen in training"),
    ],
)
def test_wrong_data_is_refused(looked, asked, message):
    with pytest.raises(InputError, match=message):
        looked(**asked)


def test_good_data_leaves_nothing(looked, tmp_path):
    looked()
    looked(data=WORLD)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["events.csv"]


def test_large_files_are_left_to_the_flow(looked, monkeypatch):
    monkeypatch.setattr("flows.early.QUICK_BYTES", 10)
    looked(lines=["user,thing", "1,2", "2,1"])


def test_what_the_store_has_was_right(looked, monkeypatch):
    experiment, found = looked()
    Store(Settings().store).produce("dataset", dataset_key(experiment, found), lambda folder: None)
    monkeypatch.setattr("recsys.data.load.load", lambda *args: pytest.fail("it was read again"))
    looked()

"""What an earlier or a later version has left: it loads, is made anew, or is refused with what to do; never read wrong.

Earlier and later formats are made of today's by another number. What carries one: docs/security.md.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from faults.harness import Workplace
from kitchen import Pointer, bundle_of, evaluated
from made import job, spec
from made.decisions import record
from registered import register
from safetensors import safe_open
from safetensors.torch import save_file

from flows.engine import engine
from flows.stack import Stack
from recsys.champion.record import Contender, DecisionRecord
from recsys.data.dataset import Dataset
from recsys.errors import ExpectedError, InputError
from recsys.experiment.fit import lists_of_stored
from recsys.experiment.keys import run_key
from recsys.experiment.spec import Experiment
from recsys.models.base import ABOUT as MODEL_ABOUT
from recsys.models.registry import open_model
from recsys.processes import end
from recsys.serving.about import ABOUT
from recsys.serving.bundle import open_bundle
from recsys.serving.publish import publish
from recsys.serving.state import Serving
from recsys.settings import Settings
from recsys.store import Store
from recsys.store.folders import MANIFEST
from recsys.tracking.champion import Champion
from recsys.tracking.registry import Registry
from recsys.tracking.runs import Tracker
from recsys.training import checkpoint
from tasks.night import model_of
from tasks.retraining import look_for_new_rows, stand_in, unreadable

UPGRADE = "it was made by a newer version of this project: upgrade this one"
DOCUMENT = {"name": "x", "data": {"source": "synthetic"}, "models": ["ease"]}


def of_format(path: Path, number: Any) -> None:
    """Give a description another number; None takes it away."""
    about = json.loads(path.read_text())
    del about["format"]
    path.write_text(json.dumps(about | ({} if number is None else {"format": number})))


@pytest.fixture(scope="module")
def ease(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of EASE."""
    return bundle_of(tmp_path_factory.mktemp("ease"), "ease")


@pytest.fixture
def bundle(ease: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(ease, tmp_path / "bundle"))


class TestSpec:
    def test_it_may_say_its_format(self, tmp_path: Path) -> None:
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump({"format": 1, **DOCUMENT}))
        found = Experiment.load(tmp_path / "spec.yaml")
        assert found == Experiment.parse(DOCUMENT)
        assert run_key(found, {}, 1) == run_key(Experiment.parse(DOCUMENT), {}, 1)

    @pytest.mark.parametrize(
        ("number", "remedy"), [(2, UPGRADE), (0, "write format: 1"), ("new", "write format: 1"), (True, "write format")]
    )
    def test_another_one_is_refused_before_anything_else(self, number: Any, remedy: str) -> None:
        with pytest.raises(InputError) as caught:
            Experiment.parse({"format": number, "tomorrow": 1, **DOCUMENT, "models": ["of tomorrow"]}, "spec.yaml")
        assert str(caught.value).startswith(f"spec.yaml: format: is {number!r}, and 1 is known; {remedy}")

    def test_forms_know_it(self) -> None:
        assert Experiment.model_json_schema()["properties"]["format"]["const"] == 1


class TestStore:
    @staticmethod
    def stored(tmp_path: Path, number: Any) -> tuple[Store, Path]:
        store = Store(tmp_path)
        folder = store.produce("stage", "key", lambda folder: (folder / "file").write_text("theirs")).folder
        of_format(folder / MANIFEST, number)
        return store, folder

    def test_an_earlier_folder_is_made_anew(self, tmp_path: Path) -> None:
        store, folder = self.stored(tmp_path, 0)
        assert store.get("stage", "key") is None
        made = store.produce("stage", "key", lambda folder: (folder / "file").write_text("ours"))
        assert not made.cached
        assert (folder / "file").read_text() == "ours"

    def test_a_later_one_is_left_alone(self, tmp_path: Path) -> None:
        store, folder = self.stored(tmp_path, 2)
        for ask in (store.get, lambda *key: store.produce(*key, lambda folder: None)):
            with pytest.raises(InputError, match=f"is of format 2, and 1 is known; {UPGRADE}"):
                ask("stage", "key")
        assert (folder / "file").read_text() == "theirs"

    @pytest.mark.parametrize(
        ("number", "said"),
        [
            (None, "does not say its format, and 1 is known; remove the folder"),
            (True, "is of format True, and 1 is known; remove the folder"),
            (1.0, "is of format 1.0, and 1 is known; remove the folder"),
            (99.5, f"is of format 99.5, and 1 is known; {UPGRADE}"),
            ("2", "is of format '2', and 1 is known; remove the folder"),
            ([9], "is of format [9], and 1 is known; remove the folder"),
        ],
    )
    def test_one_that_says_something_else_is_left_alone(self, tmp_path: Path, number: Any, said: str) -> None:
        store, folder = self.stored(tmp_path, number)
        with pytest.raises(InputError, match=re.escape(said)):
            store.get("stage", "key")
        assert (folder / "file").read_text() == "theirs"

    @pytest.mark.parametrize("text", ['{"format": 99, "format": 1}', '"of tomorrow"', "[1]"])
    def test_a_description_that_can_be_read_two_ways_or_none(self, tmp_path: Path, text: str) -> None:
        store, folder = self.stored(tmp_path, 1)
        (folder / MANIFEST).write_text(text)
        with pytest.raises(InputError, match="remove the folder"):
            store.get("stage", "key")

    @pytest.mark.parametrize("text", ["", '{"format": 1, "fi', "\0" * 100])
    def test_a_torn_one_is_made_anew(self, tmp_path: Path, text: str) -> None:
        store, folder = self.stored(tmp_path, 1)
        (folder / MANIFEST).write_text(text)
        assert store.get("stage", "key") is None


class TestDescriptions:
    @pytest.mark.parametrize(("number", "remedy"), [(0, "fit the model again"), (2, UPGRADE)])
    def test_of_a_model(self, bundle: Path, number: int, remedy: str) -> None:
        of_format(bundle / "model" / MODEL_ABOUT, number)
        with pytest.raises(InputError, match=f"describes format {number}, and 1 is known; {remedy}"):
            open_model(bundle / "model")

    @pytest.mark.parametrize("number", [True, 1.0, "1"])
    def test_of_a_model_that_says_something_else(self, bundle: Path, number: Any) -> None:
        of_format(bundle / "model" / MODEL_ABOUT, number)
        with pytest.raises(InputError, match=f"describes format {number}, and 1 is known; fit the model again"):
            open_model(bundle / "model")

    def test_of_a_model_that_says_it_twice(self, bundle: Path) -> None:
        text = (bundle / "model" / MODEL_ABOUT).read_text()
        (bundle / "model" / MODEL_ABOUT).write_text('{"format": 99, ' + text[1:])
        with pytest.raises(InputError, match="is not the description of a stored model; fit the model again"):
            open_model(bundle / "model")

    @pytest.mark.parametrize(("number", "remedy"), [(0, "make it again: recsys retrain SPEC"), (2, UPGRADE)])
    def test_of_a_bundle(self, bundle: Path, number: int, remedy: str) -> None:
        of_format(bundle / ABOUT, number)
        with pytest.raises(InputError, match=f"a bundle of format {number}, and 1 is known; {remedy}"):
            open_bundle(bundle)

    @pytest.mark.parametrize("number", [True, 1.0, "1", None])
    def test_of_a_bundle_that_says_something_else(self, bundle: Path, number: Any) -> None:
        of_format(bundle / ABOUT, number)
        with pytest.raises(InputError, match="is no description of a bundle; make it again: recsys retrain SPEC"):
            open_bundle(bundle)

    def test_of_a_bundle_that_says_it_twice(self, bundle: Path) -> None:
        text = (bundle / ABOUT).read_text()
        (bundle / ABOUT).write_text('{"format": 99, ' + text[1:])
        with pytest.raises(InputError, match="the key 'format' stands twice; make it again: recsys retrain SPEC"):
            open_bundle(bundle)

    def test_of_a_decision(self) -> None:
        document = json.loads(record().to_json())
        without = json.dumps({name: value for name, value in document.items() if name != "format"})
        with pytest.raises(InputError, match="does not say its format, and 1 is known; read it with the version that"):
            DecisionRecord.from_json(without)
        for number in (True, 1.0, "1", [1]):
            said = re.escape(f"describes format {number!r}, and 1 is known; read it with the version that wrote it")
            with pytest.raises(InputError, match=said):
                DecisionRecord.from_json(json.dumps(document | {"format": number}))
        for number, remedy in ((0, "read it with the version that wrote it"), (2, UPGRADE)):
            with pytest.raises(InputError, match=f"describes format {number}, and 1 is known; {remedy}"):
                DecisionRecord.from_json(json.dumps(document | {"format": number}))


def test_a_checkpoint_that_says_more_or_less_is_not_used(tmp_path: Path) -> None:
    network, random = torch.nn.Linear(2, 1), torch.Generator()
    optimizer = torch.optim.Adam(network.parameters())
    checkpoint.save(tmp_path, "fit", checkpoint.Reached(epoch=3), network, optimizer, random)
    path = tmp_path / checkpoint.NAME
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- it is no mapping
    for changed in ({**about, "tomorrow": 1}, {"epoch": 3}, {**about, "belongs_to": "another"}):
        save_file(tensors, path, metadata={"about": json.dumps(changed)})
        assert checkpoint.restore(tmp_path, "fit", network, optimizer, random).epoch == 0
    save_file(tensors, path, metadata={"about": json.dumps(about)})
    assert checkpoint.restore(tmp_path, "fit", network, optimizer, random).epoch == 3


@pytest.mark.parametrize("kind", [Registry, Tracker])
def test_a_database_of_another_mlflow(settings: Settings, kind: Any) -> None:
    with sqlite3.connect(settings.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'c584ba4a4e4b'")
    connection.close()
    with pytest.raises(InputError, match="is of another version of MLflow than the") as caught:
        kind(settings)
    assert caught.value.place == str(settings.database)
    assert f"mlflow db upgrade sqlite:///{settings.database}" in str(caught.value.remedy)


def test_a_database_of_a_newer_prefect(databases: Path, home: Path) -> None:
    Workplace(home.parent / "place", home=home).seed(databases)
    with sqlite3.connect(home / "prefect.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.close()
    said = r"prefect.db: a newer version of Prefect made it; install that one, or"
    with pytest.raises(InputError, match=said), engine(Settings()):
        raise AssertionError


@pytest.mark.parametrize(
    ("name", "last", "then", "said"),
    [
        (
            "prefect",
            "Can't locate revision identified by 'f'",
            "sys.exit(3)",
            r"prefect.db: a newer version of Prefect",
        ),
        ("prefect", "database disk image is malformed", "sys.exit(3)", r"prefect.db: is damaged; move the file away"),
        ("mlflow", "Detected out-of-date database schema", "input()", r"mlflow.db: is of another version of MLflow"),
        ("mlflow", "another trouble", "sys.exit(1)", "mlflow: did not come up; see"),
    ],
)
def test_servers_that_find_a_database_of_another_version(
    home: Path, name: str, last: str, then: str, said: str
) -> None:
    """Of `recsys up`: Prefect's ends, MLflow's tries again. What an earlier start has told does not count."""
    stack = Stack(Settings(), lambda line: None)
    log = home / "logs" / f"up-{name}.log"
    log.parent.mkdir(parents=True)
    log.write_text("Can't locate revision, out-of-date database schema, as it was before\n")
    program = f"import sys; print({last!r}, file=sys.stderr, flush=True); {then}"
    stack._start(name, [sys.executable, "-S", "-c", program], {})
    try:
        with pytest.raises(ExpectedError, match=said):
            stack._wait(name, lambda: False)
    finally:
        end(stack._processes[name], stack.settings.processes)


class TestChampion:
    """A champion whose bundle is of an earlier format: served and published never, replaced by the next retraining."""

    @pytest.fixture
    def champion(self, settings: Settings, bundle: Path) -> Path:
        """The folder of the bundle of version 1 of `shop`, which is champion; still of today's format."""
        register(settings, "shop", bundle)
        return Champion("shop", settings)()[1]

    @staticmethod
    def night(settings: Settings, warned: list[str]) -> Any:
        """A night without any new rows, as far as the first steps of a retraining look at it."""
        reporter = SimpleNamespace(stage=lambda *words: None, warn=warned.append)
        last = SimpleNamespace(rows=9, time=record().time)
        return SimpleNamespace(
            spec=SimpleNamespace(name="shop", retrain=SimpleNamespace(min_new_rows=1)),
            run=SimpleNamespace(reporter=reporter),
            office=SimpleNamespace(registry=Registry(settings)),
            champion=Contender(label="ease", settings={"name": "ease"}, version=1, newest=record().newest),
            fresh=SimpleNamespace(rows=9, newest=1),
            new_rows=0,
            seen=last,
            asks_anew=False,
        )

    def test_it_is_neither_served_nor_published(self, settings: Settings, champion: Path) -> None:
        of_format(champion / ABOUT, 0)
        with pytest.raises(InputError, match="a bundle of format 0, and 1 is known; make it again: recsys retrain"):
            Serving(Champion("shop", settings)).start()
        with pytest.raises(InputError, match="a bundle of format 0"):
            publish(open_bundle(champion), "1", str(champion.parent / "lists"), settings, 10, None)
        assert not (champion.parent / "lists").exists()

    def test_one_that_serves_goes_on_beside_it(self, ease: Path, bundle: Path) -> None:
        pointer = Pointer("1", ease)
        state = Serving(pointer)
        state.start()
        of_format(bundle / ABOUT, 2)
        pointer.version, pointer.folder = "2", bundle
        state.look()
        assert state.live.version == "1"
        assert UPGRADE in str(state.troubles["model"].error)
        state.stop()

    def test_a_retraining_puts_another_in_its_place(self, settings: Settings, champion: Path) -> None:
        warned: list[str] = []
        night = self.night(settings, warned)
        assert unreadable(night) is None
        assert str(look_for_new_rows.fn(night)).startswith("no new rows since")

        of_format(champion / ABOUT, 0)
        assert "a bundle of format 0" in str(unreadable(night))
        assert look_for_new_rows.fn(night) is None, "it would be left as it is"
        why = stand_in(night, None, None)  # type: ignore[arg-type]
        assert why == "version 1 cannot be opened; its settings were fitted anew"
        assert warned[0].startswith("version 1 cannot be opened: ")

    def test_settings_that_a_model_has_no_more(self) -> None:
        assert model_of({"name": "ease", "regularization": 3.0}, "champion").row == "champion"
        for settings in ({"name": "ease", "lambda": 3.0}, {"name": "ease", "regularization": -1}):
            with pytest.raises(InputError, match="champion: was made with settings that") as caught:
                model_of(settings, "champion")
            assert "recsys champion promote" in str(caught.value.remedy)
        with pytest.raises(InputError, match="no model has this name"):
            model_of({"name": "gone"}, "champion")


CHANGES: dict[str, Callable[[Dataset], dict[str, Any]]] = {
    "without features": lambda data: {"features": pd.DataFrame(index=range(len(data.items))), "kinds": {}},
    "with other features": lambda data: {
        "features": pd.DataFrame({"name": ["x"] * len(data.items)}),
        "kinds": {"name": "text"},
    },
    "with ids as text": lambda data: {"ids": data.items.ids.astype(str).astype(object)},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["content-tfidf", "ease"])
def test_a_champion_on_data_with_other_columns_gives_the_same_lists(tmp_path: Path, name: str, change: str) -> None:
    """It was stored with the features of its own items, and meets the data by ids alone."""
    data, part, _, _, place = evaluated(tmp_path, name, titles=True)
    model = place / "model"
    before = lists_of_stored(job(tmp_path, data, part, spec(models=[name])), model)
    other = replace(data, items=replace(data.items, **CHANGES[change](data)), value=None)
    work = job(tmp_path / "other", other, part, spec(models=[name]))
    found = lists_of_stored(work, model)

    ids = other.items.ids[found.items].astype(str)
    assert (ids == data.items.ids[before.items].astype(str)).mean() > 0.95
    np.testing.assert_allclose(found.scores, before.scores, rtol=1e-5)

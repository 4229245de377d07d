from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from worlds import fitted, of_histories, taste_world, told

from recsys.errors import InputError
from recsys.models import registry
from recsys.models.base import ABOUT, FILES, WEIGHTS
from recsys.models.ease import Ease
from recsys.models.list_maker import ListMaker
from recsys.models.registry import BUILT_IN, installed, model_class, open_model

NETWORKS = ("multitask",)
FITTED = [name for name in BUILT_IN if not issubclass(model_class(name), ListMaker)]
"""The models that are stored and opened again."""


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_class_under_its_own_name(name):
    kind = model_class(name)
    assert kind.Config.model_fields["name"].default == name
    assert kind.__doc__
    assert kind.Config.model_config["frozen"]


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'ease'"):
        model_class("eases")


def test_reading_a_spec_imports_nothing_heavy():
    modules = [where.partition(":")[0] for where in BUILT_IN.values()]
    code = f"import sys, {', '.join(modules)}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


HEAVY = ("torch", "lightfm", "sklearn", "implicit", "mlflow", "prefect", "matplotlib")


class TestEntryPoints:
    """A package of one's own adds a model through the group `recsys.models`."""

    @pytest.fixture
    def add(self, monkeypatch):
        def points(**values):
            found = [EntryPoint(name, value, "recsys.models") for name, value in values.items()]
            monkeypatch.setattr(registry, "entry_points", lambda group: found)
            installed.cache_clear()

        yield points
        installed.cache_clear()

    def test_a_model_of_ones_own(self, add, tmp_path):
        add(mine="recsys.models.popularity:Popularity")
        assert model_class("mine") is model_class("popularity")

    def test_it_cannot_replace_a_built_in_one(self, add):
        add(ease="recsys.models.popularity:Popularity")
        assert model_class("ease") is Ease

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("no_such_package:Model", "cannot be imported"),
            ("recsys.models.ease:Nothing", "cannot be imported"),
            ("recsys.models.ease:BLOCK", "is not a Recommender"),
            ("json:JSONDecoder", "is not a Recommender"),
        ],
    )
    def test_a_broken_one_is_named(self, add, value, message):
        add(mine=value)
        with pytest.raises(InputError, match=message):
            model_class("mine")


class TestOpenModel:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "model"
        folder.mkdir()
        fitted(Ease.Config(), of_histories([[0, 1], [1, 2]])).save(folder)
        return folder

    @staticmethod
    def rewrite(folder, **changes):
        about = json.loads((folder / ABOUT).read_text())
        (folder / ABOUT).write_text(json.dumps(about | changes))

    def refused(self, folder, match):
        with pytest.raises(InputError, match=match) as caught:
            open_model(folder)
        assert caught.value.place.startswith(str(folder)) or "model" in caught.value.place

    def test_as_it_was_stored(self, folder):
        assert open_model(folder).config == Ease.Config()

    @pytest.mark.parametrize("name", FILES)
    def test_a_changed_file(self, folder, name):
        content = bytearray((folder / name).read_bytes())
        content[-1] ^= 1
        (folder / name).write_bytes(content)
        self.refused(folder, "was changed")

    @pytest.mark.parametrize("name", FILES)
    def test_a_missing_file(self, folder, name):
        (folder / name).unlink()
        self.refused(folder, "is missing")

    def test_a_wrong_hash(self, folder):
        self.rewrite(folder, sha256=dict.fromkeys(FILES, "0" * 64))
        self.refused(folder, "was changed")

    def test_no_hash_at_all(self, folder):
        self.rewrite(folder, sha256={})
        self.refused(folder, "was changed")

    def test_hashes_of_other_files_do_not_help(self, folder):
        self.rewrite(folder, sha256={"../../etc/passwd": "0" * 64, "model.json": "0" * 64})
        self.refused(folder, "was changed")

    def test_a_link_to_another_place(self, folder, tmp_path):
        (folder / WEIGHTS).rename(tmp_path / "elsewhere")
        (folder / WEIGHTS).symlink_to(tmp_path / "elsewhere")
        self.refused(folder, "was changed")

    @pytest.mark.parametrize("family", ["os:system", "../ease", "recsys.models.ease:Ease", "", "no-such"])
    def test_an_unknown_family(self, folder, family):
        self.rewrite(folder, family=family)
        self.refused(folder, "no model has this name")

    def test_another_family_than_the_arrays(self, folder):
        self.rewrite(folder, family="user-knn", settings={"name": "user-knn"})
        self.refused(folder, "holds no array")

    @pytest.mark.parametrize("settings", [{"name": "ease", "epochz": 3}, {"name": "ease", "regularization": -1}, 3])
    def test_settings_that_are_none(self, folder, settings):
        self.rewrite(folder, settings=settings)
        self.refused(folder, "settings|description")

    def test_another_format(self, folder):
        self.rewrite(folder, format=99)
        self.refused(folder, "describes format 99")

    @pytest.mark.parametrize("content", ["", "[]", "{}", "null", "{", "\x00"])
    def test_no_description(self, folder, content):
        (folder / ABOUT).write_text(content)
        self.refused(folder, "is not the description of a stored model")

    def test_no_folder(self, tmp_path):
        self.refused(tmp_path / "nowhere", "is not the description of a stored model")

    def test_nothing_is_pickled(self, folder):
        assert sorted(path.name for path in folder.iterdir()) == sorted((*FILES, ABOUT))
        assert all(b"pickle" not in path.read_bytes() for path in folder.iterdir())


def test_opened_in_another_process(tmp_path):
    """A fresh interpreter that knows the folders alone gives the same scores, and needs neither torch nor LightFM."""
    train, _ = taste_world()
    train = replace(train, items=told(train.items))
    expected = {}
    for name in FITTED:
        config = model_class(name).Config()
        model = fitted(config.model_copy(update={"epochs": 2}) if hasattr(config, "epochs") else config, train)
        (tmp_path / "models" / name).mkdir(parents=True)
        model.save(tmp_path / "models" / name)
        expected[name] = model.scores(train.batch(np.arange(3)))
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; import numpy as np; from worlds import taste_world\n"
        "from recsys.models.registry import open_model\n"
        "batch = taste_world()[0].batch(np.arange(3)); folder = Path(sys.argv[2])\n"
        "networks = set(sys.argv[3:])  # their scores are a network's\n"
        "paths = sorted((folder / 'models').iterdir(), key=lambda path: path.name in networks)\n"
        "found = {}\n"
        "for path in paths:\n"
        "    assert path.name in networks or not {'torch', 'lightfm'} & set(sys.modules), path.name\n"
        "    found[path.name] = open_model(path).scores(batch)\n"
        "np.savez(folder / 'scores.npz', **found)\n"
    )
    arguments = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path), *NETWORKS]
    subprocess.run(arguments, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    with np.load(tmp_path / "scores.npz") as scores:
        assert set(scores) == set(FITTED)
        for name in FITTED:
            np.testing.assert_allclose(scores[name], expected[name], rtol=1e-6)

"""A version of a registered model is a bundle that MLflow can ask, without pickle and without a copy of our code."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from kitchen import Pointer
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from registered import register

from recsys.errors import InputError
from recsys.serving.answers import for_nobody, for_user
from recsys.serving.bundle import open_bundle
from recsys.serving.state import Serving
from recsys.tracking import pyfunc
from recsys.tracking.champion import Champion
from recsys.tracking.pyfunc import bundle_of, save_pyfunc


@pytest.fixture(scope="module")
def folder(ease: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a version."""
    found = tmp_path_factory.mktemp("version") / "folder"
    save_pyfunc(ease, found)
    return found


@pytest.fixture(scope="module")
def model(folder: Path):
    return mlflow.pyfunc.load_model(str(folder))


def test_the_lists_that_are_served(model, bundle):
    found = model.predict(pd.DataFrame({"user": [1007, 1003]}), params={"k": 4})
    assert list(found.columns) == ["user", "item", "rank", "score"]
    assert found["user"].tolist() == [1007] * 4 + [1003] * 4
    assert found["rank"].tolist() == [1, 2, 3, 4] * 2
    answers = [for_user(bundle, 7, 4), for_user(bundle, 3, 4)]
    assert found["item"].tolist() == bundle.items.ids[np.concatenate([answer.items for answer in answers])].tolist()
    assert found["score"].to_numpy() == pytest.approx(np.concatenate([answer.scores for answer in answers]))


@pytest.mark.parametrize("user", ["nobody", "", "01007", 9])
def test_an_unknown_user_gets_the_fallback(model, bundle, user):
    found = model.predict(pd.DataFrame({"user": [user]}))
    assert found["item"].tolist() == bundle.items.ids[for_nobody(bundle, 10).items].tolist()
    assert set(found["user"]) == {user}


def test_ids_as_text_and_nobody_at_all(model):
    assert len(model.predict(pd.DataFrame({"user": ["1007"]}), params={"k": 3})) == 3
    found = model.predict(pd.DataFrame({"user": []}))
    assert (len(found), list(found.columns)) == (0, ["user", "item", "rank", "score"])


@pytest.mark.parametrize(
    ("frame", "params", "message"),
    [
        ({"usr": [1]}, {}, "missing inputs .'user'"),
        ({"user": [1.5]}, {}, "row 0: user is 1.5"),
        ({"user": [1007, None]}, {}, "user is "),
        ({"user": [True]}, {}, "row 0: user is True"),
        ({"user": [["a"]]}, {}, "row 0: user is"),
        ({"user": [1007]}, {"k": 0}, "k is 0; it must be from 1 to 200"),
        ({"user": [1007]}, {"k": 201}, "k is 201"),
        ({"user": [1007]}, {"k": "ten"}, "k"),
    ],
)
def test_a_question_that_is_wrong(model, frame, params, message):
    with pytest.raises(MlflowException, match=message) as caught:
        model.predict(pd.DataFrame(frame), params=params)
    assert caught.value.get_http_status_code() == 400


def test_nothing_is_pickled_and_nothing_is_of_this_machine(ease, tmp_path):
    folder = tmp_path / "folder"  # one that nobody has loaded: Python may keep what it compiled beside the code
    save_pyfunc(ease, folder)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    own = {name for name in names if not name.startswith("bundle/")}
    assert own == {"MLmodel", "pyfunc_model.py", "python_env.yaml", "requirements.txt"}
    assert names - own == {f"bundle/{path.relative_to(ease).as_posix()}" for path in ease.rglob("*") if path.is_file()}
    text = (folder / "MLmodel").read_text()
    assert str(ease.parent) not in text
    assert str(Path(pyfunc.__file__).parent) not in text
    flavor = yaml.safe_load(text)["flavors"]["python_function"]
    assert flavor["model_code_path"] == "pyfunc_model.py"
    assert "python_model" not in flavor
    assert "recsys" not in (folder / "requirements.txt").read_text()


def test_a_bundle_that_was_changed_does_not_load(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "bundle" / "model" / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(InputError, match="holds 5 bytes"):
        mlflow.pyfunc.load_model(str(copy))


def test_where_the_bundle_is(folder, tmp_path):
    open_bundle(bundle_of(folder))
    with pytest.raises(InputError, match="holds no bundle"):
        bundle_of(tmp_path)
    with pytest.raises(InputError, match="is not empty"):
        save_pyfunc(bundle_of(folder), folder)


def test_the_champion_is_followed(settings, ease, vectors):
    champion = Champion("made", settings)
    with pytest.raises(InputError, match=r"champion of made: there is none .*; make one: recsys retrain"):
        champion()
    assert register(settings, "made", ease) == 1
    state = Serving(champion)
    state.start()
    assert (state.live.version, state.live.bundle.about.family) == ("1", "ease")
    register(settings, "made", vectors, champion=False)
    state.look()
    assert state.live.version == "1"
    client = MlflowClient(settings.mlflow_uri)
    client.set_registered_model_alias("recsys-made", "champion", "2")
    state.look()
    assert (state.live.version, state.live.bundle.about.family) == ("2", "two-tower")
    client.delete_registered_model_alias("recsys-made", "champion")
    state.look()
    assert state.live.version == "2"
    assert "there is none" in state.troubles["registry"].error["message"]
    client.set_registered_model_alias("recsys-made", "champion", "1")
    state.look()
    assert (state.live.version, state.troubles) == ("1", {})
    state.stop()


def test_no_champion_without_a_database(home):
    from recsys.settings import Settings

    with pytest.raises(InputError, match="there is none"):
        Champion("made", Settings())()
    assert not home.exists()


def test_a_folder_is_asked_for_once_a_version(settings, ease, monkeypatch):
    register(settings, "made", ease)
    champion = Champion("made", settings)
    first = champion()
    monkeypatch.setattr(champion._registry, "folder", lambda version: pytest.fail("asked again"))
    assert champion() == first


def test_a_planted_pickle_is_not_opened(folder, tmp_path):
    """Serving opens the bundle by its list of files: what else lies in the folder of a version is not looked at."""
    import os
    import pickle

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "went off"),)

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "python_model.pkl").write_bytes(pickle.dumps(Bomb()))
    state = Serving(Pointer("1", bundle_of(copy)))
    state.start()
    state.stop()
    (copy / "bundle" / "python_model.pkl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="is in the folder and not in its list"):
        open_bundle(bundle_of(copy))
    assert not (tmp_path / "went off").exists()

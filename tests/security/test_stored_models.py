"""A stored model that somebody has made to harm: no code runs, nothing outside is read, memory stays bounded.

The hashes of every model here are right: who plants a file writes them too. Bundles: tests/serving/test_bundle.py.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made import dataset, fold, job, spec

from recsys.data.dataset import Dataset
from recsys.errors import InputError
from recsys.experiment.fit import fit_and_recommend
from recsys.models import stored
from recsys.models.base import ABOUT, FILES, ITEMS, WEIGHTS
from recsys.models.registry import open_model
from recsys.splits.fold import Fold
from recsys.store import Store, file_digest
from recsys.store.folders import MANIFEST


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A stored EASE."""
    rows = [(user, item) for user in range(6) for item in range(5) if (user + item) % 3]
    data = dataset(rows, title=["a", "b", "c", "d", "e"])
    work = job(tmp_path / "work", data, fold(data, test=[0]), spec(models=["ease"]))
    (tmp_path / "fit").mkdir()
    fit_and_recommend(work, tmp_path / "fit", tmp_path / "checkpoint", lambda step: None)
    return tmp_path / "fit" / "model"


def seal(folder: Path, **changes: Any) -> None:
    """Write the hashes of the files that are there, with changes to what else the model says of itself."""
    about = json.loads((folder / ABOUT).read_text())
    hashes = {name: file_digest(folder / name) for name in FILES}
    (folder / ABOUT).write_text(json.dumps(about | {"sha256": hashes} | changes))


class Bomb:
    """Makes a folder where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


def refused(folder: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        open_model(folder)
    assert caught.value.remedy


def test_sealed_again_it_opens(model: Path) -> None:
    seal(model)
    assert open_model(model).config.name == "ease"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
def test_a_pickle_in_place_of_a_file(model: Path, tmp_path: Path, name: str, protocol: int) -> None:
    (model / name).write_bytes(pickle.dumps(Bomb(tmp_path / "went off"), protocol))
    seal(model)
    refused(model, "cannot be opened|is no parquet file")
    assert not (tmp_path / "went off").exists()


def test_a_pickle_beside_them(model: Path, tmp_path: Path) -> None:
    for name in ("model.pkl", "weights.pt", "python_model.pkl"):
        (model / name).write_bytes(pickle.dumps(Bomb(tmp_path / "went off")))
    seal(model)
    open_model(model)
    assert not (tmp_path / "went off").exists()


@pytest.mark.parametrize("length", [2**60, 2**31, 100_000_001])
def test_an_oversized_header(model: Path, length: int) -> None:
    weights = model / WEIGHTS
    weights.write_bytes(length.to_bytes(8, "little") + weights.read_bytes()[8:])
    seal(model)
    refused(model, "cannot be opened")


def test_arrays_that_are_not_of_a_matrix(model: Path) -> None:
    from safetensors.numpy import save_file

    sparse = {"data": np.ones(2, np.float32), "indices": np.array([7, 9]), "indptr": np.array([0, 99])}
    arrays = {f"weights.{name}": array for name, array in sparse.items()}
    save_file({"popularity": np.ones(5, np.float32), **arrays, "weights.shape": np.array([2, 2])}, model / WEIGHTS)
    seal(model)
    refused(model, "cannot be opened")


@pytest.mark.parametrize("how", ["dictionary", "plain"])
def test_a_table_that_unpacks_to_far_more(model: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "ROOM", 100_000)
    frame = pd.read_parquet(model / ITEMS).assign(title="x" * 10**6)
    frame.to_parquet(model / ITEMS, index=False, use_dictionary=how == "dictionary", compression="zstd")
    assert (model / ITEMS).stat().st_size < 50_000
    seal(model)
    refused(model, "unpacks to 0.0 GB")


def test_a_description_without_end(model: Path) -> None:
    (model / ABOUT).write_text("[" * 100_000)
    refused(model, "is not the description of a stored model")


def test_a_description_that_is_too_large(model: Path) -> None:
    seal(model, more="x" * stored.LARGEST_ABOUT)
    refused(model, "is not the description of a stored model")


def test_a_description_elsewhere(model: Path, tmp_path: Path) -> None:
    (model / ABOUT).rename(tmp_path / "elsewhere")
    (model / ABOUT).symlink_to(tmp_path / "elsewhere")
    refused(model, "is not the description of a stored model")


def test_a_command_is_no_stored_model(model: Path, tmp_path: Path) -> None:
    seal(model, family="external", settings={"name": "external", "command": ["touch", str(tmp_path / "went off")]})
    refused(model, "leaves no model, only lists")
    assert not (tmp_path / "went off").exists()


def replaced(folder: Path, outside: Path) -> None:
    """A stored file becomes a link to the same bytes elsewhere."""
    (folder / "test.npy").rename(outside)
    (folder / "test.npy").symlink_to(outside)


def removed_upwards(folder: Path, outside: Path) -> None:
    """The list of the folder names a file above it."""
    (folder / "test.npy").rename(outside)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["../outside.npy"] = manifest["files"].pop("test.npy")
    (folder / MANIFEST).write_text(json.dumps(manifest))


def deepened(folder: Path, outside: Path) -> None:
    (folder / MANIFEST).write_text("[" * 100_000)


@pytest.mark.parametrize("harm", [replaced, removed_upwards, deepened])
def test_a_stored_folder_that_leads_out_is_computed_anew(tmp_path: Path, harm: Callable[[Path, Path], None]) -> None:
    part = Fold.of(10, test=np.array([1]), validation=np.array([2]))
    store = Store(tmp_path / "store")
    ref = store.produce("split", "key", part.save)
    harm(ref.folder, tmp_path / "store" / "split" / "outside.npy")
    assert store.get("split", "key") is None
    assert not store.produce("split", "key", part.save).cached
    assert list(Fold.load(ref.folder).test) == [1]


def test_arrays_and_tables_of_a_data_set_hold_no_pickle(tmp_path: Path) -> None:
    data = dataset([(1, 2), (3, 4)])
    folder = tmp_path / "dataset"
    folder.mkdir()
    data.save(folder)
    np.save(folder / "user.npy", np.array([Bomb(tmp_path / "went off")], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"allow_pickle=False|Python objects in dtype"):
        Dataset.load(folder)
    assert not (tmp_path / "went off").exists()

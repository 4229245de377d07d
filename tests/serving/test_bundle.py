"""A bundle gives the lists that were evaluated, and nothing opens that is not as it was written."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kitchen import bundle_of, evaluated, same_list
from made import entities

from recsys.data.features import TITLE
from recsys.data.interactions import history_view
from recsys.errors import InputError, RunError
from recsys.models import stored
from recsys.retrieval.lists import recommend
from recsys.serving import bundle as bundles
from recsys.serving import inspect
from recsys.serving.about import ABOUT, Facts
from recsys.serving.answers import for_history, for_nobody, for_user
from recsys.serving.bundle import Finder, open_bundle, write_bundle
from recsys.store import file_digest

MODELS = [
    "popularity",
    "random",
    "recent-popularity",
    "ease",
    "item-knn",
    "user-knn",
    "mf",
    {"name": "two-tower", "epochs": 3, "embedding_size": 8},
    {"name": "lightfm-warp", "epochs": 3, "embedding_size": 8},
]


@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model if isinstance(model, str) else model["name"])
def test_the_lists_that_were_evaluated(tmp_path, model, strings):
    data, _, train, lists, fit = evaluated(tmp_path, model, strings=strings, positive=2.0)
    write_bundle(tmp_path / "bundle", fit / "model", train, Facts(name="made"))
    bundle = open_bundle(tmp_path / "bundle")
    back = data.items.positions(train.items.ids)
    chosen = np.random.default_rng(0).choice(np.flatnonzero(lists.warm), min(100, int(lists.warm.sum())), replace=False)
    assert len(chosen) >= 90
    for row in chosen:
        user = bundle.find_user(str(data.users.ids[lists.users[row]]))
        answer = for_user(bundle, user, lists.items.shape[1])
        same_list(np.asarray(lists.items[row]), lists.scores[row], replace(answer, items=back[answer.items]))


@pytest.mark.parametrize("model", ["ease", "mf", "user-knn", "popularity"])
def test_new_users_as_the_library_serves_them(tmp_path, model):
    _, _, train, _, fit = evaluated(tmp_path, model)
    write_bundle(tmp_path / "bundle", fit / "model", train, Facts(name="made"))
    bundle = open_bundle(tmp_path / "bundle")
    for history in ([3], [5, 1, 9], []):
        source = history_view(train, np.array(history, dtype=np.int64))
        items, scores = recommend(bundle.model, source, np.array([0]), 7, known=False)
        same_list(items[0], scores[0], for_history(bundle, np.array(history, dtype=np.int64), 7))


def test_seen_items_where_the_evaluation_left_them_in(tmp_path):
    _, _, train, _, fit = evaluated(tmp_path, "popularity")
    write_bundle(tmp_path / "bundle", fit / "model", train, Facts(name="made", exclude_seen=False))
    bundle = open_bundle(tmp_path / "bundle")
    assert for_user(bundle, 0, 5).items.tolist() == for_nobody(bundle, 5).items.tolist()


def test_what_it_says_of_itself(bundle):
    about = bundle.about
    assert (about.family, about.users, about.items) == ("ease", 120, 40)
    assert about.shown()["facts"]["digests"] == {"data": "d1"}
    assert "files" not in about.shown()
    assert bundle.facts.created.tzinfo is not None
    assert bundle.digest == file_digest(bundle.folder / ABOUT)
    assert bundle.items.features[TITLE].iloc[0].startswith("<script>")


def test_an_index_of_vectors(vectors):
    bundle = open_bundle(vectors)
    assert bundle.index.quality[0].recall >= 0.98
    exact = np.array([bundle.index.exact(v, 10, seen=s)[0] for v, s in user_vectors(bundle, range(100))])
    found = np.array([for_user(bundle, user, 10).items for user in range(100)])
    assert np.mean([len(np.intersect1d(one, other)) for one, other in zip(exact, found, strict=True)]) >= 9.8


def user_vectors(bundle, users):
    for user in users:
        batch = bundle.histories.batch(bundle.users, bundle.items, user, user + 1)
        yield bundle.model.user_vectors(batch)[0], bundle.histories.seen(user)


def test_no_index_that_finds_too_little(tmp_path, monkeypatch, caplog):
    from kitchen import small_vectors

    monkeypatch.setattr(bundles, "LEAST_RECALL", 1.01)
    assert open_bundle(small_vectors(tmp_path)).index is None
    assert "left out" in caplog.text


def test_not_the_training_part_of_this_model(tmp_path):
    _, _, train, _, fit = evaluated(tmp_path, "popularity")
    other = replace(train, users=entities([str(user) for user in range(train.n_users)]))
    with pytest.raises(InputError, match="not fitted on this training part"):
        write_bundle(tmp_path / "bundle", fit / "model", other, Facts(name="made"))


def test_not_over_something_else(tmp_path):
    _, _, train, _, fit = evaluated(tmp_path, "popularity")
    with pytest.raises(InputError, match="is not empty"):
        write_bundle(fit, fit / "model", train, Facts(name="made"))


@pytest.mark.parametrize(
    ("ids", "texts", "places"),
    [
        (
            [-3, 5, 2**62],
            ["5", "-3", "05", "+5", " 5", "5.0", "x", "", str(2**62), str(2**70)],
            [1, 0, -1, -1, -1, -1, -1, -1, 2, -1],
        ),
        (["", "a", "ä", "😀"], ["a", "ä", "😀", "", "b", "A"], [1, 2, 3, 0, -1, -1]),
    ],
)
def test_finding_ids(ids, texts, places):
    find = Finder(entities(ids).ids)
    assert [find(text) for text in texts] == places


@pytest.fixture
def copy(ease, tmp_path):
    """A bundle of one's own to spoil."""
    return Path(shutil.copytree(ease, tmp_path / "copy"))


def sealed(folder: Path, **changes) -> None:
    """Write the description anew, so that all hashes agree with what is there now."""
    about = json.loads((folder / ABOUT).read_text())
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ABOUT]
    model = folder / "model" / "model.json"
    inner = json.loads(model.read_text())
    inner["sha256"] = {name: file_digest(folder / "model" / name) for name in inner["sha256"]}
    model.write_text(json.dumps(inner))
    about["files"] = {
        path.relative_to(folder).as_posix(): {"sha256": file_digest(path), "bytes": path.stat().st_size}
        for path in paths
    }
    (folder / ABOUT).write_text(json.dumps({**about, **changes}))


def refused(folder, match, error=InputError):
    with pytest.raises(error, match=match) as caught:
        open_bundle(folder)
    assert caught.value.remedy


def test_a_resealed_copy_opens(copy):
    sealed(copy)
    open_bundle(copy)


@pytest.mark.parametrize("name", ["model/weights.safetensors", "histories/items.npy", "fallback/items.npy"])
def test_a_changed_file(copy, name):
    raw = bytearray((copy / name).read_bytes())
    raw[-1] ^= 1
    (copy / name).write_bytes(raw)
    refused(copy, f"{name}: was changed")


def test_a_cut_file(copy):
    os.truncate(copy / "histories" / "items.npy", 130)
    refused(copy, "holds 130 bytes")


def test_a_missing_file(copy):
    (copy / "histories" / "indptr.npy").unlink()
    refused(copy, "is missing")


def test_a_file_too_many(copy):
    (copy / "model" / "extra.pkl").write_bytes(b"")
    refused(copy, "is in the folder and not in its list")


def test_a_store_may_seal_it(copy):
    (copy / "store.json").write_text("{}")
    open_bundle(copy)


@pytest.mark.parametrize("target", ["/etc/passwd", "weights.safetensors"])
def test_a_link(copy, target):
    (copy / "model" / "users.parquet").unlink()
    (copy / "model" / "users.parquet").symlink_to(target)
    refused(copy, "is a link or a special file")


def test_a_linked_folder(copy, tmp_path):
    (copy / "histories").rename(tmp_path / "elsewhere")
    (copy / "histories").symlink_to(tmp_path / "elsewhere")
    refused(copy, "is a link or a special file")


def test_a_pipe(copy):
    os.mkfifo(copy / "model" / "pipe")
    refused(copy, "is a link or a special file")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "model/../../x", "model//x", "a\\b", "./x"])
def test_a_path_out_of_the_folder(copy, name):
    about = json.loads((copy / ABOUT).read_text())
    about["files"][name] = {"sha256": "0" * 64, "bytes": 0}
    (copy / ABOUT).write_text(json.dumps(about))
    refused(copy, "is no path below the folder")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "no json", '{"format": "1"}', "[" * 100_000, '{"format": 1, "x": "' + "x" * 2_000_000 + '"}'],
    ids=["empty", "list", "text", "format", "deep", "large"],
)
def test_no_description(copy, text):
    (copy / ABOUT).write_text(text)
    refused(copy, "is no description of a bundle")


def test_no_description_at_all(copy):
    (copy / ABOUT).unlink()
    refused(copy, "is no description of a bundle")
    refused(copy / "nowhere", "there is no such folder")


def test_a_linked_description(copy, tmp_path):
    (copy / ABOUT).rename(tmp_path / "there")
    (copy / ABOUT).symlink_to(tmp_path / "there")
    refused(copy, "is no description of a bundle")


def test_another_format(copy):
    sealed(copy, format=2)
    refused(copy, "format 2, and 1 is known")


@pytest.mark.parametrize("change", [{"extra": 1}, {"users": -1}, {"family": None}, {"facts": {"name": "x" * 2000}}])
def test_a_description_of_something_else(copy, change):
    sealed(copy, **change)
    refused(copy, "bundle.json")


def test_another_bundle_than_was_meant(copy):
    digest = open_bundle(copy).digest
    open_bundle(copy, digest)
    with pytest.raises(InputError, match="is wanted"):
        open_bundle(copy, "0" * 64)


def test_an_unknown_family(copy):
    model = copy / "model" / "model.json"
    model.write_text(json.dumps({**json.loads(model.read_text()), "family": "os.system"}))
    sealed(copy)
    refused(copy, "no model has this name")


def test_another_family_than_it_says(copy):
    sealed(copy, family="popularity")
    refused(copy, "holds ease, not popularity")


def test_a_pickle_in_an_array(copy, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "went off"),)

    np.save(copy / "histories" / "items.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    sealed(copy)
    refused(copy, "is no stored array")
    assert not (tmp_path / "went off").exists()


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("histories/items.npy", np.array([0, 1], np.int32)),
        ("histories/items.npy", np.array([0, 1], np.int64)),
        ("histories/items.npy", np.zeros((2, 2), np.int32)),
        ("histories/indptr.npy", np.arange(3)),
        ("fallback/items.npy", np.array([0, 99999])),
        ("fallback/items.npy", np.array([-1, 0])),
        ("fallback/items.npy", np.array([0.0, 1.0])),
        ("fallback/scores.npy", np.array([np.nan] * 40)),
    ],
)
def test_arrays_that_do_not_fit(copy, name, array):
    np.save(copy / name, array)
    sealed(copy)
    refused(copy, "holds")


def test_histories_out_of_bounds(copy):
    items = np.load(copy / "histories" / "items.npy")
    items[3] = 40
    np.save(copy / "histories" / "items.npy", items)
    sealed(copy)
    refused(copy, "holds no histories of 120 users and 40 items")


def test_weights_of_a_wrong_shape(copy):
    from safetensors.numpy import load_file, save_file

    weights = load_file(copy / "model" / "weights.safetensors")
    save_file({**weights, "weights": weights["weights"][:, :7].copy()}, copy / "model" / "weights.safetensors")
    sealed(copy)
    refused(copy, "no finite score for every item|cannot be opened")


def test_weights_that_are_not_numbers(copy):
    from safetensors.numpy import load_file, save_file

    weights = load_file(copy / "model" / "weights.safetensors")
    save_file({**weights, "weights": weights["weights"] * np.nan}, copy / "model" / "weights.safetensors")
    sealed(copy)
    refused(copy, "no finite score for every item")


def test_an_oversized_header(copy):
    weights = copy / "model" / "weights.safetensors"
    weights.write_bytes((2**60).to_bytes(8, "little") + weights.read_bytes()[8:])
    sealed(copy)
    refused(copy, "cannot be opened")


def test_ids_out_of_order(copy):
    path = copy / "model" / "users.parquet"
    pd.read_parquet(path).iloc[::-1].to_parquet(path, index=False)
    sealed(copy)
    refused(copy, "ids that are not in order")


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame({"user": range(5)}), pd.DataFrame({"name": range(120)})],
)
def test_another_table(copy, frame):
    frame.to_parquet(copy / "model" / "users.parquet", index=False)
    sealed(copy)
    refused(copy, "120 are needed|no table with a column 'user'")


def test_no_table(copy):
    (copy / "model" / "users.parquet").write_bytes(b"PAR1" * 100)
    sealed(copy)
    refused(copy, "is no parquet file")


@pytest.mark.parametrize("how", ["dictionary", "plain"])
def test_a_table_that_unpacks_to_far_more(copy, how, monkeypatch):
    monkeypatch.setattr(stored, "ROOM", 1_000_000)
    path = copy / "model" / "items.parquet"
    frame = pd.read_parquet(path).assign(title="x" * 10**6)
    frame.to_parquet(path, index=False, use_dictionary=how == "dictionary", compression="zstd")
    assert path.stat().st_size < 100_000
    sealed(copy)
    refused(copy, "unpacks to 0.0 GB")


def test_too_large_for_the_memory(copy, monkeypatch):
    monkeypatch.setattr(inspect, "HELD", 1e12)
    refused(copy, "GB of memory", RunError)


def test_an_index_of_no_vectors(copy, vectors):
    shutil.copytree(vectors / "index", copy / "index")
    sealed(copy, index=True)
    refused(copy, "belongs to no model with vectors")


def test_an_empty_world_of_positives(tmp_path):
    """A user whose rows are all below the threshold is known, has seen items, and gets what nobody gets."""
    folder = bundle_of(tmp_path, "ease", positive=5.0)
    bundle = open_bundle(folder)
    nobody = [
        user
        for user in range(120)
        if not bundle.histories.batch(bundle.users, bundle.items, user, user + 1).source.positive.any()
    ]
    assert nobody
    answer = for_user(bundle, nobody[0], 5)
    assert not np.isin(answer.items, bundle.histories.seen(nobody[0])).any()

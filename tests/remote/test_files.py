"""Folders in a shared place: whole, verified, and written once."""

from __future__ import annotations

import pytest

from recsys.errors import InputError, RunError
from recsys.experiment.remote_files import Shared
from recsys.store import Store


@pytest.fixture
def shared(tmp_path):
    return Shared(f"file://{tmp_path}/shared")


def stored(store: Store, content: str = "12"):
    def build(folder):
        (folder / "0").mkdir()
        (folder / "0" / "rows.txt").write_text(content)

    return store.produce("split", "a-key", build)


def test_a_stored_folder_goes_there_and_comes_back(shared, tmp_path):
    ref = stored(Store(tmp_path / "one"))
    shared.offer(ref)
    there = Store(tmp_path / "other")
    for cached in (False, True):
        found = shared.fetch(ref, there)
        assert (found.digest, found.key, found.cached) == (ref.digest, ref.key, cached)
        assert (found.folder / "0" / "rows.txt").read_text() == "12"


def test_it_is_written_once(shared, tmp_path):
    ref = stored(Store(tmp_path / "one"))
    shared.offer(ref)
    (there,) = (tmp_path / "shared").rglob("rows.txt")
    there.write_text("left alone")
    shared.offer(ref)
    assert there.read_text() == "left alone"


def test_an_upload_that_was_cut_off_is_done_again(shared, tmp_path):
    ref = stored(Store(tmp_path / "one"))
    shared.push(ref.folder, f"inputs/split/{ref.digest}")  # all but the manifest
    (there,) = (tmp_path / "shared").rglob("rows.txt")
    there.write_text("1")
    shared.offer(ref)
    assert there.read_text() == "12"


def test_another_build_of_the_same_key_makes_way(shared, tmp_path):
    """The same rows may make other bytes elsewhere: what the asking machine has is what counts."""
    ref = stored(Store(tmp_path / "one"), "12")
    shared.offer(ref)
    there = Store(tmp_path / "other")
    stored(there, "12 and more")
    assert shared.fetch(ref, there).digest == ref.digest


def test_a_damaged_folder_is_refused(shared, tmp_path):
    ref = stored(Store(tmp_path / "one"))
    shared.offer(ref)
    (there,) = (tmp_path / "shared").rglob("rows.txt")
    there.write_text("13")
    with pytest.raises(RunError, match=r"the split there has digest .* delete inputs/split/"):
        shared.fetch(ref, Store(tmp_path / "other"))


def test_a_file_comes_back_under_its_digest_and_ending(shared, tmp_path):
    path = tmp_path / "pairs.csv.gz"
    path.write_bytes(b"pairs")
    name = shared.offer_file(path)
    assert name.endswith(".csv.gz")
    assert shared.fetch_file(name, tmp_path / "here").read_bytes() == b"pairs"
    (tmp_path / "shared" / "files" / name).write_bytes(b"other")
    with pytest.raises(RunError, match="is damaged; delete it there"):
        shared.fetch_file(name, tmp_path / "here")


def test_what_is_not_there(shared, tmp_path):
    assert shared.pull("fits/none", tmp_path / "none") == {}
    shared.remove("fits/none")
    assert not shared.has("fits/none/x")
    with pytest.raises(RunError, match=r"RECSYS_SHARED: file://.* cannot be read"):
        shared.fetch_file("0123.csv", tmp_path)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match=r"RECSYS_SHARED: file://.*/file/below cannot be written"):
        Shared(f"file://{tmp_path}/file/below").push(tmp_path, "fits")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("nowhere://x", "'nowhere://x' is no address of files"),
        ("gs://x", r"gs:// needs a package \(.*install gcsfs"),
    ],
)
def test_an_address_that_means_nothing_here(uri, message):
    with pytest.raises(InputError, match=f"RECSYS_SHARED: {message}"):
        Shared(uri)

"""The index of vectors: what exact search finds, in its order; never too short; no stored graph that leads astray."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recsys.errors import InputError
from recsys.retrieval import ann
from recsys.retrieval.ann import ABOUT, Allowed, Shape, VectorIndex

N, SIZE = 3_000, 16
SMALL = Shape(head=64)


@pytest.fixture(scope="module")
def world():
    """Item vectors in clusters, biases that fall with rank, and users near three items each."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((30, SIZE))
    vectors = (centres[rng.integers(0, 30, N)] + 0.7 * rng.standard_normal((N, SIZE))).astype(np.float32)
    biases = (-np.log(1 + rng.permutation(N))).astype(np.float32)
    users = np.stack([vectors[rng.integers(0, N, 3)].mean(axis=0) for _ in range(100)])
    return vectors, biases, users


@pytest.fixture(scope="module")
def index(world):
    vectors, biases, _ = world
    return VectorIndex.build(vectors, biases, shape=SMALL)


def test_what_exact_search_finds(world, index):
    assert index.measure(world[2], 10).recall >= 0.99
    assert index.shortfalls == 0


def test_scores_are_exact_and_in_order(world, index):
    vectors, biases, users = world
    items, scores = index.search(users[0], 20)
    assert (items.dtype, scores.dtype, len(items)) == (np.int32, np.float32, 20)
    assert np.allclose(scores, vectors[items] @ users[0] + biases[items], rtol=1e-5)
    assert np.all(np.diff(scores) <= 0)
    assert len(np.unique(items)) == 20


def test_seen_items_stay_out(world, index):
    rng = np.random.default_rng(1)
    for user in world[2][:20]:
        seen = np.union1d(index.exact(user, 30)[0], rng.integers(0, N, 50))
        found = index.search(user, 10, seen=seen)[0]
        assert not np.isin(found, seen).any()
        assert len(np.intersect1d(found, index.exact(user, 10, seen=seen)[0])) >= 8


def test_ties_go_to_the_smaller_item(world):
    vectors = np.repeat(world[0][:50], 4, axis=0)
    index = VectorIndex.build(vectors, np.zeros(200, np.float32), shape=SMALL)
    items, scores = index.search(world[2][0], 8)
    assert np.array_equal(items, index.exact(world[2][0], 8)[0])
    assert np.array_equal(items[:4], np.sort(items[:4]))
    assert np.ptp(scores[:4]) == 0


@pytest.mark.parametrize("share", [0.9, 0.3, 0.05, 0.005])
def test_only_allowed_items(world, index, share):
    allowed = Allowed(np.random.default_rng(2).random(N) < share)
    seen = np.arange(0, N, 7)
    for user in world[2][:20]:
        found = index.search(user, 10, seen=seen, allowed=allowed)[0]
        truth = index.exact(user, 10, seen=seen, allowed=allowed)[0]
        assert allowed.mask[found[found >= 0]].all()
        assert not np.isin(found, seen).any()
        assert np.count_nonzero(found >= 0) == np.count_nonzero(truth >= 0)
        assert len(np.intersect1d(found, truth)) >= 0.8 * len(truth)


def test_never_fewer_than_are_left(world, index):
    user = world[2][0]
    everything_but_four = np.setdiff1d(np.arange(N), [3, 500, 501, 2999])
    items, scores = index.search(user, 6, seen=everything_but_four)
    assert set(items.tolist()) == {3, 500, 501, 2999, -1}
    assert np.isneginf(scores[items < 0]).all()
    assert np.array_equal(index.search(user, N)[0], index.exact(user, N)[0])


def test_nothing_allowed(world, index):
    items, scores = index.search(world[2][0], 3, allowed=Allowed(np.zeros(N, dtype=bool)))
    assert items.tolist() == [-1, -1, -1]
    assert np.isneginf(scores).all()


def test_a_short_list_counts_as_a_shortfall(world):
    index = VectorIndex.build(*world[:2], shape=SMALL)
    index.search(world[2][0], 6, seen=np.arange(N - 2))
    assert index.shortfalls == 1


def test_unreachable_items_come_last(world):
    vectors, biases, users = world[0].copy(), world[1].copy(), world[2]
    lost = np.arange(0, N, 3)
    vectors[lost], biases[lost] = 0, -1e6
    reachable = ~np.isin(np.arange(N), lost)
    index = VectorIndex.build(vectors, biases, reachable=reachable, shape=SMALL)
    assert index.measure(users, 10).recall >= 0.99
    everything = index.search(users[0], N)[0]
    assert np.array_equal(everything[-len(lost) :], lost)
    allowed = Allowed(np.random.default_rng(3).random(N) < 0.5)
    assert allowed.mask[index.search(users[0], 10, allowed=allowed)[0]].all()


def test_calibration_takes_the_least_effort_that_reaches_the_target(world):
    index = VectorIndex.build(*world[:2], shape=Shape(head=0, links=8, breadth=20))
    quality = index.calibrate(world[2], 10, target=0.9)
    assert quality.recall >= 0.9
    assert index.measure(world[2], 10, effort=quality.effort // 2).recall < 0.9
    assert (index.effort, index.quality) == (quality.effort, (quality,))


def test_vectors_of_very_different_lengths(world, monkeypatch):
    """The longest are in every list: the head holds them, where it knows how long queries are and is large enough."""
    lengths = np.exp(3 * np.random.default_rng(4).standard_normal(N)).astype(np.float32)
    vectors, nothing = world[0] * lengths[:, None], np.zeros(N, np.float32)
    index = VectorIndex.build(vectors, nothing, shape=Shape(head=8, length=4.0))
    before = index.measure(world[2], 50).recall
    monkeypatch.setattr(ann, "TRIED", ((0, 32), (700, 32)))
    quality = index.calibrate(world[2], 50)
    assert quality.recall >= 0.99 > before
    assert (len(index.head), index.shape.head) == (700, 700)
    by_bias_alone = VectorIndex.build(vectors, nothing, shape=Shape(head=700, length=0.0))
    assert by_bias_alone.measure(world[2], 50, effort=32).recall < 0.99


def test_calibration_keeps_the_best_where_none_reaches_the_target(world, monkeypatch):
    index = VectorIndex.build(*world[:2], shape=Shape(head=0, links=8, breadth=20))
    monkeypatch.setattr(ann, "TRIED", ((0, 10), (0, 40), (2_000, 1024)))
    quality = index.calibrate(world[2], 10, target=1.1)
    assert (index.effort, len(index.head)) == (40, 0)
    assert quality == index.quality[0]


def test_one_thread_builds_the_same_graph_every_time(world, tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        VectorIndex.build(*world[:2], shape=SMALL).save(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_empty_catalogue():
    index = VectorIndex.build(np.empty((0, 4), np.float32), np.empty(0, np.float32))
    assert index.search(np.ones(4), 3)[0].tolist() == [-1, -1, -1]


@pytest.fixture
def stored(index, tmp_path):
    index.save(tmp_path)
    return tmp_path


def test_stored_and_opened(world, index, stored):
    index.calibrate(world[2], 10)
    index.save(stored)
    opened = VectorIndex.load(stored, *world[:2])
    for user in world[2][:20]:
        one, other = index.search(user, 10), opened.search(user, 10)
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])
    assert (opened.effort, opened.quality, opened.shape) == (index.effort, index.quality, SMALL)


def edited(folder, name, change):
    array = np.load(folder / f"{name}.npy")
    np.save(folder / f"{name}.npy", change(array))


def put(place, value):
    def change(array):
        array[place] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("neighbors", put(5, N)),
        ("neighbors", put(5, 2**31 - 1)),
        ("neighbors", put(5, -2)),
        ("neighbors", lambda array: array[:-1]),
        ("neighbors", lambda array: array.astype(np.int64)),
        ("levels", put(0, 9)),
        ("levels", put(0, 0)),
        ("levels", put(0, 10**6)),
        ("levels", lambda array: array[:-1]),
        ("offsets", put(3, 2**63)),
        ("offsets", put(0, 1)),
        ("indexed", put(0, -1)),
        ("indexed", put(-1, N)),
        ("indexed", lambda array: array[::-1].copy()),
        ("indexed", lambda array: array[None]),
    ],
)
def test_no_graph_that_leads_astray(world, stored, name, change):
    edited(stored, name, change)
    with pytest.raises(InputError, match="no index over these 3,000 items"):
        VectorIndex.load(stored, *world[:2])


def test_no_link_to_an_item_that_is_not_on_its_level(world, stored, index):
    import faiss

    levels = np.load(stored / "levels.npy")
    offsets = np.load(stored / "offsets.npy").astype(int)
    low, high = int(np.flatnonzero(levels == 1)[0]), int(np.flatnonzero(levels == 2)[0])
    first = int(faiss.vector_to_array(index.graph.hnsw.cum_nneighbor_per_level)[1])
    edited(stored, "neighbors", put(offsets[high] + first, low))
    with pytest.raises(InputError, match="no index over these 3,000 items"):
        VectorIndex.load(stored, *world[:2])


@pytest.mark.parametrize(
    "change",
    [{"entry_point": -1}, {"entry_point": N}, {"max_level": 7}, {"shape": {**SMALL.as_json(), "links": 8}}],
)
def test_no_entry_that_is_not_there(world, stored, change):
    about = json.loads((stored / ABOUT).read_text())
    (stored / ABOUT).write_text(json.dumps({**about, **change}))
    with pytest.raises(InputError, match="no index over these 3,000 items"):
        VectorIndex.load(stored, *world[:2])


@pytest.mark.parametrize(
    "text", ["{}", "[]", "no json", '{"format": 9}', '{"format": 1, "shape": {"links": 1000000000}}']
)
def test_no_index_at_all(world, stored, text):
    (stored / ABOUT).write_text(text)
    with pytest.raises(InputError, match="holds"):
        VectorIndex.load(stored, *world[:2])


def test_no_pickle(world, stored):
    np.save(stored / "levels.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(InputError, match="holds no stored index"):
        VectorIndex.load(stored, *world[:2])


def test_of_another_model(world, stored):
    with pytest.raises(InputError, match="no index over these 10 items"):
        VectorIndex.load(stored, world[0][:10], world[1][:10])

"""An index over item vectors: nearly the best k items of a user without looking at all of them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from recsys.config import BoolArray, Config, FloatArray, IntArray
from recsys.errors import InputError
from recsys.retrieval.topk import PAD, Items, Scores, top_k

if TYPE_CHECKING:
    import faiss

FORMAT = 1
ABOUT, ARRAYS = "index.json", ("levels", "offsets", "neighbors")
# The longest list of neighbours to look through; beyond it, looking at every item costs no more.
WIDEST = 4096
# Of fewer allowed items than this share, each is looked at.
FEW = 0.1
# What calibration tries in turn: the least head and items to look at in the graph.
TRIED = ((0, 32), (0, 64), (0, 128), (0, 256), (0, 512), (16_384, 256), (0, 1024), (65_536, 256), (65_536, 1024))


class Shape(Config):
    """How an index is built. links: neighbours of an item in the graph. breadth: items looked at to find them.

    head: the items of greatest reach, each of which every query looks at; an item's reach is the score that it has
    where a query of length `length` points to it. bias_scale: a query is (vector, bias_scale)
    and an item (vector, bias / bias_scale), so their product is the score whatever the scale; below 1 the graph heeds
    the biases more. Both are there because a graph alone finds popular items badly: of 100,000 with biases of
    -0.3 log(rank), looking at 256, recall@10 is .91 without the two and 1.00 with them (.89 and 1.00 for vectors that
    form no clusters). Of a million items fitted by iALS, whose vectors are the longer the more popular an item is,
    the graph finds under half of the best hundred, and the head all of them.
    """

    links: int = Field(default=16, ge=4, le=64)
    breadth: int = Field(default=100, ge=8, le=1000)
    head: NonNegativeInt = 2048
    length: NonNegativeFloat = 1.0
    bias_scale: PositiveFloat = 0.5


class Quality(Config):
    """What a search gives: mean share of the exact list that it finds, and how long it takes.

    effort: items looked at. median, p99: milliseconds a query takes on one thread; exact: as median, when every item is
    looked at.
    """

    k: PositiveInt
    queries: PositiveInt
    effort: PositiveInt
    recall: float = Field(ge=0, le=1)
    median: NonNegativeFloat
    p99: NonNegativeFloat
    exact: NonNegativeFloat


class Allowed:
    """The items that may be recommended. mask: (n_items,)."""

    def __init__(self, mask: BoolArray) -> None:
        self.mask = mask

    @cached_property
    def positions(self) -> IntArray:
        return np.flatnonzero(self.mask)

    @cached_property
    def bits(self) -> NDArray[np.uint8]:
        """A bit an item, the first in the lowest place."""
        return np.packbits(self.mask, bitorder="little")

    @cached_property
    def share(self) -> float:
        return len(self.positions) / max(1, len(self.mask))


class VectorIndex:
    """The best items for a vector by `item vector · vector + item bias`: a faiss HNSW graph and exact scores.

    Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small
    World graphs", TPAMI 2018; on inner products: Morozov and Babenko, "Non-metric Similarity Graphs for Maximum Inner
    Product Search", NeurIPS 2018. What the graph finds, and the head, is scored exactly; a list that would be too
    short is made by looking at every item. Ties: score descending, then item ascending.
    """

    def __init__(
        self, vectors: FloatArray, biases: FloatArray, graph: faiss.IndexHNSWFlat, indexed: IntArray, shape: Shape
    ) -> None:
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self.biases = np.asarray(biases, dtype=np.float32)
        self.graph, self.indexed, self.shape = graph, indexed, shape
        self.effort = 256
        self.quality: tuple[Quality, ...] = ()
        self.shortfalls = 0
        """Lists made by looking at every item, so far."""
        self._all = Allowed(np.ones(len(vectors), dtype=bool))
        # Places in the graph are those of `indexed`; where that is every item, they are the items.
        self._whole = len(indexed) == len(vectors)
        self._look_always_at(shape.head)
        self._few: tuple[Allowed, FloatArray] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def _look_always_at(self, n: int) -> None:
        """Make the head of the n items of greatest reach."""
        self.shape = self.shape.model_copy(update={"head": n})
        reach = self.shape.length * np.linalg.norm(self.vectors[self.indexed], axis=1) + self.biases[self.indexed]
        self.head = np.sort(self.indexed[np.argsort(-reach, kind="stable")[:n]])
        self._head_vectors, self._head_biases = self.vectors[self.head], self.biases[self.head]
        self._in_head = np.zeros(len(self.vectors), dtype=bool)
        self._in_head[self.head] = True

    @classmethod
    def build(
        cls,
        vectors: FloatArray,
        biases: FloatArray,
        *,
        reachable: BoolArray | None = None,
        shape: Shape | None = None,
        threads: int = 1,
    ) -> VectorIndex:
        """Index these item vectors, (n_items, size), and biases, (n_items,).

        reachable: (n_items,), items that are not come only into lists that look at every item; None: all. threads: one
        gives the same graph every time, more are faster (100,000 × 64 on one: half a minute).
        """
        import faiss

        shape = shape or Shape()
        indexed = np.arange(len(vectors)) if reachable is None else np.flatnonzero(reachable)
        graph = _empty_graph(vectors.shape[1] + 1, shape)
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(threads)
        try:
            graph.add(_with_bias(vectors, biases, indexed, shape))
        finally:
            faiss.omp_set_num_threads(before)
        return cls(vectors, biases, graph, indexed, shape)

    def search(
        self, query: FloatArray, k: int, *, seen: IntArray | None = None, allowed: Allowed | None = None
    ) -> tuple[Items, Scores]:
        """The best k items for a user vector (size,): items (k,) int32 and scores (k,) float32, exact ones.

        seen: items to leave out. allowed: the only items wanted. The list holds k items wherever so many are left; else
        it ends in item -1 at score -inf.
        """
        query = np.ascontiguousarray(query, dtype=np.float32)
        if allowed is not None and allowed.share < FEW:
            return self._among(allowed, query, k, seen)
        bits = self._left(seen, allowed)
        found = self._candidates(query, k, bits, 0 if seen is None else len(seen), allowed)
        if found is None or np.count_nonzero(np.isfinite(found[1])) < k:
            self.shortfalls += 1
            return self.exact(query, k, seen=seen, allowed=allowed)
        items, scores = found
        if len(items) > 4 * k:
            best = np.argpartition(-scores, k - 1)
            # All that equal the k-th, so that ties go to the smaller item.
            best = np.flatnonzero(scores >= scores[best[k - 1]])
            items, scores = items[best], scores[best]
        order = np.lexsort((items, -scores))[:k]
        return items[order].astype(np.int32), scores[order]

    def exact(
        self, query: FloatArray, k: int, *, seen: IntArray | None = None, allowed: Allowed | None = None
    ) -> tuple[Items, Scores]:
        """As `search`, by looking at every item."""
        scores = self.vectors @ query.astype(np.float32)
        scores += self.biases
        if seen is not None:
            scores[seen] = -np.inf
        items, best = top_k(scores[None], k, candidates=None if allowed is None else allowed.mask)
        return items[0], best[0]

    def measure(
        self, queries: FloatArray, k: int, *, seen: Sequence[IntArray] | None = None, effort: int | None = None
    ) -> Quality:
        """Recall@k against looking at every item, and the time a query takes. queries: (n, size) user vectors."""
        before, self.effort = self.effort, effort or self.effort
        hits, times, exact_times = 0.0, [], []
        try:
            for row, query in enumerate(queries):
                left_out = None if seen is None else seen[row]
                began = time.perf_counter()
                found = self.search(query, k, seen=left_out)[0]
                middle = time.perf_counter()
                truth = self.exact(query, k, seen=left_out)[0]
                times.append(middle - began)
                exact_times.append(time.perf_counter() - middle)
                hits += len(np.intersect1d(found[found >= 0], truth)) / max(1, int(np.count_nonzero(truth >= 0)))
            effort = self.effort
        finally:
            self.effort = before
        spread = np.percentile(times, [50, 99]) * 1e3
        return Quality(
            k=k,
            queries=len(queries),
            effort=effort,
            recall=hits / len(queries),
            median=float(spread[0]),
            p99=float(spread[1]),
            exact=float(np.median(exact_times) * 1e3),
        )

    def calibrate(
        self, queries: FloatArray, k: int, *, seen: Sequence[IntArray] | None = None, target: float = 0.99
    ) -> Quality:
        """Take the cheapest head and effort whose recall@k reaches the target, else the best of them, and say what it
        gives. A head of a quarter of the items or more is not tried: looking at all costs little more."""
        least, tried = self.shape.head, []
        for head, effort in TRIED:
            if head <= max(least, len(self) // 4):
                self._look_always_at(max(head, least))
                tried.append((self.shape.head, self.measure(queries, k, seen=seen, effort=effort)))
                if tried[-1][1].recall >= target:
                    break
        head, quality = max(tried, key=lambda each: each[1].recall)
        self._look_always_at(head)
        self.effort, self.quality = quality.effort, (quality,)
        return quality

    def save(self, folder: Path) -> None:
        """Write the graph to an existing folder, as plain arrays; the vectors are the model's own."""
        import faiss

        hnsw = self.graph.hnsw
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", faiss.vector_to_array(getattr(hnsw, name)), allow_pickle=False)
        np.save(folder / "indexed.npy", self.indexed.astype(np.int64), allow_pickle=False)
        about = {
            "format": FORMAT,
            "shape": self.shape.as_json(),
            "entry_point": hnsw.entry_point,
            "max_level": hnsw.max_level,
            "effort": self.effort,
            "quality": [quality.as_json() for quality in self.quality],
        }
        (folder / ABOUT).write_text(json.dumps(about, indent=1))

    @classmethod
    def load(cls, folder: Path, vectors: FloatArray, biases: FloatArray) -> VectorIndex:
        """Open a stored graph over these vectors and biases; the caller has verified the files' hashes.

        Raises InputError where the files are no graph over so many items: nothing of them is then followed.
        """
        place = str(folder)
        try:
            about = json.loads((folder / ABOUT).read_text())
            arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in (*ARRAYS, "indexed")}
            if about["format"] != FORMAT:
                raise InputError(place, f"holds an index of format {about['format']}, and {FORMAT} is known", REBUILD)
            shape, indexed = Shape(**about["shape"]), arrays["indexed"]
            entry, top, effort = int(about["entry_point"]), int(about["max_level"]), int(about["effort"])
            quality = tuple(Quality(**one) for one in about["quality"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(place, "holds no stored index", REBUILD) from error
        graph = _empty_graph(vectors.shape[1] + 1, shape)
        _check(place, graph, arrays, len(vectors), entry, top)
        graph.storage.add(_with_bias(vectors, biases, indexed, shape))
        for name in ARRAYS:
            _fill(getattr(graph.hnsw, name), arrays[name])
        graph.hnsw.entry_point, graph.hnsw.max_level, graph.ntotal = entry, top, len(indexed)
        index = cls(vectors, biases, graph, indexed, shape)
        index.effort, index.quality = min(max(1, effort), WIDEST), quality
        return index

    def _left(self, seen: IntArray | None, allowed: Allowed | None) -> NDArray[np.uint8]:
        """A bit an item: whether it may be in the list."""
        bits = (allowed or self._all).bits.copy()
        if seen is not None and len(seen):
            kept = ~(np.uint8(1) << (seen & 7).astype(np.uint8))
            np.bitwise_and.at(bits, seen >> 3, kept)
        return bits

    def _candidates(
        self, query: FloatArray, k: int, bits: NDArray[np.uint8], n_seen: int, allowed: Allowed | None
    ) -> tuple[IntArray, Scores] | None:
        """Items that may be the best, and their scores, -inf for those that may not be listed; None: look at all."""
        import faiss

        effort = (max(self.effort, 2 * k) + n_seen) / (1.0 if allowed is None else allowed.share)
        if effort > WIDEST or k >= len(self.indexed):
            return None
        wanted = bits if self._whole else np.packbits(_tested(bits, self.indexed), bitorder="little")
        selector = faiss.IDSelectorBitmap(wanted)
        settings = faiss.SearchParametersHNSW(efSearch=int(effort), sel=selector)
        asked = np.append(query, np.float32(self.shape.bias_scale))[None]
        places = self.graph.search(asked, min(k + 16, len(self.indexed)), params=settings)[1][0]
        items = self.indexed[places[places >= 0]]
        items = items[~self._in_head[items]]
        head = self._head_vectors @ query
        head += self._head_biases
        head[~_tested(bits, self.head)] = -np.inf
        scores = self.vectors[items] @ query + self.biases[items]
        return np.concatenate([self.head, items]), np.concatenate([head, scores])

    def _among(self, allowed: Allowed, query: FloatArray, k: int, seen: IntArray | None) -> tuple[Items, Scores]:
        """The best of few allowed items, each of which is looked at."""
        few = self._few
        if few is None or few[0] is not allowed:
            few = self._few = (allowed, self.vectors[allowed.positions])
        scores = few[1] @ query + self.biases[allowed.positions]
        if seen is not None and len(seen):
            scores[np.isin(allowed.positions, seen)] = -np.inf
        if not len(scores):
            return np.full(k, PAD, dtype=np.int32), np.full(k, -np.inf, dtype=np.float32)
        places, best = top_k(scores[None], k)
        items = np.where(places[0] >= 0, allowed.positions[places[0]], PAD)
        return items.astype(np.int32), best[0]


REBUILD = "write the bundle again"


def _empty_graph(size: int, shape: Shape) -> faiss.IndexHNSWFlat:
    import faiss

    graph = faiss.IndexHNSWFlat(size, shape.links, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = shape.breadth
    return graph


def _with_bias(vectors: FloatArray, biases: FloatArray, indexed: IntArray, shape: Shape) -> FloatArray:
    """The vectors that the graph holds, (n, size + 1): centred biases, scaled, as one more dimension."""
    found = np.empty((len(indexed), vectors.shape[1] + 1), dtype=np.float32)
    found[:, :-1] = vectors[indexed]
    kept = biases[indexed].astype(np.float64)
    # A constant more for every item changes no order of a list, and the graph is best around zero.
    found[:, -1] = (kept - (kept.mean() if len(kept) else 0)) / shape.bias_scale
    return found


def _tested(bits: NDArray[np.uint8], items: IntArray) -> BoolArray:
    """Whether the bit of each item is set."""
    return ((bits[items >> 3] >> (items & 7).astype(np.uint8)) & 1).astype(bool)


def _fill(vector: Any, array: NDArray[Any]) -> None:
    """Copy an array into a vector of faiss."""
    import faiss

    vector.resize(len(array))
    faiss.rev_swig_ptr(vector.data(), len(array))[:] = array


def _check(
    place: str, graph: faiss.IndexHNSWFlat, arrays: dict[str, NDArray[Any]], n_items: int, entry: int, top: int
) -> None:
    """Refuse arrays that would lead a search out of its memory. Raises InputError."""
    import faiss

    levels, offsets, neighbors, indexed = (arrays[name] for name in (*ARRAYS, "indexed"))
    n = len(indexed)
    widths = faiss.vector_to_array(graph.hnsw.cum_nneighbor_per_level)
    sound = (
        [array.dtype.str for array in (levels, offsets, neighbors, indexed)] == ["<i4", "<u8", "<i4", "<i8"]
        and all(array.ndim == 1 for array in arrays.values())
        and (len(levels), len(offsets)) == (n, n + 1)
        and n <= n_items
        and (n == 0 or (indexed[0] >= 0 and indexed[-1] < n_items and bool(np.all(np.diff(indexed) > 0))))
        and (n == 0 or (levels.min() >= 1 and levels.max() < len(widths)))
        and int(offsets[0]) == 0
        and bool(np.all(np.diff(offsets.astype(np.int64)) == widths[levels]))
        and int(offsets[-1]) == len(neighbors)
        and (n == 0 or (0 <= entry < n and top == levels.max() - 1 == levels[entry] - 1))
        and _leads_to_known(levels, offsets.astype(np.int64), neighbors, widths)
    )
    if not sound:
        raise InputError(place, f"is no index over these {n_items:,} items", REBUILD)


def _leads_to_known(levels: IntArray, offsets: IntArray, neighbors: IntArray, widths: IntArray) -> bool:
    """Whether every neighbour is an item that is there on the level of the link."""
    if len(neighbors) == 0:
        return True
    if neighbors.min() < -1 or neighbors.max() >= len(levels):
        return False
    for level in range(1, int(levels.max())):
        own = np.flatnonzero(levels > level)
        links = neighbors[offsets[own][:, None] + np.arange(widths[level], widths[level + 1])]
        if np.any((links >= 0) & (levels[links] <= level)):
            return False
    return True

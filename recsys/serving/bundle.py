"""A bundle: a folder with all that serving needs, written once, opened only after it has been looked over."""

from __future__ import annotations

import logging
import shutil
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Entities
from recsys.data.features import TITLE
from recsys.data.interactions import Interactions, history_view
from recsys.errors import ExpectedError, InputError
from recsys.models.base import ITEMS, USERS, Recommender
from recsys.models.recency import TimedRecommender
from recsys.models.registry import open_model
from recsys.models.vectors import LAST, VectorRecommender
from recsys.retrieval.ann import Shape, VectorIndex
from recsys.retrieval.lists import recommend
from recsys.serving.about import ABOUT, FALLBACK, FORMAT, HISTORIES, INDEX, MODEL, About, Facts, File
from recsys.serving.histories import Histories
from recsys.serving.inspect import REMEDY, files_of, read_about, require_room, verify
from recsys.store import file_digest

log = logging.getLogger(__name__)

# From so many items on, an index answers sooner than a look at every item.
INDEX_FROM = 20_000
# An index that finds less than this share of the exact lists is not kept.
LEAST_RECALL = 0.95
MEASURED_AT, MEASURED_ON = 10, 500
TRIED = 3


class Finder:
    """Positions of ids given as text: a binary search, nothing to build. ids: ascending, integers or str."""

    def __init__(self, ids: NDArray[Any]) -> None:
        self.number = ids.dtype != object
        self.ids: Any = ids if self.number else ids.tolist()

    def __call__(self, text: str) -> int:
        """Position of an id, -1 where it is not here."""
        wanted: Any = text
        if self.number:
            try:
                wanted = int(text)
            except ValueError:
                return -1
            if str(wanted) != text or not -(2**63) <= wanted < 2**63:
                return -1
        place = bisect_left(self.ids, wanted)
        return place if place < len(self.ids) and self.ids[place] == wanted else -1


@dataclass(eq=False)
class Bundle:
    """An open bundle. digest: names it as a whole. fallback, fallback_scores: every item, best first, for a user of
    whom nothing is known. index: None where every item is looked at."""

    folder: Path
    digest: str
    about: About
    model: Recommender
    histories: Histories
    fallback: IntArray
    fallback_scores: FloatArray
    index: VectorIndex | None = None
    pace: float = 0.0
    find_user: Finder = field(init=False)
    find_item: Finder = field(init=False)

    def __post_init__(self) -> None:
        self.find_user, self.find_item = Finder(self.model.users.ids), Finder(self.model.items.ids)

    @property
    def facts(self) -> Facts:
        return self.about.facts

    @property
    def users(self) -> Entities:
        return self.model.users

    @property
    def items(self) -> Entities:
        return self.model.items

    @cached_property
    def item_ids(self) -> list[Any]:
        """Ids as JSON takes them."""
        return self.items.ids.tolist()

    @cached_property
    def titles(self) -> list[str | None] | None:
        """What to show for each item, or None where the data have no titles."""
        if TITLE not in self.items.features:
            return None
        return [title if isinstance(title, str) else None for title in self.items.features[TITLE].tolist()]

    @cached_property
    def directions(self) -> FloatArray | None:
        """Item vectors of length 1, zero for items without any, (n_items, size); None for a model without vectors."""
        if not isinstance(self.model, VectorRecommender):
            return None
        vectors = self.model.item_vectors
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def write_bundle(
    folder: Path,
    model_folder: Path,
    train: Interactions,
    facts: Facts,
    *,
    index: bool | None = None,
    threads: int = 1,
) -> About:
    """Write the bundle of a stored model and the training part it was fitted on to a new or empty folder.

    index: whether to build one for a model with vectors; None: from INDEX_FROM items on. One that finds less than
    LEAST_RECALL of the exact lists is left out. The description comes last: without it the folder is no bundle.
    Raises InputError where the folder is not empty, or model and training part are not of one fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(str(folder), "is not empty", "name a new folder")
    model = open_model(model_folder)
    if not (np.array_equal(model.users.ids, train.users.ids) and np.array_equal(model.items.ids, train.items.ids)):
        raise InputError(str(model_folder), "was not fitted on this training part", "give the one it was fitted on")
    shutil.copytree(model_folder, folder / MODEL, symlinks=True)
    reads_times = isinstance(model, TimedRecommender) and model.config.half_life_days is not None
    histories = Histories.of(train, times=reads_times)
    for name in (HISTORIES, FALLBACK):
        (folder / name).mkdir()
    histories.save(folder / HISTORIES)
    nobody = history_view(train, np.empty(0, dtype=np.int64))
    items, scores = recommend(model, nobody, np.array([0]), max(1, train.n_items), known=False)
    np.save(folder / FALLBACK / "items.npy", items[0][items[0] >= 0])
    np.save(folder / FALLBACK / "scores.npy", scores[0][items[0] >= 0])
    indexed = _write_index(folder / INDEX, model, histories, index, threads)
    about = About(
        format=FORMAT,
        facts=facts,
        family=model.config.name,
        users=train.n_users,
        items=train.n_items,
        rows=len(train),
        binary=histories.binary,
        top=histories.top,
        index=indexed,
        files={
            name: File(sha256=file_digest(folder / name), bytes=size) for name, size in sorted(files_of(folder).items())
        },
    )
    (folder / ABOUT).write_text(about.model_dump_json(indent=1))
    return about


def _write_index(folder: Path, model: Recommender, histories: Histories, wanted: bool | None, threads: int) -> bool:
    """Build, measure and store the index of a model with vectors; whether there is one now."""
    if not isinstance(model, VectorRecommender) or wanted is False:
        return False
    if wanted is None and len(model.items) < INDEX_FROM:
        return False
    asking = np.flatnonzero(np.diff(histories.indptr))
    chosen = np.random.default_rng(0).choice(asking, min(MEASURED_ON, len(asking)), replace=False)
    if not len(chosen):
        return False
    batches = [histories.batch(model.users, model.items, user, user + 1) for user in chosen]
    vectors = np.concatenate([model.user_vectors(batch) for batch in batches])
    seen = [histories.seen(user) for user in chosen]
    shape = Shape(length=float(np.linalg.norm(vectors, axis=1).mean()))
    reachable = model.item_biases > LAST / 2
    index = VectorIndex.build(model.item_vectors, model.item_biases, reachable=reachable, shape=shape, threads=threads)
    quality = index.calibrate(vectors, min(MEASURED_AT, len(model.items)), seen=seen)
    if quality.recall < LEAST_RECALL:
        log.warning("the index finds only %.3f of the exact lists and is left out", quality.recall)
        return False
    folder.mkdir()
    index.save(folder)
    return True


def open_bundle(folder: Path, expected: str | None = None) -> Bundle:
    """Open a bundle: hashes, formats, sizes, no link, no pickle, no file but those it lists; then try it on users.

    expected: the digest it must have. Raises InputError where anything is not as it should be, RunError where memory
    does not suffice.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise InputError(str(folder), "there is no such folder", "name the folder of a bundle")
    about, digest = read_about(folder, expected)
    verify(folder, about)
    require_room(folder, about)
    try:
        bundle = _opened(folder, about, digest)
        _try(bundle)
    except ExpectedError:
        raise
    except Exception as error:  # whatever a library makes of a file that is not what it says
        message = f"cannot be opened ({type(error).__name__}: {str(error)[:200]})"
        raise InputError(str(folder), message, REMEDY) from error
    return bundle


def _opened(folder: Path, about: About, digest: str) -> Bundle:
    model = open_model(folder / MODEL)
    if model.config.name != about.family:
        raise InputError(str(folder / MODEL), f"holds {model.config.name}, not {about.family}", REMEDY)
    for name, entities, rows in ((USERS, model.users, about.users), (ITEMS, model.items, about.items)):
        if len(entities) != rows:
            message = f"holds {len(entities):,} rows, {rows:,} are needed"
            raise InputError(str(folder / MODEL / name), message, REMEDY)
        if not _ascending(entities.ids):
            raise InputError(str(folder / MODEL / name), "holds ids that are not in order", REMEDY)
    histories = Histories.load(folder / HISTORIES, about.users, about.items, binary=about.binary, top=about.top)
    items = np.load(folder / FALLBACK / "items.npy", allow_pickle=False)
    scores = np.load(folder / FALLBACK / "scores.npy", allow_pickle=False)
    sound = items.dtype.kind == "i" and items.shape == scores.shape and items.ndim == 1
    if not sound or (len(items) and (items.min() < 0 or items.max() >= about.items)) or not np.isfinite(scores).all():
        raise InputError(str(folder / FALLBACK), "holds no list of items and scores", REMEDY)
    index = None
    if about.index:
        if not isinstance(model, VectorRecommender):
            raise InputError(
                str(folder / INDEX), f"belongs to no model with vectors, and {about.family} is none", REMEDY
            )
        index = VectorIndex.load(folder / INDEX, model.item_vectors, model.item_biases)
    return Bundle(folder, digest, about, model, histories, items, scores, index)


def _ascending(ids: NDArray[Any]) -> bool:
    if ids.dtype == object:
        texts = ids.tolist()
        return all(isinstance(text, str) for text in texts) and all(one < other for one, other in pairwise(texts))
    return bool(np.all(ids[1:] > ids[:-1]))


def _try(bundle: Bundle) -> None:
    """Score a few users, before it serves rather than after, and take the time.

    Raises InputError where the model gives no finite scores of the right shape.
    """
    n = len(bundle.histories)
    batches = [bundle.histories.batch(bundle.users, bundle.items, user, user + 1) for user in range(min(TRIED, n))]
    batches.append(bundle.histories.stranger(bundle.items, np.empty(0, dtype=np.int64)))
    times = []
    for batch in batches:
        began = time.perf_counter()
        scores = np.asarray(bundle.model.scores(batch))
        times.append(time.perf_counter() - began)
        if scores.shape != (1, len(bundle.items)) or not np.isfinite(scores).all():
            raise InputError(str(bundle.folder / MODEL), "gives no finite score for every item", "fit the model again")
    bundle.pace = min(times)

"""Where the items of the test part stand among all that a model could have listed, gathered while it scores."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions, UserBatch
from recsys.experiment.job import Job
from recsys.retrieval.lists import Candidates, Look
from recsys.retrieval.ranks import ranks_of
from recsys.splits.fold import Fold


class Places:
    """What a job asks for in `ranks`: filled by the looks that it hands out."""

    def __init__(self, job: Job, data: Dataset, fold: Fold, users: IntArray, train: Interactions) -> None:
        """users: (n,) positions in the data set of those who are served. train: whose items the model scores."""
        place = np.full(len(data.users), -1)
        place[users] = np.arange(len(users))
        user = place[data.user[fold.test]]
        order = np.argsort(user, kind="stable")
        self._rows = order[np.count_nonzero(user < 0) :]  # test rows, one user after another
        self._ends = np.concatenate([[0], np.cumsum(np.bincount(user[self._rows], minlength=len(users)))])
        self._item = train.items.positions(data.items.ids[data.item[fold.test]])
        self._exclude_seen = job.exclude_seen
        self._found: dict[str, IntArray] = {kind: np.zeros(len(fold.test), dtype=np.int32) for kind in job.ranks}
        self._n_candidates: IntArray = np.zeros(len(users), dtype=np.int32)

    def arrays(self) -> dict[str, IntArray]:
        """The parts of `Lists` that were asked for, by name."""
        found = {kind.replace(" ", "_"): ranks for kind, ranks in self._found.items()}
        return found | ({"n_candidates": self._n_candidates} if "ranks" in found else {})

    def of(self, users: IntArray) -> Look:
        """What to call with the scores of some of the users; users: their places among those who are served."""

        def look(rows: slice | IntArray, batch: UserBatch, scores: FloatArray, allowed: Candidates | None) -> None:
            assert not isinstance(allowed, np.ndarray)
            self._note(users[rows], batch, scores, allowed)

        return look

    def _note(self, users: IntArray, batch: UserBatch, scores: FloatArray, allowed: sparse.csr_array | None) -> None:
        first, counts = self._ends[users], self._ends[users + 1] - self._ends[users]
        row = np.repeat(np.arange(len(users)), counts)
        entry = np.arange(len(row)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        if len(batch) == 1:  # of one, or of all who share the scores of one
            row[:] = 0
        tested = self._rows[entry]
        for kind, ranks in self._found.items():
            left_out = batch.seen if self._exclude_seen and kind == "ranks" else None
            ranks[tested] = ranks_of(scores, row, self._item[tested], left_out, allowed)
        self._n_candidates[users] = self._listable(batch, scores.shape[1], allowed)

    def _listable(self, batch: UserBatch, n_items: int, allowed: sparse.csr_array | None) -> IntArray:
        seen = batch.seen.astype(bool)
        mask = None if allowed is None else allowed.astype(bool)
        held = np.full(len(batch), n_items) if mask is None else np.diff(mask.indptr)
        if self._exclude_seen:
            held = held - np.diff((seen if mask is None else sparse.csr_array(mask.multiply(seen))).indptr)
        return held

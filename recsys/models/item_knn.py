"""Item k-nearest neighbours: items like those in the user's history."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs, Recommender
from recsys.models.neighbors import CELLS, TINY, lengths, scaled, strongest
from recsys.models.space import Between, OneOf
from recsys.training.run import FitRun

# Okapi BM25 of an item as a document whose words are users.
BM25_K1, BM25_B = 1.2, 0.75


class ItemKnn(Recommender):
    """A candidate's score is the sum of its similarities to the items in the history that are among its neighbours.

    Similarity of two items is that of their users: the cosine, the cosine with users who take much counted less
    (tfidf), or the product of BM25 weights. Shrinkage makes similarities that rest on few users small; it is of no
    use to bm25. Only the strongest `neighbors` of each candidate are kept.
    Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", TOIS 2004, section 4.
    A new user is served by the history alone, exactly; a user without one gets popularity.
    """

    class Config(ModelConfig):
        name: Literal["item-knn"] = "item-knn"
        similarity: Annotated[Literal["cosine", "tfidf", "bm25"], OneOf("cosine", "tfidf", "bm25")] = "tfidf"
        neighbors: Annotated[PositiveInt, Between(5, 1000, log=True)] = 200
        shrinkage: Annotated[NonNegativeFloat, Between(0.1, 1000.0, log=True)] = 10.0

    needs = Needs(history=True)
    state = ("similarity",)
    similarity: sparse.csr_array
    """(n_items, n_items) float32: row of a history item, column of a candidate; zero diagonal."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Weighted copies of the matrix, the neighbours of all items, a block of similarities as sparse and dense."""
        kept = 24 * n_items * min(self.config.neighbors, n_items)
        block = min(max(CELLS, n_items), n_items**2)
        return (MATRIX_BYTES + 24) * n_interactions + kept + 32 * block

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Pairs of items in the same history, the strongest of each item, and a few additions for each seen item."""
        fit = 5e-9 * n_interactions**2 / max(n_users, 1) + 3e-9 * n_items**2
        lists = 5e-9 * n_interactions * min(self.config.neighbors, n_items)
        return super().seconds(n_users, n_items, n_interactions) + fit + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Find the neighbours of every item, a block of candidates at a time."""
        weighted = self._weighted(train.matrix)
        by_item = weighted.T.tocsr()
        length = lengths(by_item)
        size = max(1, CELLS // train.n_items)
        blocks = []
        for start in range(0, train.n_items, size):
            block = by_item[start : start + size] @ weighted
            candidates = np.arange(start, start + block.shape[0])
            row = np.repeat(candidates, np.diff(block.indptr))
            if self.config.similarity != "bm25":
                together = length[row] * length[block.indices] + np.float32(self.config.shrinkage)
                block.data /= np.maximum(together, TINY)
            block.data[row == block.indices] = 0
            blocks.append(strongest(block, self.config.neighbors))
        self.similarity = sparse.vstack(blocks, format="csr").T.tocsr()

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        return self.fall_back((users.history @ self.similarity).toarray(), users)

    def _weighted(self, matrix: sparse.csr_array) -> sparse.csr_array:
        """What each entry counts in a similarity, (n_users, n_items)."""
        if self.config.similarity == "cosine":
            return matrix
        # Inverse document frequency of a user: the fewer items of all one has, the more each of them says.
        counts = np.diff(matrix.indptr)
        rarity = np.log1p(matrix.shape[1] / np.maximum(counts, 1))
        rarity /= np.sqrt(np.average(np.square(rarity), weights=counts))
        if self.config.similarity == "tfidf":
            frequency = np.sqrt(np.maximum(matrix.data, 0))
        else:
            total = np.bincount(matrix.indices, weights=matrix.data, minlength=matrix.shape[1])
            norm = BM25_K1 * (1 - BM25_B + BM25_B * total / total.mean())
            frequency = matrix.data * (BM25_K1 + 1) / np.maximum(matrix.data + norm[matrix.indices], TINY)
        return scaled(sparse.csr_array((frequency, matrix.indices, matrix.indptr), shape=matrix.shape), rarity, None)

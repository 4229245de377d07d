"""Item k-nearest neighbours: items like those in the user's history."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt, model_validator
from scipy import sparse

from recsys.config import FloatArray, IntArray, wrong
from recsys.data.interactions import Interactions, UserBatch
from recsys.models import rating_neighbors
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs
from recsys.models.explanation import Explanation
from recsys.models.neighbors import CELLS, TINY, blocks_of_products, lengths, scaled, seconds_of_lists, strongest
from recsys.models.rating_neighbors import as_written, co_rated_cosine, largest_first, nearest_means, row_means
from recsys.models.recency import TimedConfig, TimedRecommender
from recsys.models.space import Between, OneOf
from recsys.training.run import FitRun

# Okapi BM25 of an item as a document whose words are users.
BM25_K1, BM25_B = 1.2, 0.75


class ItemKnn(TimedRecommender):
    """A candidate's score is the sum of its similarities to the items in the history that are among its neighbours.

    Similarity of two items is that of their users: the cosine, the cosine with users who take much counted less
    (tfidf), or the product of BM25 weights. Shrinkage makes similarities that rest on few users small; it is of no
    use to bm25. Only the strongest `neighbors` of each candidate are kept.
    Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", TOIS 2004, section 4.
    With `similarity: co-rated` a score is the value that is expected: the mean of the user's values of the `neighbors`
    items most alike, weighted by the cosine of the values of those who gave both items one; the user's mean where no
    item is alike. Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001, section 3.
    A new user is served by the history alone, exactly; a user without one gets popularity.
    """

    class Config(TimedConfig):
        name: Literal["item-knn"] = "item-knn"
        similarity: Annotated[Literal["cosine", "tfidf", "bm25", "co-rated"], OneOf("cosine", "tfidf", "bm25")] = (
            "tfidf"
        )
        neighbors: Annotated[PositiveInt, Between(5, 1000, log=True)] = 200
        shrinkage: Annotated[NonNegativeFloat, Between(0.1, 1000.0, log=True)] = 10.0

        @model_validator(mode="after")
        def _values_know_no_time(self) -> Self:
            if self.similarity == "co-rated" and (self.half_life_days is not None or self.recency):
                place = "recency" if self.half_life_days is None else "half_life_days"
                raise wrong("co-rated predicts values, and time plays no part in them", "choose another one", place)
            return self

    needs = Needs(history=True)
    state = ("similarity",)
    pair_seconds = 1.1e-8
    strangers_alike = True
    similarity: Any
    """(n_items, n_items) float32, zero diagonal: row of a history item, column of a candidate; CSR, co-rated: dense."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        if self.config.similarity == "co-rated":
            self.needs = Needs(history=True, values=True)  # type: ignore[misc]

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Weighted copies of the matrix, the neighbours of all items, a block of similarities as sparse and dense."""
        if self.needs.values:
            blocks = 80 * min(max(rating_neighbors.CELLS, n_items), n_items**2)
            return 4 * n_items**2 + blocks + (2 * MATRIX_BYTES + 24) * n_interactions
        kept = 24 * n_items * min(self.config.neighbors, n_items)
        block = min(max(CELLS, n_items), n_items**2)
        return (MATRIX_BYTES + 24) * n_interactions + kept + 32 * block

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Pairs of items in the same history, the strongest of each item, and a few additions for each seen item."""
        if self.needs.values:
            fit = 4e-8 * n_interactions**2 / max(n_users, 1)
            return super().seconds(n_users, n_items, n_interactions) + fit + 4e-9 * n_interactions * n_items
        fit = 5e-9 * n_interactions**2 / max(n_users, 1) + 3e-9 * n_items**2
        lists = seconds_of_lists(n_interactions, n_items, self.config.neighbors)
        return super().seconds(n_users, n_items, n_interactions) + fit + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Find the neighbours of every item, a block of candidates at a time."""
        if self.needs.values:
            self._compare_values(as_written(train.values).T.tocsr())
            return
        weighted = self._weighted(train.matrix)
        by_item = weighted.T.tocsr()
        length = lengths(by_item)
        blocks = []
        for rows in blocks_of_products(by_item, weighted):
            block = by_item[rows] @ weighted
            candidates = np.arange(rows.start, rows.stop)
            row = np.repeat(candidates, np.diff(block.indptr))
            if self.config.similarity != "bm25":
                together = length[row] * length[block.indices] + np.float32(self.config.shrinkage)
                block.data /= np.maximum(together, TINY)
            block.data[row == block.indices] = 0
            blocks.append(strongest(block, self.config.neighbors))
        self.similarity = sparse.vstack(blocks, format="csr").T.tocsr()

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        if self.needs.values:
            return self.fall_back(self._expected(as_written(users.values)), users)
        return self.fall_back(self.lifted((self.history(users) @ self.similarity).toarray()), users)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the score: its similarity."""
        if self.needs.values:
            return self._expected_parts(as_written(users.values[[0]]), items)
        history = self.history(users)[[0]]
        parts = self.lifted(self.similarity[history.indices][:, items].toarray(), items).T
        return Explanation(history.indices, parts * history.data, additive=True)

    def _compare_values(self, by_item: sparse.csr_array) -> None:
        """Similarities of all items. by_item: (n_items, n_users) values."""
        n_items = by_item.shape[0]
        self.similarity = np.empty((n_items, n_items), dtype=np.float32)
        size = max(1, rating_neighbors.CELLS // n_items)
        for start in range(0, n_items, size):
            rows = slice(start, start + size)
            self.similarity[rows] = co_rated_cosine(by_item[rows], by_item)
        np.fill_diagonal(self.similarity, 0)

    def _expected(self, values: sparse.csr_array) -> FloatArray:
        """Values that are expected, (n, n_items). values: (n, n_items) of the users' histories."""
        used, mean = np.unique(values.indices), row_means(values)
        values = values[:, used]
        n_items = len(self.similarity)
        expected = np.empty((len(mean), n_items), dtype=np.float32)
        size = max(1, rating_neighbors.CELLS // max(len(used), 1))
        for start in range(0, n_items, size):
            columns = slice(start, start + size)
            found = nearest_means(self.similarity[columns, used], values, self.config.neighbors).T
            expected[:, columns] = np.where(np.isnan(found), mean[:, None], found)
        return expected

    def _expected_parts(self, values: sparse.csr_array, items: IntArray) -> Explanation:
        """What each value of one user, (1, n_items), adds to the weighted mean of the nearest ones."""
        near = self.similarity[items][:, values.indices]
        chosen = largest_first(near)[:, : self.config.neighbors]
        weights = np.zeros_like(near)
        np.put_along_axis(weights, chosen, np.take_along_axis(near, chosen, axis=1), axis=1)
        weights[~weights.any(axis=1)] = 1
        weights /= np.abs(weights).sum(axis=1, keepdims=True)
        return Explanation(values.indices, weights * values.data, additive=True)

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

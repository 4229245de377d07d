"""RP3beta: where a random walk from the history arrives after three steps, popular items held back."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, Needs
from recsys.models.explanation import Explanation
from recsys.models.neighbors import CELLS, TINY, blocks_of_products, scaled, seconds_of_lists, strongest
from recsys.models.recency import TimedConfig, TimedRecommender
from recsys.models.space import Between
from recsys.training.run import FitRun


class Rp3Beta(TimedRecommender):
    """Walks from the user to an item of the history, to a user who has it, to an item of that user.

    The chance of each step counts to the power `alpha`, and where a walk ends is divided by the popularity of that item
    to the power `beta`. For each candidate the `neighbors` items from which most walks arrive are kept.
    Paudel et al., "Updatable, Accurate, Diverse, and Scalable Recommendations for Interactive Applications", TiiS 2016.
    A new user is served by the history alone, exactly; a user without one gets popularity.
    """

    class Config(TimedConfig):
        name: Literal["rp3beta"] = "rp3beta"
        neighbors: Annotated[PositiveInt, Between(5, 1000, log=True)] = 200
        alpha: Annotated[PositiveFloat, Between(0.2, 2.0)] = 0.6
        beta: Annotated[NonNegativeFloat, Between(0.0, 1.0)] = 0.3

    needs = Needs(history=True)
    state = ("walks",)
    pair_seconds = 1.1e-8
    strangers_alike = True
    walks: sparse.csr_array
    """(n_items, n_items) float32: from a history item, in its row, to a candidate, in its column; zero diagonal."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Steps from users and from items, the neighbours of all items, a block of walks as sparse and dense."""
        kept = 24 * n_items * min(self.config.neighbors, n_items)
        block = min(max(CELLS, n_items), n_items**2)
        return (MATRIX_BYTES + 24) * n_interactions + kept + 40 * block

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Pairs of items in the same history, the strongest of each item, and a few additions for each seen item."""
        fit = 5e-9 * n_interactions**2 / max(n_users, 1) + 3e-9 * n_items**2
        lists = seconds_of_lists(n_interactions, n_items, self.config.neighbors)
        return super().seconds(n_users, n_items, n_interactions) + fit + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Walk from all items, a block of candidates at a time."""
        matrix = train.matrix
        from_user = self._steps(matrix)
        to_user = self._steps(matrix.T.tocsr()).T.tocsr()
        by_item = from_user.T.tocsr()
        popularity = matrix.sum(axis=0)
        held_back = np.maximum(popularity, TINY) ** -self.config.beta
        blocks = []
        for rows in blocks_of_products(by_item, to_user):
            block = (by_item[rows] @ to_user).tocsr()
            row = np.repeat(np.arange(rows.start, rows.stop), np.diff(block.indptr))
            block.data *= held_back[row]
            block.data[row == block.indices] = 0
            blocks.append(strongest(block, self.config.neighbors))
        self.walks = sparse.vstack(blocks, format="csr").T.tocsr()

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        return self.fall_back(self.lifted((self.history(users) @ self.walks).toarray()), users)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the score: the walks from it."""
        history = self.history(users)[[0]]
        parts = self.lifted(self.walks[history.indices][:, items].toarray(), items).T
        return Explanation(history.indices, parts * history.data, additive=True)

    def _steps(self, matrix: sparse.csr_array) -> sparse.csr_array:
        """The chance of each step from a row to a column, to the power alpha."""
        steps = scaled(matrix, 1 / np.maximum(matrix.sum(axis=1), TINY), None)
        steps.data **= np.float32(self.config.alpha)
        return steps

"""SLIM: a sparse linear item-item model, each item predicted from a few others."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, Needs
from recsys.models.ease import BLOCK as GRAM_BLOCK
from recsys.models.ease import dense_gram
from recsys.models.explanation import Explanation
from recsys.models.recency import TimedConfig, TimedRecommender
from recsys.models.space import Between
from recsys.training.run import FitRun, Progress

# Items predicted together; inputs between two products with all of them.
COLUMNS, ROWS = 256, 64
# A block of columns is done when no weight moves by more than this in a sweep, or after so many sweeps.
TOLERANCE, SWEEPS = 1e-3, 100


class Slim(TimedRecommender):
    """Each item's column is an elastic net of all other items' columns with weights of at least 0.

        ½ |x_j - X w|² + ½ regularization |w|² + sparsity |w|₁,  w >= 0,  w_j = 0

    Ning and Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011, eq. 4; solved by
    coordinate descent on the Gram matrix (Friedman et al., JSS 2010, section 2.2).
    A new user is served by the history alone, exactly; a user without one gets popularity.
    """

    class Config(TimedConfig):
        name: Literal["slim"] = "slim"
        regularization: Annotated[PositiveFloat, Between(1.0, 2000.0, log=True)] = 100.0
        sparsity: Annotated[NonNegativeFloat, Between(0.1, 50.0, log=True)] = 1.0

    needs = Needs(history=True)
    state = ("weights",)
    strangers_alike = True
    weights: sparse.csr_array
    """(n_items, n_items) float32, column j predicts item j; zero diagonal."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """The Gram matrix, a block of it as sparse and dense, blocks of weights, the weights kept if half are."""
        gram = 4 * n_items**2 + 16 * min(GRAM_BLOCK, n_items) * n_items
        return gram + 8 * n_items**2 + (MATRIX_BYTES + 8) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Pairs of items in the same history, some twenty sweeps over all pairs of items times items."""
        pairs = 5e-9 * n_interactions**2 / max(n_users, 1)
        sweeps = 20 * (6e-11 * n_items**3 + 1e-8 * n_items**2)
        return super().seconds(n_users, n_items, n_interactions) + pairs + sweeps

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Solve for the weights, a block of predicted items at a time."""
        gram = dense_gram(train.matrix, 0)
        # Rare items have few others in common: beside each other they leave most of the work out.
        order = np.argsort(-train.popularity, kind="stable")
        blocks = []
        for start in range(0, len(order), COLUMNS):
            columns = order[start : start + COLUMNS]
            found = elastic_net(gram, columns, self.config.regularization, self.config.sparsity)
            blocks.append(sparse.csc_array(found))
            run.tell(Progress(len(blocks), -(-len(order) // COLUMNS)))
        self.weights = sparse.hstack(blocks, format="csc")[:, np.argsort(order)].tocsr()

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        return self.fall_back(self.lifted((self.history(users) @ self.weights).toarray()), users)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the score: its weight."""
        history = self.history(users)[[0]]
        parts = self.lifted(self.weights[history.indices][:, items].toarray(), items).T
        return Explanation(history.indices, parts * history.data, additive=True)


def elastic_net(gram: FloatArray, columns: IntArray, ridge: float, lasso: float) -> FloatArray:
    """The weights that predict some columns of a matrix from its other columns, (n, len(columns)) float32.

    gram: (n, n) float32, of all columns, no entry below 0. Weights that are not below 0 only take away from what an
    input has in common with what it predicts; where that is at most `lasso` to begin with, the weight stays 0.
    """
    weights = np.zeros((len(gram), len(columns)), dtype=np.float32)
    useful = (gram[:, columns] > lasso).any(axis=1)
    active, support = np.arange(len(columns)), np.flatnonzero(useful)
    for _ in range(SWEEPS):
        if not len(active) or not len(support):
            break
        everything = len(support) == np.count_nonzero(useful)
        current = weights[np.ix_(support, active)]
        moved = sweep(gram, support, columns[active], current, np.float32(ridge), np.float32(lasso))
        weights[np.ix_(support, active)] = current
        # Inputs that nobody uses are left alone until the others have settled; then all are looked at once more.
        if everything:
            active = active[moved > TOLERANCE]
            support = np.flatnonzero(weights[:, active].any(axis=1))
        elif moved.max() <= TOLERANCE:
            support = np.flatnonzero(useful)
    return weights


def sweep(
    gram: FloatArray, inputs: IntArray, columns: IntArray, current: FloatArray, ridge: np.float32, lasso: np.float32
) -> FloatArray:
    """Move each weight to its best value given all others, one input after the other: the largest move, (m,).

    gram: (n, n). inputs: (s,), columns: (m,), both items. current: (s, m) weights, changed in place. An input is moved
    for all columns at once. What inputs of the same block do to each other is followed exactly, what earlier blocks
    did comes in with one product for the block.
    """
    moved = np.zeros(len(columns), dtype=np.float32)
    for start in range(0, len(inputs), ROWS):
        rows = inputs[start : start + ROWS]
        together = gram[np.ix_(rows, inputs)]
        inner = together[:, start : start + ROWS]
        own = np.argwhere(rows[:, None] == columns)
        before = current[start : start + ROWS]
        slack = gram[np.ix_(rows, columns)] - together @ current - lasso
        # An item that would predict itself never gets above 0.
        slack[own[:, 0], own[:, 1]] = -np.inf
        slack += inner.diagonal()[:, None] * before
        delta = np.zeros_like(before)
        for place in range(len(rows)):
            best = slack[place] - inner[place, :place] @ delta[:place]
            best /= inner[place, place] + ridge
            np.maximum(best, 0, out=best)
            np.subtract(best, before[place], out=delta[place])
        before += delta
        np.maximum(moved, np.abs(delta).max(axis=0), out=moved)
    return moved

"""iALS: factors for positives and everything else, by least squares in turns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import RunError
from recsys.models.base import MATRIX_BYTES, Needs
from recsys.models.explanation import Explanation
from recsys.models.recency import TimedConfig, TimedRecommender
from recsys.models.requirements import share_beyond_cache
from recsys.models.space import Between
from recsys.models.vectors import VectorRecommender
from recsys.training.run import FitRun, Progress

# Numbers gathered at once for histories of one length, 2 MB of float32.
CELLS = 500_000
# Standard deviation of a first score; the fit forgets it.
START = 0.1


class IAls(TimedRecommender, VectorRecommender):
    """Factors that put positives at 1 and, with the small weight `alpha`, all pairs at 0.

        sum over positives c (w·h - 1)² + alpha · sum over all pairs (w·h)²
            + regularization · (sum_u (c_u + alpha · n_items)^nu |w_u|² + sum_i (c_i + alpha · n_users)^nu |h_i|²)

    with c the weight of a positive, c_u and c_i its sums, nu = `frequency`: who has much is held back more.
    Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008; Rendle et al.,
    "Revisiting the Performance of iALS on Item Recommendation Benchmarks", RecSys 2022, eq. 7, for the regularisation.
    Users and items go a few steps towards their solutions in turns. Who is served gets the exact solution for the
    history, so a known and a new user with the same history get the same list; one without a history popularity.
    """

    class Config(TimedConfig):
        name: Literal["ials"] = "ials"
        embedding_size: Annotated[PositiveInt, Between(16, 256, log=True)] = 64
        epochs: Annotated[PositiveInt, Between(5, 30)] = 10
        alpha: Annotated[PositiveFloat, Between(0.01, 2.0, log=True)] = 0.1
        regularization: Annotated[PositiveFloat, Between(0.003, 3.0, log=True)] = 0.3
        frequency: Annotated[float, Field(ge=0, le=1), Between(0.0, 1.0)] = 0.5

    needs = Needs(history=True)
    state = ("item_vectors", "item_biases", "spectrum")
    stochastic = True
    libraries = ("torch",)
    spectrum: FloatArray
    """(embedding_size,) float32: the diagonal of the Gram matrix of the item vectors without `lift`, which has nothing
    beside it."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Vectors, what the steps towards their solutions keep, the matrix and its transpose, a score an entry."""
        size = self.config.embedding_size
        steps = 24 * max(n_users, n_items) * size + 8 * n_interactions
        return 12 * (n_users + n_items) * size + steps + 32 * size**2 + (MATRIX_BYTES + 12) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Every entry and every vector some times an epoch; a system of each user who is served."""
        size = self.config.embedding_size
        entry = 2.2e-9 + 1e-8 * share_beyond_cache(4 * max(n_users, n_items) * size)
        epoch = (entry * n_interactions + 3e-8 * (n_users + n_items)) * size
        lists = work(n_users, n_interactions, size) + 2e-11 * n_users * n_items * size
        return super().seconds(n_users, n_items, n_interactions) + self.config.epochs * epoch + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Improve users and items in turns; the users' vectors are not kept."""
        import torch

        from recsys.models.networks.ials import Systems

        settings, by_item = self.config, train.matrix.T.tocsr()
        of_users, of_items = (
            Systems(rows, self._ridges(rows).astype(np.float32), settings.alpha) for rows in (train.matrix, by_item)
        )
        users = torch.zeros(train.n_users, settings.embedding_size)
        items = torch.from_numpy(run.generator().standard_normal((train.n_items, users.shape[1]), dtype=np.float32))
        items *= START / np.sqrt(settings.embedding_size)
        for epoch in range(1, settings.epochs + 1):
            users = of_users.improved(users, items)
            items = of_items.improved(items, users)
            if not torch.isfinite(items).all():
                raise self._unsolved(f"epoch {epoch}")
            run.tell(Progress(epoch, settings.epochs))
        vectors, self.spectrum = turned(items.numpy())
        self.item_vectors = self.lifted(vectors.T).T
        self.item_biases = np.zeros(train.n_items, dtype=np.float32)
        self.put_last(np.flatnonzero(train.popularity == 0))

    def user_vectors(self, users: UserBatch) -> FloatArray:
        """The solution for each history, (len(users), embedding_size)."""
        return self._solved(self.history(users), self.own_vectors, self.spectrum)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds to the score: Hu et al., section 5."""
        history = self.history(users)[[0]]
        taken = self.own_vectors[history.indices]
        system = (taken.T * history.data) @ taken + np.diag(self._diagonals(history, self.spectrum)[0])
        parts = self.item_vectors[items] @ np.linalg.solve(system, taken.T * history.data)
        return Explanation(history.indices, parts, additive=True)

    def _ridges(self, rows: sparse.csr_array) -> FloatArray:
        """What holds back the vector of each row, (n,)."""
        settings = self.config
        return settings.regularization * (rows.sum(axis=1) + settings.alpha * rows.shape[1]) ** settings.frequency

    def _diagonals(self, rows: sparse.csr_array, spectrum: FloatArray) -> FloatArray:
        """The diagonal that each row's system has besides its positives, (n, embedding_size) float32."""
        return (self._ridges(rows)[:, None] + self.config.alpha * spectrum).astype(np.float32)

    def _solved(self, rows: sparse.csr_array, vectors: FloatArray, spectrum: FloatArray) -> FloatArray:
        """The best vector of each row given those of the columns, (n, embedding_size) float32.

        vectors, spectrum: as `turned` gives them. Raises RunError where a system cannot be solved.
        """
        solved = np.zeros((rows.shape[0], vectors.shape[1]), dtype=np.float32)
        diagonals = self._diagonals(rows, spectrum)
        counts = np.diff(rows.indptr)
        short, long = (np.flatnonzero(longer == (2 * counts > vectors.shape[1])) for longer in (False, True))
        try:
            for chosen, columns, weights in of_one_length(rows, short, vectors):
                solved[chosen] = few(vectors[columns], weights, diagonals[chosen])
            for row in long:
                part = slice(rows.indptr[row], rows.indptr[row + 1])
                solved[row] = one(vectors.take(rows.indices[part], axis=0), rows.data[part], diagonals[row])
        except np.linalg.LinAlgError as error:
            raise self._unsolved(str(error)) from error
        return solved

    def _unsolved(self, why: str) -> RunError:
        remedy = f"raise regularization (now {self.config.regularization:g})"
        return RunError(f"model '{self.config.name}'", f"no solution in float32 ({why})", remedy)


def turned(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The vectors in the basis in which their Gram matrix is diagonal, and that diagonal: no product changes."""
    spectrum, basis = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    return vectors @ basis.astype(np.float32), np.maximum(spectrum, 0).astype(np.float32)


def of_one_length(
    rows: sparse.csr_array, chosen: IntArray, vectors: FloatArray
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Blocks of the chosen rows with equally many entries: rows (n,), columns (n, length), entries (n, length)."""
    counts = np.diff(rows.indptr)[chosen]
    order = np.argsort(counts, kind="stable")
    for group in np.split(chosen[order], np.flatnonzero(np.diff(counts[order])) + 1):
        length = rows.indptr[group[0] + 1] - rows.indptr[group[0]] if len(group) else 0
        if not length:
            continue
        size = max(1, CELLS // (length * vectors.shape[1]))
        for start in range(0, len(group), size):
            block = group[start : start + size]
            place = rows.indptr[block][:, None] + np.arange(length)
            yield block, rows.indices[place], rows.data[place]


def few(taken: FloatArray, weights: FloatArray, diagonals: FloatArray) -> FloatArray:
    """Solutions of (diag + taken.T C taken) w = taken.T c for rows with fewer positives than dimensions, (n, size).

    taken: (n, length, size), overwritten. weights: (n, length). diagonals: (n, size). By the identity of Woodbury
    w = D⁻¹ S.T (1 + S D⁻¹ S.T)⁻¹ √c with S = √C taken: the systems have the size of the histories.
    """
    root, shrink = np.sqrt(weights), 1 / np.sqrt(diagonals)
    taken *= root[:, :, None]
    taken *= shrink[:, None, :]
    system = taken @ taken.transpose(0, 2, 1)
    system[:, np.arange(root.shape[1]), np.arange(root.shape[1])] += 1
    inner = np.linalg.solve(system, root[:, :, None])
    return (taken.transpose(0, 2, 1) @ inner)[:, :, 0] * shrink


def one(taken: FloatArray, weights: FloatArray, diagonal: FloatArray) -> FloatArray:
    """The solution of (diag + taken.T C taken) w = taken.T c, (size,), by Cholesky.

    taken: (length, size), overwritten. Raises np.linalg.LinAlgError where there is none.
    """
    from scipy.linalg import blas, lapack

    root = np.sqrt(weights)
    taken *= root[:, None]
    right = root @ taken
    system = blas.ssyrk(1, taken.T, lower=True)
    system.ravel(order="K")[:: len(diagonal) + 1] += diagonal
    _, solution, failed = lapack.sposv(system, right, lower=True, overwrite_a=True, overwrite_b=True)
    if failed:
        raise np.linalg.LinAlgError("a system is not positive definite")
    return solution.ravel()


def work(n: int, n_interactions: int, size: int) -> float:
    """CPU seconds of solving for n vectors."""
    length = n_interactions / max(n, 1)
    if 2 * length <= size:
        return n * (1e-6 + 1e-10 * length**2 * size)
    return n * (1.2e-5 + 1.2e-11 * length * size**2 + 8e-12 * size**3)

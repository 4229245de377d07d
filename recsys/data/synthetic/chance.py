"""Random numbers: streams, even samples, sharing out, and many discrete distributions at once."""

from __future__ import annotations

from enum import IntEnum, auto

import numpy as np

from recsys.config import FloatArray, IntArray

GUIDES = 64  # places a row where a draw of a Lottery can begin its search


class Part(IntEnum):
    """What has a stream of random numbers of its own, so that none depends on how many another has used."""

    THEMES = auto()
    ITEMS = auto()
    USERS = auto()
    DEMOGRAPHY = auto()
    TASTES = auto()
    SITTINGS = auto()
    CHOICES = auto()
    PAGES = auto()
    FIRSTS = auto()
    RATINGS = auto()
    SESSIONS = auto()
    TEXT = auto()
    ORDER = auto()


def stream(seed: int, part: Part, block: int = 0) -> np.random.Generator:
    """The random numbers of one part of the world, and of one block of its users."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(int(part), block))))


def evenly(rng: np.random.Generator, n: int) -> FloatArray:
    """One number from the middle of each n-th of (0, 1), in random order: a sample whose curve no seed changes."""
    return (rng.permutation(n) + 0.5) / n


def surprises(rng: np.random.Generator, n: int) -> FloatArray:
    """Mean 0, standard deviation 1, skewed to the left: the logarithm of exponential numbers, standardised."""
    return standard_log(rng.standard_exponential(n))


def standard_log(exponential: FloatArray) -> FloatArray:
    """Logarithms of standard exponential numbers, brought to mean 0 and standard deviation 1.

    >>> standard_log(np.array([0.5, 1.0, 2.0])).round(2)
    array([-0.09,  0.45,  0.99])
    """
    return (np.log(exponential) + np.euler_gamma) * (np.sqrt(6) / np.pi)


def apportion(weight: FloatArray, total: int, least: int, most: int) -> IntArray:
    """Whole numbers between `least` and `most` that sum to `total`; what exceeds `least` is proportional to `weight`.

    The total must be possible: between least and most for each.

    >>> apportion(np.array([1.0, 3.0, 100.0]), total=12, least=1, most=6)
    array([2, 4, 6])
    """
    room, rest = most - least, total - least * len(weight)
    scale = rest / weight.sum()
    for _ in range(100):  # what the cap cuts off is shared by the others
        share = np.minimum(weight * scale, room)
        short, free = rest - share.sum(), weight[share < room].sum()
        if short < 0.5 or free == 0:
            break
        scale += short / free
    count = np.floor(share).astype(np.int64)
    nearest = np.argsort(count - share, kind="stable")
    while missing := rest - int(count.sum()):
        count[nearest[count[nearest] < room][:missing]] += 1
    return count + least


class Lottery:
    """Row r draws one of the outcomes starts[r] .. starts[r + 1] - 1, with chances proportional to their weights.

    weights: (n_outcomes,), not negative, a positive sum in every row that is drawn from. starts: (n_rows + 1,). All
    cumulative sums lie in one ascending array (row r between r and r + 1), which a draw searches from the nearest of
    GUIDES places a row (the guide table of Chen and Asau 1974): faster than halving the whole.
    """

    def __init__(self, weights: FloatArray, starts: IntArray) -> None:
        rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        below = np.concatenate([[0.0], np.cumsum(weights)])
        base, total = below[starts[:-1]], np.diff(below[starts])
        edges = rows + (below[1:] - base[rows]) / np.where(total > 0, total, 1.0)[rows]
        self._keep(np.append(edges, np.inf), starts)

    @classmethod
    def of_rows(cls, weights: FloatArray) -> Lottery:
        """One row of `weights` (n_rows, n_outcomes) is one distribution."""
        n_rows, n_outcomes = weights.shape
        flat = np.full(weights.size + 1, np.inf)
        edges = flat[:-1].reshape(weights.shape)
        np.cumsum(weights, axis=1, out=edges)
        edges /= edges[:, -1:].copy()
        edges += np.arange(n_rows)[:, None]
        lottery = cls.__new__(cls)
        lottery._keep(flat, np.arange(n_rows + 1) * n_outcomes)
        return lottery

    def _keep(self, edges: FloatArray, starts: IntArray) -> None:
        self.edges, self.starts = edges, starts  # the last edge is infinite: every search ends
        places = np.arange((len(starts) - 1) * GUIDES + 1) / GUIDES
        self.guide = np.searchsorted(edges[:-1], places, side="right")

    def draw(self, rng: np.random.Generator, rows: IntArray) -> IntArray:
        """One outcome for each of `rows`, counted over all rows."""
        point = rows + rng.random(len(rows))
        found = self.guide[(point * GUIDES).astype(np.int64)]
        behind = np.flatnonzero(self.edges[found] <= point)
        while len(behind):
            found[behind] += 1
            behind = behind[self.edges[found[behind]] <= point[behind]]
        return np.clip(found, self.starts[rows], self.starts[rows + 1] - 1)

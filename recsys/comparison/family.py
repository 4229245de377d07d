"""Which models of a comparison differ: all pairs tested at once, and letters for what cannot be told apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from recsys.comparison.bootstrap import Bootstrap
from recsys.config import BoolArray, FloatArray

ALPHA = 0.05


def adjusted_p(drawn: Bootstrap, members: list[int]) -> FloatArray:
    """The p-value of every pair of columns, adjusted for testing all pairs, (members, members); 1 on the diagonal.

    The chance that any pair that is equal in truth falls below a level is at most that level. Step-down max-T: a pair's
    |difference| over its bootstrap standard error is held against the largest such statistic, in resamples centred on
    what was observed, of all pairs that are no clearer than it. Romano and Wolf, "Exact and Approximate Stepdown
    Methods for Multiple Hypothesis Testing", JASA 2005, algorithm 3 and remark 8. NaN where a column has no interval.
    """
    adjusted = np.eye(len(members))
    pairs = np.array(list(combinations(range(len(members)), 2)), dtype=np.int64).reshape(-1, 2)
    if not len(pairs):
        return adjusted
    if not len(drawn.resampled):
        return np.where(adjusted == 1, 1.0, np.nan)
    columns = np.asarray(members)[pairs]
    observed = np.abs(drawn.observed[columns[:, 0]] - drawn.observed[columns[:, 1]])
    centred = drawn.resampled - drawn.resampled.mean(axis=0)
    drawn_differences = np.abs(centred[:, columns[:, 0]] - centred[:, columns[:, 1]])
    error = np.sqrt(np.square(drawn_differences).mean(axis=0))
    # Two models with the very same lists have no error and no difference.
    statistic = np.divide(observed, error, out=np.where(observed > 0, np.inf, 0.0), where=error > 0)
    resampled = np.divide(drawn_differences, error, out=np.zeros_like(drawn_differences), where=error > 0)
    order = np.argsort(statistic, kind="stable")
    largest = np.maximum.accumulate(resampled[:, order], axis=1)
    beyond = np.count_nonzero(largest >= statistic[order], axis=0)
    p = (1 + beyond) / (1 + len(resampled))
    # A clearer pair is never less significant than one that is less clear.
    p = np.maximum.accumulate(p[::-1])[::-1]
    one, other = pairs[order].T
    adjusted[one, other] = adjusted[other, one] = p
    undefined = ~np.isfinite(drawn.observed[np.asarray(members)])
    adjusted[undefined] = adjusted[:, undefined] = np.nan
    return adjusted


def letters(different: BoolArray) -> list[str]:
    """A compact letter display: two members share a letter if and only if they are not different.

    different: (n, n), symmetric, members best first. The first member has an "a". Piepho, "An Algorithm for a
    Letter-Based Representation of All-Pairwise Comparisons", JCGS 2004: insert and absorb.
    """
    n = len(different)
    groups = [frozenset(range(n))] if n else []
    for one, other in zip(*np.nonzero(np.triu(different)), strict=True):
        split = []
        for group in groups:
            split += [group - {one}, group - {other}] if one in group and other in group else [group]
        split = list(dict.fromkeys(split))
        groups = [group for group in split if not any(group < rival for rival in split)]
    groups.sort(key=lambda group: sorted(group))
    return ["".join(_letter(i) for i, group in enumerate(groups) if member in group) for member in range(n)]


def _letter(place: int) -> str:
    """a, b, …, z, then A, B, …"""
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return alphabet[place] if place < len(alphabet) else f"({place + 1})"

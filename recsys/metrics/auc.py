"""Area under the ROC curve."""

from __future__ import annotations

import numpy as np

from recsys.config import FloatArray
from recsys.metrics.ranks import Ranks


def auc(ranks: Ranks) -> FloatArray:
    """How often a relevant item stands before a candidate that is not relevant; one value a user.

        mean over relevant items of candidates that are not relevant and stand behind it / all that are not relevant

    A relevant item that no list can hold stands behind all; a user all of whose candidates are relevant has 1 for each
    that can be listed. Rendle et al. 2009, "BPR: Bayesian personalized ranking from implicit feedback", section 4.1.1,
    with equal scores in the order of the lists. ranks: of the relevant items, each once.

    Of 5 candidates the first and the third are relevant: the first stands before all 3 others, the third before 2.

    >>> auc(Ranks(np.array([1, 3]), user=np.array([0, 0]), n_candidates=np.array([5]))).round(4)
    array([0.8333])
    """
    order = np.lexsort((ranks.rank, ranks.user))
    user, rank = ranks.user[order], ranks.rank[order]
    there = rank > 0
    relevant = np.bincount(user, minlength=ranks.n_users)
    reached = np.bincount(user[there], minlength=ranks.n_users)
    user, rank = user[there], rank[there]
    others = (ranks.n_candidates - reached)[user]
    before = np.arange(len(user)) - (np.cumsum(reached) - reached)[user]  # relevant ones that stand before it
    behind = others - (rank - 1 - before)
    share = np.divide(behind, others, out=np.ones(len(user)), where=others > 0)
    return np.bincount(user, weights=share, minlength=ranks.n_users) / np.maximum(relevant, 1)

"""The metrics as other libraries define them, on lists of ours: what the same lists are called elsewhere.

Only where a definition differs from ours does it have a function of its own; its first line says how. RecTools, LensKit
and ir-measures are held against the libraries themselves by tests/metrics/test_elsewhere.py, the others were read at
the places named. A mean over users unless a function says otherwise; a user without a list counts 0, as here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.metrics.registry import METRICS


@dataclass(frozen=True, eq=False)
class Judged:
    """Lists of n users cut at k, with what is known of them.

    hits: (n, k), True where the item at that rank is relevant. n_listed: (n,) items among the first k. n_relevant:
    (n,), all > 0. gains: (n, k), the graded gain of the item at that rank, 0 without a hit. best_gains: (n, k), the
    user's largest gains in descending order, 0 beyond the last.
    """

    hits: BoolArray
    n_listed: IntArray
    n_relevant: IntArray
    gains: FloatArray
    best_gains: FloatArray

    @property
    def k(self) -> int:
        return int(self.hits.shape[1])

    @property
    def found(self) -> IntArray:
        """Hits of each user, (n,)."""
        return np.count_nonzero(self.hits, axis=1)

    @property
    def attainable(self) -> IntArray:
        """Hits that each user could have, (n,)."""
        return np.minimum(self.k, self.n_relevant)


Definition = Callable[[Judged], float]


def _own(name: str) -> Definition:
    def value(lists: Judged) -> float:
        return _mean(METRICS[name].compute(lists.hits, lists.n_relevant, lists.k))

    return value


OURS: Final[dict[str, Definition]] = {
    name: _own(name) for name in ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")
}


def rectools_ndcg(lists: Judged) -> float:
    """over the gain of k hits, also for a user who has fewer relevant items

    rectools/metrics/ranking.py, NDCG with divide_by_achievable=False, its default.
    """
    discount = _discount(lists.k)
    return _mean(lists.hits @ discount / discount.sum())


def map_over_relevant(lists: Judged) -> float:
    """over all relevant items, also where they are more than k

    rectools/metrics/ranking.py, MAP with divide_by_k=False, its default; `map_cut` of trec_eval.
    """
    return _mean(_precision_at_hits(lists) / lists.n_relevant)


def lenskit_ndcg(lists: Judged) -> float:
    """ranks 1 and 2 weigh the same: 1/log2(max(rank, 2))

    lenskit/metrics/ranking/_dcg.py and _weighting.py, NDCG with its default LogRankWeight.
    """
    discount = 1 / np.log2(np.maximum(np.arange(1, lists.k + 1), 2))
    return _mean(lists.hits @ discount / np.cumsum(discount)[lists.attainable - 1])


def lenskit_recall(lists: Judged) -> float:
    """over min(k, relevant items)

    lenskit/metrics/ranking/_pr.py, Recall.
    """
    return _mean(lists.found / lists.attainable)


def lenskit_precision(lists: Judged) -> float:
    """over the items listed, where they are fewer than k

    lenskit/metrics/ranking/_pr.py, Precision; a list without items has no value, which its summary counts as 0.
    """
    return _mean(lists.found / np.maximum(lists.n_listed, 1))


def lenskit_map(lists: Judged) -> float:
    """over min(items listed, relevant items)

    lenskit/metrics/ranking/_map.py, AveragePrecision; a list without items as in `lenskit_precision`.
    """
    return _mean(_precision_at_hits(lists) / np.maximum(np.minimum(lists.n_listed, lists.n_relevant), 1))


def implicit_precision(lists: Judged) -> float:
    """all hits over the sum of min(k, relevant items): a recall, and users with more test rows weigh more

    implicit/evaluation.pyx, ranking_metrics_at_k: relevant / pr_div.
    """
    return float(lists.found.sum() / lists.attainable.sum())


def elliot_ndcg(lists: Judged) -> float:
    """the gain of a hit is 2^(value - threshold + 1) - 1

    elliot/evaluation/metrics/accuracy/ndcg/ndcg.py and elliot/evaluation/relevance/relevance.py. Without values every
    hit gains the same, and it equals ours. NaN where values are so large that a gain is infinite.
    """
    discount = _discount(lists.k)
    gained, best = lists.gains @ discount, lists.best_gains @ discount
    with np.errstate(invalid="ignore"):  # infinite gains have no share: the value is NaN
        return _mean(np.divide(gained, best, out=np.zeros(len(gained)), where=gained > 0))


def elliot_map(lists: Judged) -> float:
    """the mean of precision@1 to precision@k over all ranks, hits or not

    elliot/evaluation/metrics/accuracy/map/map.py, __user_ap.
    """
    return _mean((np.cumsum(lists.hits, axis=1) / np.arange(1, lists.k + 1)).mean(axis=1))


def tfrs_accuracy(lists: Judged) -> float:
    """the share of all test positives that are listed: users with more of them weigh more

    tensorflow_recommenders/metrics/factorized_top_k.py, top_<k>_categorical_accuracy, which is a mean over test rows.
    TFRS leaves seen items in its lists; these are the same lists as everywhere here. `topk_accuracy` leaves them in.
    """
    return float(lists.found.sum() / lists.n_relevant.sum())


LIBRARIES: Final[Mapping[str, Mapping[str, Definition]]] = {
    "recsys": OURS,
    # recbole/evaluator/metrics.py; it rounds to 4 decimals.
    "RecBole": OURS,
    # rectools/metrics/{ranking,classification}.py, version 0.19.
    "RecTools": OURS | {"ndcg": rectools_ndcg, "map": map_over_relevant},
    # lenskit/metrics/ranking, version 2025.8.
    "LensKit": OURS
    | {"ndcg": lenskit_ndcg, "recall": lenskit_recall, "precision": lenskit_precision, "map": lenskit_map},
    "implicit": {"ndcg": OURS["ndcg"], "precision": implicit_precision, "map": OURS["map"]},
    # elliot/evaluation/metrics/accuracy.
    "Elliot": OURS | {"ndcg": elliot_ndcg, "map": elliot_map},
    "TFRS": {"recall": tfrs_accuracy},
    # nDCG, R, P, AP, RR and Success of ir_measures, which are those of trec_eval.
    "ir-measures": OURS | {"map": map_over_relevant},
}


def difference(library: str, metric: str) -> str | None:
    """In what a library's definition differs from ours; None where it does not, or there is none.

    >>> difference("LensKit", "recall"), difference("RecBole", "recall"), difference("TFRS", "ndcg")
    ('over min(k, relevant items)', None, None)
    """
    own = LIBRARIES[library].get(metric)
    return None if own is None or own is OURS[metric] else (own.__doc__ or "").splitlines()[0]


def elliot_gain(value: FloatArray, threshold: float) -> FloatArray:
    """The gain of test rows with these values, same shape: 0 below the threshold, infinite beyond 2^1024.

    >>> elliot_gain(np.array([3.0, 4.0, 5.0]), threshold=4.0)
    array([0., 1., 3.])
    """
    with np.errstate(over="ignore"):
        return np.where(value < threshold, 0.0, np.exp2(value.astype(np.float64) - threshold + 1) - 1)


def _discount(k: int) -> FloatArray:
    return 1 / np.log2(np.arange(2, k + 2))


def _precision_at_hits(lists: Judged) -> FloatArray:
    """The sum over hits of the precision up to there, (n,)."""
    at_hits = np.cumsum(lists.hits, axis=1) * lists.hits
    return at_hits @ (1 / np.arange(1, lists.k + 1))


def _mean(values: FloatArray) -> float:
    return float(np.mean(values))

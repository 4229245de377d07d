"""How alike two data sets are in the order of models: NDCG@10 a user, and Kendall's tau of what is told apart.

`python tests/likeness.py` measures the made world against MovieLens-100K and draws docs/synthetic.png.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.comparison.bootstrap import bootstrap
from recsys.config import FloatArray, IntArray
from recsys.data.config import DataConfig, MovieLensData, SyntheticData
from recsys.data.dataset import Dataset
from recsys.data.interactions import training_view
from recsys.data.load import load
from recsys.metrics.evaluate import evaluate
from recsys.metrics.truth import truth_of
from recsys.models.registry import model_class
from recsys.retrieval.lists import recommend
from recsys.settings import Settings
from recsys.splits.config import RandomSplit
from recsys.splits.fold import training_rows
from recsys.splits.splitting import split
from recsys.training.run import FitRun

MODELS = (
    "random",
    "mf",
    "popularity",
    "recent-popularity",
    "two-tower",
    "item-knn",
    "user-knn",
    "lightfm-warp",
    "ease",
)
K = 10
DAY = 86_400_000_000  # microseconds


def ndcg_by_user(data: Dataset, models: Sequence[str] = MODELS) -> pd.DataFrame:
    """NDCG@10 of models at their default settings under the random split: a row a warm user, a column a model."""
    fold = split(data, RandomSplit())[0]
    train = training_view(data, training_rows(data, fold, refit=True), None, None)
    owner = train.users.positions(data.users.ids[data.user[fold.test]])
    item = train.items.positions(data.items.ids[data.item[fold.test]])
    item = np.where(item < 0, train.n_items + data.item[fold.test], item)  # items only in the test stay in the truth
    warm = owner >= 0
    users = np.unique(owner[warm])
    truth = truth_of(owner[warm], item[warm], users, train.n_items + len(data.items))
    found = {}
    for name in models:
        model = model_class(name)(model_class(name).Config())
        model.learn(train, FitRun())
        lists, _ = recommend(model, train, users, K)
        found[name] = evaluate(lists, truth, ["ndcg"], [K]).per_user[f"ndcg@{K}"]
    return pd.DataFrame(found)


def signs(by_user: pd.DataFrame) -> FloatArray:
    """Which model is better, (models, models): 1 the row, -1 the column, 0 where the 95 % interval of the paired
    difference, by bootstrap over users, holds 0."""
    drawn = bootstrap(by_user.to_numpy(), resamples=2_000)
    bounds = np.stack([drawn.differences(column) for column in range(by_user.shape[1])], axis=1)
    return np.where(bounds[..., 1] > 0, 1.0, np.where(bounds[..., 2] < 0, -1.0, 0.0))


def kendall_tau(one: pd.DataFrame, other: pd.DataFrame) -> tuple[float, int]:
    """Kendall's tau of two orders of the same models over the pairs that both data sets tell apart, and their number.

    one, other: values a user, a column a model. NaN where there is no such pair.
    """
    above = np.triu_indices(one.shape[1], 1)
    products = (signs(one) * signs(other[list(one)]))[above]
    products = products[products != 0]
    return (float(products.mean()) if len(products) else float("nan")), len(products)


def movielens() -> DataConfig:
    """MovieLens-100K, from RECSYS_DATA_DIR."""
    return MovieLensData(source="movielens-100k")


def dataset(config: DataConfig) -> Dataset:
    """The data set of a config."""
    return load(config, None, Settings())


def activity(data: Dataset) -> tuple[FloatArray, FloatArray]:
    """Rows of the users, most active first, by the share of users before them."""
    return _descending(np.bincount(data.user))


def popularity(data: Dataset) -> tuple[FloatArray, FloatArray]:
    """Rows of the items, most popular first, by the share of items before them."""
    return _descending(np.bincount(data.item))


def histogram(data: Dataset) -> tuple[FloatArray, FloatArray]:
    """Share of the rows that have a rating."""
    return np.arange(1, 6), np.bincount(data.value.astype(int), minlength=6)[1:] / len(data.value)


def spans(data: Dataset) -> tuple[FloatArray, FloatArray]:
    """Share of the users whose ratings lie within so many days."""
    span = pd.Series(data.timestamp).groupby(data.user).agg(np.ptp).to_numpy() / DAY
    return np.sort(span), np.linspace(0, 1, len(span))


def drift(data: Dataset) -> tuple[FloatArray, FloatArray]:
    """Mean total variation between the item shares of two fortnights, by the days between them."""
    fortnight = ((data.timestamp - data.timestamp.min()) / DAY / 14).astype(int)
    counts = np.zeros((fortnight.max() + 1, len(data.items)))
    np.add.at(counts, (fortnight, data.item), 1)
    share = counts / counts.sum(axis=1, keepdims=True)
    apart = np.arange(1, 11)
    return apart * 14, np.array([np.abs(share[a:] - share[:-a]).sum(axis=1).mean() / 2 for a in apart])


def _descending(counts: IntArray) -> tuple[FloatArray, FloatArray]:
    counts = np.sort(counts[counts > 0])[::-1]
    return np.arange(1, len(counts) + 1) / len(counts), counts


PANELS = (
    (activity, "rows a user has", "share of users with more", {"yscale": "log"}),
    (popularity, "rows an item has", "share of items with more", {"yscale": "log"}),
    (histogram, "share of rows", "rating", {}),
    (spans, "share of users", "days from first to last rating, at most", {"xscale": "log", "xlim": (1e-3, 215)}),
    (drift, "distance of item shares", "days between two fortnights", {"ylim": (0, 0.5)}),
)


def draw(path: Path, seeds: Sequence[int]) -> None:
    """The figure of docs/synthetic.md; prints the numbers behind it."""
    from matplotlib import pyplot as plt

    real, made = dataset(movielens()), [dataset(SyntheticData(seed=seed)) for seed in seeds]
    scores = [ndcg_by_user(data) for data in (real, *made)]
    taus = [kendall_tau(scores[0], score) for score in scores[1:]]
    print(pd.concat([score.mean() for score in scores], axis=1, keys=["real", *seeds]).round(4), taus, sep="\n")
    figure, axes = plt.subplots(2, 3, figsize=(13, 7.5))
    for axis, (curve, what, by, scales) in zip(axes.flat, PANELS, strict=False):
        for data in made:
            axis.plot(*curve(data), color="tab:orange", lw=1)
        axis.plot(*curve(real), color="black", lw=1.5)
        axis.set(title=what, xlabel=by, **scales)
    order = scores[0].mean().sort_values().index
    for score in scores[1:]:
        axes[1, 2].plot(score[order].mean(), range(len(order)), "o", color="tab:orange", ms=4)
    error = 1.96 * scores[0][order].sem()
    axes[1, 2].errorbar(scores[0][order].mean(), range(len(order)), xerr=error, fmt="o", color="black", ms=4)
    axes[1, 2].set_yticks(range(len(order)), order)
    axes[1, 2].set(title=f"NDCG@10, Kendall's tau {np.mean([tau for tau, _ in taus]):.2f}", xlabel="bars: 95 %")
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    figure.suptitle(f"MovieLens-100K (black) and {len(made)} made worlds (orange)")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    draw(Path(__file__).parents[1] / "docs" / "synthetic.png", range(6))

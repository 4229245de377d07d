"""Prints the table that the models' default settings were chosen from.

    RECSYS_DATA_DIR=/data python scripts/choose_defaults.py [MODEL]... [--sets ml-100k,...] [--most-users 2000]

Every number is of a validation part: 20 % of the rows of a set are put aside first (for ML-100K the test part of the
published comparison) and never looked at, a further 10 % of the rest are the validation. Rankings count by NDCG@10,
`mf` by RMSE, `recent-popularity` by NDCG@10 on the newest tenth instead of a random one. Each setting is worth its
value over the best of the same model on the same set; the mean over sets decides, and among equals the cheaper.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from recsys.config import IntArray
from recsys.data.dataset import Dataset, Entities
from recsys.data.interactions import training_view
from recsys.models.registry import model_class
from recsys.training.run import FitRun
from recsys.training.validation import validation_of

ROOT = Path(os.environ.get("RECSYS_DATA_DIR", "data"))


def rows_of(name: str) -> pd.DataFrame:
    """Columns user, item and, where there are any, value and timestamp (seconds)."""
    names = ["user", "item", "value", "timestamp"]
    if name == "ml-100k":
        return pd.read_csv(ROOT / "ml-100k/u.data", sep="\t", header=None, names=names)
    if name == "ml-1m":
        rows = pd.read_csv(ROOT / "ml-1m/ratings-seq.dat", sep="::", engine="python", header=None, names=names)
        return rows.drop(columns="timestamp")
    if name == "ml-latest-small":
        return pd.read_csv(ROOT / "ml-latest-small/ratings.csv").set_axis(names, axis=1)
    if name == "amazon":
        rows = pd.read_json(ROOT / "amazon-musical-instruments-5core/Musical_Instruments.json", lines=True)
        return rows[["reviewerID", "asin", "overall", "unixReviewTime"]].set_axis(names, axis=1)
    files = {
        "lastfm": "lastfm-2k/user_artists.dat",
        "steam": "steam-200k/game_purchase.dat",
        "anime": "anime-small/anime_ratings.dat",
    }
    return pd.read_csv(ROOT / files[name], sep="\t").set_axis(names[:3], axis=1).drop_duplicates(["user", "item"])


def data_set(name: str, most_users: int) -> tuple[Dataset, IntArray, IntArray]:
    """A set without its test part, at most so many users of it; the rows to train on and those to validate on."""
    rows = rows_of(name)
    order = np.random.default_rng(42).permutation(len(rows))
    rows = rows.iloc[order[: int(0.8 * len(rows))]]
    users = rows["user"].unique()
    if len(users) > most_users:
        chosen = np.random.default_rng(0).choice(np.sort(users), most_users, replace=False)
        rows = rows[rows["user"].isin(chosen)]
    coded = [np.unique(rows[column], return_inverse=True) for column in ("user", "item")]
    data = Dataset(
        user=coded[0][1].astype(np.int32),
        item=coded[1][1].astype(np.int32),
        value=rows["value"].to_numpy(np.float32) if "value" in rows else None,
        timestamp=rows["timestamp"].to_numpy(np.int64) * 10**6 if "timestamp" in rows else None,
        part=None,
        users=Entities(np.arange(len(coded[0][0])), pd.DataFrame(index=range(len(coded[0][0]))), {}),
        items=Entities(np.arange(len(coded[1][0])), pd.DataFrame(index=range(len(coded[1][0]))), {}),
        sessions=None,
        clock="time",
        account={},
    )
    cut = round(0.9 * len(rows))
    return data, np.arange(cut), np.arange(cut, len(rows))


def grid(**choices: list[Any]) -> list[dict[str, Any]]:
    """Every combination of these settings."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


RANKING = ("ml-100k", "ml-latest-small", "amazon", "lastfm", "steam", "ml-1m")
TRIALS: dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]] = {
    "popularity": (RANKING, [{}]),
    "recent-popularity": (
        ("ml-100k", "ml-latest-small", "amazon"),
        grid(half_life_days=[1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0]),
    ),
    "item-knn": (
        RANKING,
        grid(similarity=["cosine", "tfidf"], neighbors=[50, 100, 200, 400], shrinkage=[0.0, 10.0, 50.0])
        + grid(similarity=["bm25"], neighbors=[50, 100, 200, 400]),
    ),
    "user-knn": (RANKING, grid(neighbors=[50, 100, 200], shrinkage=[0.0, 5.0, 20.0], rarity=[0.0, 0.5, 1.0])),
    "ease": (
        ("ml-100k", "ml-latest-small", "amazon", "steam", "ml-1m"),
        grid(regularization=[100.0, 200.0, 500.0, 1000.0]),
    ),
    "slim": (
        ("ml-100k", "ml-latest-small", "lastfm", "steam"),
        grid(regularization=[30.0, 100.0, 300.0], sparsity=[0.5, 1.0, 2.0, 5.0]),
    ),
    "ials": (
        ("ml-100k", "ml-latest-small", "amazon", "lastfm", "steam"),
        grid(frequency=[0.5], alpha=[0.1], regularization=[0.1, 0.2, 0.3, 0.5, 1.0])
        + grid(frequency=[1.0], alpha=[0.1, 0.2], regularization=[0.01, 0.02, 0.05])
        + grid(embedding_size=[32, 128]),
    ),
    "co-visitation": (RANKING, grid(neighbors=[20, 50, 100, 200], last=[None, 1, 3, 10, 30])),
    "mult-vae": (("ml-100k", "ml-latest-small"), grid(kl_weight=[0.2, 0.5, 1.0], epochs=[50, 100])),
    "lightgcn": (
        ("ml-100k", "ml-latest-small"),
        grid(loss=["sampled-softmax", "bpr"]) + grid(layers=[1, 3]) + grid(epochs=[20, 60]),
    ),
    "neural-cf": (
        ("ml-100k", "ml-latest-small"),
        grid(kind=["gmf", "mlp", "neumf"]) + grid(epochs=[10, 25]) + grid(loss=["bce"], negatives=[4]),
    ),
    "wide-deep": (("ml-100k", "ml-latest-small"), grid(regularization=[0.01, 0.03, 0.1], learning_rate=[0.003, 0.01])),
    "pure-svd": (RANKING, grid(embedding_size=[8, 16, 32, 64])),
    "rp3beta": (RANKING, grid(alpha=[0.4, 0.6, 0.8, 1.0], beta=[0.2, 0.3, 0.4])),
    "gf-cf": (RANKING, grid(embedding_size=[16, 32, 64, 128], alpha=[0.1, 0.3, 0.5])),
    "mf": (
        ("ml-100k", "ml-latest-small", "amazon", "ml-1m", "anime"),
        grid(regularization=[0.08, 0.1, 0.12], learning_rate=[0.03, 0.05, 0.1])
        + grid(embedding_size=[32, 128])
        + grid(epochs=[15, 40]),
    ),
    "two-tower": (
        RANKING,
        grid(temperature=[0.15, 0.2, 0.25])
        + grid(learning_rate=[0.05, 0.2])
        + grid(epochs=[30, 80])
        + grid(batch_size=[64, 256])
        + grid(held_out=[0.3, 0.7])
        + grid(embedding_size=[32, 128])
        + grid(user_id=[True])
        + grid(optimizer=["adam"], learning_rate=[0.005, 0.01])
        + grid(loss=["bce"], negatives=[4, 10, 30])
        + grid(loss=["bce"], sampling=["popularity", "in-batch", "hard"]),
    ),
    "lightfm-warp": (
        ("ml-100k", "ml-latest-small", "amazon", "steam"),
        grid(learning_rate=[0.01, 0.02, 0.03], epochs=[40, 60, 80])
        + grid(embedding_size=[32, 128])
        + grid(regularization=[0.0, 1e-4]),
    ),
}


def value_of(name: str, settings: dict[str, Any], sets: str, most_users: int) -> tuple[float, float]:
    """The metric on the validation part, and CPU seconds of fit and scoring."""
    data, train_rows, validation_rows = _cached(sets, most_users)
    kind = model_class(name)
    if name == "recent-popularity":
        order = np.argsort(np.asarray(data.timestamp), kind="stable")
        train_rows, validation_rows = order[: len(train_rows)], order[len(train_rows) :]
    train = training_view(data, train_rows, None, None)
    check = validation_of(data, train, validation_rows, None, "ndcg@10", kind.predicts_values)
    assert check is not None
    started = time.process_time()
    model = kind(kind.Config(name=name, **settings))
    model.learn(train, FitRun())
    return check(model), time.process_time() - started


_SETS: dict[tuple[str, int], tuple[Dataset, IntArray, IntArray]] = {}


def _cached(name: str, most_users: int) -> tuple[Dataset, IntArray, IntArray]:
    if (name, most_users) not in _SETS:
        _SETS[name, most_users] = data_set(name, most_users)
    return _SETS[name, most_users]


def table(name: str, only: set[str], most_users: int) -> Iterator[str]:
    """The lines of one model's table, best setting first."""
    sets, trials = TRIALS[name]
    sets = tuple(one for one in sets if not only or one in only)
    kind = model_class(name)
    found = [[value_of(name, settings, one, most_users) for one in sets] for settings in trials]
    values = np.array([[value for value, _ in row] for row in found])
    seconds = np.array([[spent for _, spent in row] for row in found]).sum(axis=1)
    share = values.min(axis=0) / values if kind.predicts_values else values / values.max(axis=0)
    default = kind.Config(name=name)
    yield f"\n## {name} ({'RMSE' if kind.predicts_values else 'NDCG@10'})\n"
    yield "| setting | " + " | ".join(sets) + " | mean share of best | CPU s |"
    yield "|---" * (len(sets) + 3) + "|"
    for row in np.argsort(-share.mean(axis=1), kind="stable"):
        settings = ", ".join(f"{key} {value}" for key, value in trials[row].items()) or "as it is"
        is_default = kind.Config(name=name, **trials[row]) == default
        numbers = " | ".join(f"{value:.4f}" for value in values[row])
        mark = " **(default)**" if is_default else ""
        yield f"| {settings}{mark} | {numbers} | {share[row].mean():.4f} | {seconds[row]:.1f} |"


def main(say: Callable[[str], None] = print) -> None:
    """Print the tables of the models asked for, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help=f"of {', '.join(TRIALS)}")
    parser.add_argument("--sets", default="", help="only these sets, separated by commas")
    parser.add_argument("--most-users", type=int, default=2000)
    arguments = parser.parse_args()
    only = set(filter(None, arguments.sets.split(",")))
    for name in arguments.models or TRIALS:
        for line in table(name, only, arguments.most_users):
            say(line)


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    main()

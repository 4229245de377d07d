"""Prints the tables of docs/time.md: models that know of time against the popularity of late, over rolling windows.

    RECSYS_DATA_DIR=/data python scripts/time_in_models.py [MODEL]... [--sets ml-100k,...] [--trials 24]

Each set is cut into windows of equal length up to its newest row. A model is fitted on all rows before a window and
makes lists for the users of it who have rows before. Settings are chosen once, on the older windows, and measured on
the newer ones: every model, `recent-popularity` too, gets equally many trials, the defaults first, then draws of one
seed from the search space of the settings that are about time; all others keep their defaults. A second row has the
model as it comes, with time off. NDCG@10 is the mean over users and windows; the 95 % interval of the paired difference
to `recent-popularity` draws users with all their windows.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import sparse

from recsys.comparison.bootstrap import bootstrap
from recsys.config import FloatArray, IntArray
from recsys.data.config import DataConfig, MovieLensData, SyntheticData
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions, training_view
from recsys.data.load import load
from recsys.metrics.evaluate import evaluate
from recsys.metrics.truth import truth_of
from recsys.models.base import ModelConfig
from recsys.models.registry import model_class
from recsys.models.space import Between, Space, space_of
from recsys.retrieval.lists import recommend
from recsys.settings import Settings
from recsys.splits.config import RollingSplit
from recsys.splits.fold import Fold
from recsys.splits.splitting import split
from recsys.training.run import FitRun

K = 10
BASELINE = "recent-popularity"
MODELS = ("ease", "item-knn", "ials")
TIME_SETTINGS = {"half_life_days", "recency", "recency_half_life_days"}


@dataclass(frozen=True)
class Windows:
    """A data set and its windows: how long, how many of the older ones choose, how many of the newest are measured."""

    data: DataConfig
    length: str
    choosing: int
    measured: int


SETS = {
    "ml-100k": Windows(MovieLensData(source="movielens-100k"), "7d", 6, 10),
    "ml-latest-small": Windows(MovieLensData(source="movielens-latest-small"), "13w", 10, 20),
    "synthetic": Windows(SyntheticData(), "7d", 6, 10),
}


@dataclass(frozen=True, eq=False)
class Window:
    """What comes before a window and who is asked about in it.

    train: all rows before. users: (n,) positions in train; ids: the same as positions in the data set. truth: (n, any)
    what they take in it; items that train does not know stay in, so that they count as missed.
    """

    train: Interactions
    users: IntArray
    ids: IntArray
    truth: sparse.csr_array

    @classmethod
    def of(cls, data: Dataset, fold: Fold) -> Window:
        train = training_view(data, fold.train, None, None)
        user = train.users.positions(data.users.ids[data.user[fold.test]])
        item = train.items.positions(data.items.ids[data.item[fold.test]])
        item = np.where(item < 0, train.n_items + data.item[fold.test], item)
        warm = user >= 0
        users = np.unique(user[warm])
        truth = truth_of(user[warm], item[warm], users, train.n_items + len(data.items))
        return cls(train, users, data.users.positions(train.users.ids[users]), truth)

    def values(self, config: ModelConfig) -> FloatArray:
        """NDCG@10 of each user, (n,)."""
        model = model_class(config.name)(config)
        model.learn(self.train, FitRun())
        lists, _ = recommend(model, self.train, self.users, K)
        return evaluate(lists, self.truth, ["ndcg"], [K]).per_user[f"ndcg@{K}"]


def drawn(space: Space, random: np.random.Generator) -> Any:
    """A setting of a space, to four digits."""
    if not isinstance(space, Between):
        return space.choices[random.integers(len(space.choices))]
    low, high = (np.log(space.low), np.log(space.high)) if space.log else (space.low, space.high)
    value = random.uniform(low, high)
    value = np.exp(value) if space.log else value
    return round(value) if space.whole else float(f"{value:.4g}")


def trials(name: str, n: int) -> list[ModelConfig]:
    """The settings to try: the defaults, and draws of those that are about time."""
    kind = model_class(name).Config
    random = np.random.default_rng(0)
    space = {key: one for key, one in space_of(kind).items() if key in TIME_SETTINGS}
    rows = [{key: drawn(one, random) for key, one in space.items()} for _ in range(n - 1)]
    return [kind(name=name, **row) for row in [{}, *rows]]


def chosen(windows: list[Window], tried: list[ModelConfig]) -> ModelConfig:
    """The settings with the best mean over the users of these windows, the first among equals."""
    means = [np.concatenate([window.values(config) for window in windows]).mean() for config in tried]
    return tried[int(np.argmax(means))]


def pooled(windows: list[Window], values: list[FloatArray], n_users: int) -> tuple[FloatArray, FloatArray]:
    """Each user's mean over the windows, (n_users, 1), and how many these are."""
    user = np.concatenate([window.ids for window in windows])
    count = np.bincount(user, minlength=n_users)
    total = np.bincount(user, weights=np.concatenate(values), minlength=n_users)
    return (total / np.maximum(count, 1))[:, None], count[:, None].astype(np.float64)


Rows = dict[tuple[str, str], tuple[FloatArray, FloatArray]]
"""What `pooled` gives, by model and whether it knows of time; the first is the baseline."""


def table(name: str, models: list[str], n_trials: int, say: Callable[[str], None]) -> Rows:
    """Print the table of one set, a row as soon as it is there; the values of its users."""
    setup = SETS[name]
    data = load(setup.data, None, Settings())
    folds = setup.choosing + setup.measured
    rolling = RollingSplit(kind="rolling", window=setup.length, folds=folds, validation=0)
    windows = [Window.of(data, fold) for fold in split(data, rolling)]
    older, newer = windows[: setup.choosing], windows[setup.choosing :]
    say(f"\n## {name}, windows of {setup.length}: {counted(older)} choose, {counted(newer)} are measured\n")
    say(f"| model | NDCG@{K} | minus `{BASELINE}` (95 %) | chosen |\n|---|---|---|---|")
    rows: Rows = {}
    for model, time in [(BASELINE, "on"), *((model, time) for model in models for time in ("on", "off"))]:
        tried = trials(model, n_trials if time == "on" else 1)
        config = chosen(older, tried) if len(tried) > 1 else tried[0]
        rows[model, time] = pooled(newer, [window.values(config) for window in newer], len(data.users))
        settings = ", ".join(f"{key} {getattr(config, key)}" for key in sorted(config.model_fields_set & TIME_SETTINGS))
        say(f"{cells(rows, (model, time))} {settings or 'as it is'} |")
    return rows


def cells(rows: Rows, row: tuple[str, str]) -> str:
    """The name of a row, its mean, and how it stands against the baseline."""
    (values, weights), (baseline, _) = rows[row], next(iter(rows.values()))
    found = bootstrap(np.column_stack([values, baseline]), weights=weights)
    gain = found.difference(0, 1)
    against = "" if values is baseline else f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
    return f"| {row[0]}, time {row[1]} | {found.observed[0]:.4f} | {against} |"


def pool(tables: list[Rows], say: Callable[[str], None]) -> None:
    """Print how the models stand over the users of all sets."""
    say(f"\n## pooled\n\n| model | NDCG@{K} | minus `{BASELINE}` (95 %) |\n|---|---|---|")
    whole: Rows = {}
    for row in tables[0]:
        values, weights = zip(*(rows[row] for rows in tables), strict=True)
        whole[row] = np.concatenate(values), np.concatenate(weights)
        say(cells(whole, row))


def counted(windows: list[Window]) -> str:
    return f"{len(windows)} ({sum(len(window.users) for window in windows)} lists)"


def main(say: Callable[[str], None] = print) -> None:
    """Print the tables of the sets asked for, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help=f"by default {', '.join(MODELS)}")
    parser.add_argument("--sets", default=",".join(SETS), help="only these sets, separated by commas")
    parser.add_argument("--trials", type=int, default=24)
    arguments = parser.parse_args()
    models = arguments.models or list(MODELS)
    tables = [table(name, models, arguments.trials, say) for name in arguments.sets.split(",")]
    if len(tables) > 1:
        pool(tables, say)


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    main(partial(print, flush=True))

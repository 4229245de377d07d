"""Prints what TensorFlow Recommenders and torch recommend to the same users, side by side, and how far they agree.

    python examples/tfrs/side_by_side.py [--users 196 200 250] [-k 5]

Runs documents.yaml first, or takes it from the store where it is finished. README.md says what to install. A star
marks a film of the user's test part. Agreement is the mean number of films in common among the first k of two lists.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.data.dataset import Dataset
from recsys.data.features import titles
from recsys.data.load import load
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.splits.fold import Fold
from recsys.splits.splitting import split

SPEC = Path(__file__).with_name("documents.yaml")
# Training rows a user has: the casual ones, those between, the power users.
CASUAL, POWER = 20, 100
SHOWN = ["ndcg@10", "recall@10", "coverage@10", "novelty@10"]


def lists_of(recommendations: pd.DataFrame, labels: list[str], k: int) -> dict[tuple[str, int], pd.Series]:
    """The first k items of every user in order, by label and seed, of these labels and in their order."""
    first = recommendations[(recommendations["rank"] <= k) & recommendations["model"].isin(labels)]
    first = first.sort_values(["user", "rank"])
    found = {key: rows.groupby("user")["item"].agg(list) for key, rows in first.groupby(["model", "seed"])}
    return dict(sorted(found.items(), key=lambda entry: labels.index(entry[0][0])))


def shared(one: pd.Series, other: pd.Series) -> pd.Series:
    """How many items the two lists of each user have in common."""
    return pd.Series([len(set(a) & set(b)) for a, b in zip(one, other, strict=True)], index=one.index)


def bands(rows: pd.Series) -> dict[str, np.ndarray]:
    """Users by how much they have taken. rows: training rows of each user."""
    return {
        f"casual, to {CASUAL} rows": rows.index[rows <= CASUAL].to_numpy(),
        f"{CASUAL + 1} to {POWER - 1} rows": rows.index[(rows > CASUAL) & (rows < POWER)].to_numpy(),
        f"power, from {POWER} rows": rows.index[rows >= POWER].to_numpy(),
    }


def agreement(lists: dict[tuple[str, int], pd.Series], groups: dict[str, np.ndarray]) -> pd.DataFrame:
    """Mean number of items in common, a row a pair of lists and a column a group of users.

    Pairs: two models under the first seed, and one model under both of its seeds, which is what chance alone does.
    """
    seed = min(number for _, number in lists)
    pairs = [(one, other) for one, other in combinations(lists, 2) if one[1] == other[1] == seed or one[0] == other[0]]
    found = {}
    for one, other in pairs:
        same = shared(lists[one], lists[other])
        name = f"{one[0]}, another seed" if one[0] == other[0] else f"{one[0]} and {other[0]}"
        means = {f"{group} ({len(users)})": same[users].mean() for group, users in groups.items()}
        found[name] = {f"all ({len(same)})": same.mean(), **means}
    return pd.DataFrame(found).T


def told(columns: dict[str, list[int]], title: pd.Series, wanted: set[int]) -> pd.DataFrame:
    """The lists of one user by title, a column a model and a row a rank; a star at what is wanted."""
    named = {label: [title[item] + " *" * (item in wanted) for item in items] for label, items in columns.items()}
    return pd.DataFrame(named, index=range(1, len(next(iter(named.values()))) + 1))


def markdown(table: pd.DataFrame) -> str:
    """The table with its index as the first column."""
    rows = [["", *table.columns], ["---"] * (len(table.columns) + 1)]
    rows += [[name, *cells] for name, cells in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in rows)


def frame(data: Dataset, rows: np.ndarray) -> pd.DataFrame:
    """Columns user and item of these rows, as ids."""
    return pd.DataFrame({"user": data.users.ids[data.user[rows]], "item": data.items.ids[data.item[rows]]})


def main(users: list[int], k: int) -> None:
    from flows.compare import compare

    spec = Experiment.load(SPEC)
    result = compare(spec)
    data = load(spec.data, None, Settings())
    fold: Fold = split(data, spec.split)[0]
    train, test = frame(data, fold.train), frame(data, fold.test)
    labels = [model.row for model in spec.models]
    lists = lists_of(result.recommendations, labels, k)
    title = pd.Series(titles(data.items), index=data.items.ids)
    rows = train["user"].value_counts()
    for user in users:
        wanted = set(test["item"][test["user"] == user])
        columns = {label: items[user] for (label, seed), items in lists.items() if seed == spec.seeds[0]}
        print(f"User {user}, {rows[user]} rows in training, {len(wanted)} in the test part:\n")
        print(markdown(told(columns, title, wanted)), end="\n\n")
    print(markdown(agreement(lists, bands(rows[next(iter(lists.values())).index])).round(2)), end="\n\n")
    board = result.leaderboard[result.leaderboard["model"].isin(labels)]
    print(markdown(board.set_index("model")[SHOWN].round(3)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="TFRS and torch side by side.")
    parser.add_argument("--users", type=int, nargs="+", default=[196, 200, 250])
    parser.add_argument("-k", type=int, default=5)
    asked = parser.parse_args()
    main(asked.users, asked.k)

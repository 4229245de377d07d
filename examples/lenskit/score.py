"""LensKit's user-kNN for `recsys compare`: python score.py FOLDER. What is in FOLDER: docs/external.md."""

import json
import sys
from pathlib import Path

import pandas as pd
from lenskit.batch import recommend
from lenskit.data import from_interactions_df
from lenskit.knn import UserKNNScorer
from lenskit.pipeline import topn_pipeline

NEIGHBORS = 60


def main(folder: Path) -> None:
    asked = json.loads((folder / "spec.json").read_text())
    train = pd.read_parquet(folder / "train.parquet")
    users = pd.read_parquet(folder / "users.parquet")["user"]
    liked = train if asked["positive"] is None else train[train["value"] >= asked["positive"]]

    pipeline = topn_pipeline(UserKNNScorer(max_nbrs=NEIGHBORS, feedback="implicit"))
    pipeline.train(from_interactions_df(liked[["user", "item"]], user_col="user", item_col="item"))
    known = users[users.isin(liked["user"])].tolist()
    lists = recommend(pipeline, known, n=asked["k"], n_jobs=1).to_df()
    lists = lists.rename(columns={"user_id": "user", "item_id": "item"})[["user", "item", "score"]]
    filled(lists, train, users, asked["k"]).to_parquet(folder / "recommendations.parquet")


def filled(lists: pd.DataFrame, train: pd.DataFrame, users: pd.Series, k: int) -> pd.DataFrame:
    """k items that nobody has taken yet for every user: the list as it is, then the most popular ones below it."""
    longest = k + int(train["user"].value_counts().max())
    popular = pd.DataFrame({"item": train["item"].value_counts().index[:longest]})
    popular["score"] = lists["score"].min() - 1.0 - popular.index
    both = pd.concat([lists.dropna(), users.to_frame().merge(popular, how="cross")])
    seen = pd.MultiIndex.from_frame(train[["user", "item"]])
    both = both[~pd.MultiIndex.from_frame(both[["user", "item"]]).isin(seen)].drop_duplicates(["user", "item"])
    both = both.sort_values(["user", "score"], ascending=[True, False])
    both["rank"] = both.groupby("user").cumcount() + 1
    return both[both["rank"] <= k]


if __name__ == "__main__":
    main(Path(sys.argv[1]))

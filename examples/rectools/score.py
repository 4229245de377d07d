"""A model of RecTools for `recsys compare`: python score.py FOLDER MODEL. What is in FOLDER: docs/external.md."""

import json
import sys
from pathlib import Path

import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import TFIDFRecommender
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel, ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PureSVDModel

# What did best on the validation part of the split that docs/models.md describes.
MODELS = {
    "als": lambda seed: ImplicitALSWrapperModel(
        AlternatingLeastSquares(factors=32, regularization=10, alpha=1, iterations=15, random_state=seed, use_gpu=False)
    ),
    "ease": lambda seed: EASEModel(regularization=1000, recommend_use_gpu_ranking=False),
    "item-knn": lambda seed: ImplicitItemKNNWrapperModel(TFIDFRecommender(K=400)),
    "pure-svd": lambda seed: PureSVDModel(factors=16, recommend_use_gpu_ranking=False),
}


def main(folder: Path, name: str) -> None:
    asked = json.loads((folder / "spec.json").read_text())
    train = pd.read_parquet(folder / "train.parquet")
    users = pd.read_parquet(folder / "users.parquet")["user"]
    liked = train if asked["positive"] is None else train[train["value"] >= asked["positive"]]
    rows = liked[["user", "item"]].set_axis([Columns.User, Columns.Item], axis=1)
    rows = rows.assign(**{Columns.Weight: 1.0, Columns.Datetime: pd.Timestamp("2024-01-01")})

    model = MODELS[name](asked["seed"])
    data = Dataset.construct(rows)
    model.fit(data)
    known = users[users.isin(liked["user"])].to_numpy()
    lists = model.recommend(known, data, k=asked["k"], filter_viewed=asked["exclude_seen"])
    lists = lists.rename(
        columns={Columns.User: "user", Columns.Item: "item", Columns.Rank: "rank", Columns.Score: "score"}
    )
    lists[["user", "item", "rank", "score"]].to_parquet(folder / "recommendations.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

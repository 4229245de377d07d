"""A command of somebody's own, pandas alone: everybody gets the most popular items that they have not taken."""

import json
import sys
from pathlib import Path

import pandas as pd


def main(folder: Path) -> None:
    k = json.loads((folder / "spec.json").read_text())["k"]
    train, history, users, items = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "history", "users", "items")
    )
    items["score"] = items["item"].map(train["item"].value_counts()).fillna(0.0)
    taken = pd.concat([train, history])[["user", "item"]].assign(taken=1).drop_duplicates()
    lists = users.merge(items[["item", "score"]], how="cross").merge(taken, how="left")
    lists = lists[lists["taken"].isna()].sort_values(["user", "score", "item"], ascending=[True, False, True])
    lists["rank"] = lists.groupby("user").cumcount() + 1
    lists[lists["rank"] <= k].to_parquet(folder / "recommendations.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

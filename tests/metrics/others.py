"""Run by the interpreter of another environment: RecTools and LensKit on two tables; prints their values as JSON.

python tests/metrics/others.py FOLDER       with lists.csv (user, item, rank) and truth.csv (user, item) in it
"""

import json
import sys
from pathlib import Path

import pandas as pd
from lenskit.data import ItemList, ItemListCollection
from lenskit.metrics import NDCG, Hit, Precision, Recall, RecipRank, RunAnalysis
from lenskit.metrics.ranking import AveragePrecision
from rectools import Columns
from rectools import metrics as rectools

KS = (1, 5, 10, 20)


def of_rectools(lists, truth):
    names = {"user": Columns.User, "item": Columns.Item, "rank": Columns.Rank}
    theirs = {"ndcg": "NDCG", "recall": "Recall", "precision": "Precision", "map": "MAP", "mrr": "MRR"}
    theirs["hit_rate"] = "HitRate"
    asked = {f"{name}@{k}": getattr(rectools, kind)(k=k) for name, kind in theirs.items() for k in KS}
    return rectools.calc_metrics(asked, lists.rename(columns=names), interactions=truth.rename(columns=names))


def of_lenskit(lists, truth):
    theirs = {"ndcg": NDCG, "recall": Recall, "precision": Precision, "map": AveragePrecision, "mrr": RecipRank}
    analysis = RunAnalysis()
    for name, kind in {**theirs, "hit_rate": Hit}.items():
        for k in KS:
            analysis.add_metric(kind(k), label=f"{name}@{k}")
    outputs, tests = ItemListCollection.empty(["user"]), ItemListCollection.empty(["user"])
    listed = {user: own.sort_values("rank")["item"].to_numpy() for user, own in lists.groupby("user")}
    for user, own in truth.groupby("user"):
        tests.add(ItemList(item_ids=own["item"].to_numpy()), user=user)
        outputs.add(ItemList(item_ids=listed.get(user, own["item"].to_numpy()[:0]), ordered=True), user=user)
    return analysis.measure(outputs, tests).list_summary()["mean"].to_dict()


folder = Path(sys.argv[1])
tables = [pd.read_csv(folder / name) for name in ("lists.csv", "truth.csv")]
found = {"RecTools": of_rectools(*tables), "LensKit": of_lenskit(*tables)}
print(json.dumps({name: {key: float(value) for key, value in own.items()} for name, own in found.items()}, indent=1))

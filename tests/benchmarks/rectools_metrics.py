"""Run by the interpreter of another environment: the CPU seconds of RecTools' calc_metrics on two tables."""

import json
import statistics
import sys
import time
from pathlib import Path

import pandas as pd
from rectools import Columns
from rectools.metrics import MAP, MRR, NDCG, HitRate, Precision, Recall, calc_metrics

folder = Path(sys.argv[1])
names = {"user": Columns.User, "item": Columns.Item, "rank": Columns.Rank}
lists = pd.read_parquet(folder / "lists.parquet").rename(columns=names)
truth = pd.read_parquet(folder / "truth.parquet").rename(columns=names)
metrics = {
    "ndcg": NDCG(k=10, divide_by_achievable=True),
    "recall": Recall(k=10),
    "precision": Precision(k=10),
    "map": MAP(k=10),
    "mrr": MRR(k=10),
    "hit_rate": HitRate(k=10),
}
taken = []
for _ in range(6):
    spent = time.process_time()
    calc_metrics(metrics, lists, interactions=truth)
    taken.append(time.process_time() - spent)
print(json.dumps({"cpu": statistics.median(taken[1:])}))

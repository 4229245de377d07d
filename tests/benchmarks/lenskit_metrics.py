"""Run by the interpreter of another environment: the CPU seconds of LensKit's metrics on two tables."""

import json
import sys
import time
from pathlib import Path

import pandas as pd
from lenskit.data import ItemListCollection, UserIDKey
from lenskit.metrics import NDCG, Hit, Precision, Recall, RecipRank, RunAnalysis
from lenskit.metrics.ranking import AveragePrecision

folder, names = Path(sys.argv[1]), {"user": "user_id", "item": "item_id"}
lists, truth = (
    ItemListCollection.from_df(pd.read_parquet(folder / f"{name}.parquet").rename(columns=names), UserIDKey)
    for name in ("lists", "truth")
)
analysis = RunAnalysis(NDCG(10), Recall(10), Precision(10), AveragePrecision(10), RecipRank(10), Hit(10))
spent = time.process_time()
analysis.measure(lists, truth)
print(json.dumps({"cpu": time.process_time() - spent}))

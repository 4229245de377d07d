"""Run by the interpreter of another environment: CPU seconds of implicit's fits on one matrix, one thread."""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import TFIDFRecommender
from scipy import sparse

rows = np.load(Path(sys.argv[1]) / "rows.npy")
matrix = sparse.csr_matrix((np.ones(len(rows), np.float32), rows.T))
models = {
    "ials": lambda: AlternatingLeastSquares(factors=64, iterations=10, use_gpu=False, num_threads=1, random_state=0),
    "item-knn": lambda: TFIDFRecommender(K=200, num_threads=1),
}
found = {}
for name, made in models.items():
    taken = []
    for _ in range(4):
        model, spent = made(), time.process_time()
        model.fit(matrix, show_progress=False)
        taken.append(time.process_time() - spent)
    found[name] = statistics.median(taken[1:])
print(json.dumps(found))

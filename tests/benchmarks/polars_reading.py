"""Run by the interpreter of another environment: seconds in which polars reads the files it is told of."""

import json
import statistics
import sys
import time
from pathlib import Path

import polars as pl

files = json.loads((Path(sys.argv[1]) / "files.json").read_text())
found = {}
for kind, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
    walls, cpus = [], []
    for _ in range(4):
        began, spent = time.perf_counter(), time.process_time()
        read(files[kind])
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - spent)
    found[f"{kind} wall"], found[f"{kind} cpu"] = statistics.median(walls[1:]), statistics.median(cpus[1:])
print(json.dumps(found))

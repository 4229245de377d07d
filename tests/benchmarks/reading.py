"""Reading a table of five million rows: our reader, which checks every value, and other libraries on the same file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from recsys.data.build import build
from recsys.data.config import TableData
from recsys.data.table import read
from tests.benchmarks.measure import Figure, beside, function
from tests.benchmarks.peers import elsewhere

N_ROWS = 5_000_000
COLUMNS = {"user": "user", "item": "item", "value": "rating", "timestamp": "timestamp"}


def figures() -> Iterator[Figure]:
    """All of them, in the order of the page; each with the threads that it takes by itself."""
    with tempfile.TemporaryDirectory() as folder:
        csv, parquet = written(Path(folder), N_ROWS)
        polars = elsewhere("polars", "polars_reading.py", files={"csv": str(csv), "parquet": str(parquet)})
        others: dict[str, Callable[[], Any]] = {
            "pyarrow.csv": lambda: pacsv.read_csv(csv),
            "pandas": lambda: pd.read_csv(csv),
            "pandas with the engine pyarrow": lambda: pd.read_csv(csv, engine="pyarrow"),
        }
        yield from _of(csv, others, polars)
        others = {"pyarrow.parquet": lambda: pq.read_table(parquet), "pandas": lambda: pd.read_parquet(parquet)}
        yield from _of(parquet, others, polars)


def written(folder: Path, n_rows: int) -> tuple[Path, Path]:
    """Ratings like those of MovieLens-20M as CSV and as parquet."""
    random = np.random.default_rng(0)
    table = pa.table(
        {
            "user": np.sort(random.integers(1, 138_494, n_rows)),
            "item": random.integers(1, 131_263, n_rows),
            "rating": random.integers(1, 11, n_rows) / 2,
            "timestamp": random.integers(789_652_009, 1_427_784_002, n_rows),
        }
    )
    csv, parquet = folder / "ratings.csv", folder / "ratings.parquet"
    pacsv.write_csv(table, csv)
    pq.write_table(table, parquet)
    return csv, parquet


def _of(file: Path, others: dict[str, Callable[[], Any]], polars: dict[str, float]) -> Iterator[Figure]:
    kind = file.suffix[1:]
    config = TableData(source="table", interactions=str(file), columns=COLUMNS, duplicates="keep")
    ours = function(f"{N_ROWS:,} rows of {kind} read and checked", lambda: read(config), "", runs=3)
    theirs = [function(f"the same by {name}", body, "", runs=3) for name, body in others.items()]
    if polars:
        theirs.append(Figure("the same by polars", polars[f"{kind} wall"], polars[f"{kind} cpu"], "", runs=3))
    yield next(beside(ours, "≤ 2 times pyarrow", *((each.what, each.cpu) for each in theirs)))
    yield from theirs
    raw = read(config)
    yield function("from there to the coded data set", lambda: build(raw, config), "", runs=3)

"""The folder in which a command is asked for lists and answers: docs/external.md says the same for people."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.config import IntArray
from recsys.data.dataset import Entities
from recsys.data.interactions import Interactions
from recsys.models.list_maker import ListRequest

FORMAT = 1
TRAIN, HISTORY, USERS, ITEMS, CANDIDATES = (
    f"{name}.parquet" for name in ("train", "history", "users", "items", "candidates")
)
SPEC, ANSWER = "spec.json", "recommendations.parquet"


def write_request(request: ListRequest, folder: Path, seed: int, threads: int) -> None:
    """Write what a command is asked to an empty folder, ids as the user's own."""
    train, users = request.train, request.users
    _write(folder / TRAIN, _rows(train))
    _write(folder / HISTORY, _rows(request.histories))
    _write(folder / USERS, pa.table({"user": _ids(users)}))
    _write(folder / ITEMS, pa.Table.from_pandas(train.items.frame("item"), preserve_index=False))
    if request.candidates is not None:
        allowed = request.candidates.tocoo()
        _write(
            folder / CANDIDATES, pa.table({"user": _ids(users, allowed.row), "item": _ids(train.items, allowed.col)})
        )
    about = {
        "format": FORMAT,
        "k": request.k,
        "exclude_seen": request.exclude_seen,
        "positive": request.positive,
        "seed": seed,
        "threads": threads,
        "item_features": train.items.kinds,
    }
    (folder / SPEC).write_text(json.dumps(about, indent=1))


def _write(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")


def _rows(part: Interactions) -> pa.Table:
    """Rows of a part, in the order of time where they have no timestamp."""
    n = len(part)
    time = pa.timestamp("us", tz="UTC") if part.clock == "time" else pa.int64()
    return pa.table(
        {
            "user": _ids(part.users, part.user),
            "item": _ids(part.items, part.item),
            "value": pa.nulls(n, pa.float32()) if part.value is None else pa.array(part.value, pa.float32()),
            "timestamp": pa.nulls(n, time)
            if part.timestamp is None
            else pa.array(part.timestamp, pa.int64()).cast(time),
        }
    )


def _ids(entities: Entities, positions: IntArray | None = None) -> pa.Array:
    ids = entities.ids if positions is None else entities.ids[positions]
    return pa.array(ids, pa.string() if ids.dtype == object else pa.int64())

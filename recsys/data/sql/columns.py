"""Rows of a database to columns of Arrow: their types, one order for the same rows, and a digest of what they hold."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.config import IntArray
from recsys.data.progress import Progress, silent
from recsys.data.sql.connection import Transaction
from recsys.data.sql.relation import Relation
from recsys.data.values import is_text


@dataclass(frozen=True)
class Chunks:
    """Columns as they stream in: by name, an Arrow array for each chunk of rows, typed by what that chunk holds.

    A chunk of several types, such as SQLite may hold, stays a list until it is known which of its rows count.
    """

    columns: dict[str, list[pa.Array | list[Any]]]
    sizes: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(self.sizes)

    def joined(self, name: str) -> pa.ChunkedArray:
        """One column of one type."""
        return unify([_compact(arrow(part)) if isinstance(part, list) else part for part in self.columns[name]])

    def mixes_bytes(self, name: str) -> bool:
        """Whether some rows of a column hold bytes, and others something else."""
        return len(set().union(*map(_are_bytes, self.columns[name]))) > 1

    def take(self, rows: IntArray) -> Chunks:
        """Some rows, by number, ascending."""
        if len(rows) == len(self):
            return self
        starts = np.cumsum([0, *self.sizes])
        bounds = np.searchsorted(rows, starts)
        own = [rows[bounds[i] : bounds[i + 1]] - starts[i] for i in range(len(self.sizes))]
        columns = {
            name: [_some(part, kept) for part, kept in zip(parts, own, strict=True)]
            for name, parts in self.columns.items()
        }
        return Chunks(columns, [len(kept) for kept in own])


def stream(
    transaction: Transaction,
    relation: Relation,
    names: Sequence[str],
    where: Any = None,
    progress: Progress = silent,
) -> Chunks:
    """These columns of a relation, a chunk after the other, so that rows never stand in memory as Python objects."""
    names = list(dict.fromkeys(names))
    found, n_bytes = Chunks({name: [] for name in names}), 0
    transaction.place = relation.place
    for rows in transaction.chunks(relation.select(names, where)):
        for name, values in zip(names, zip(*rows, strict=True), strict=True):
            mixed = len(_types(values)) > 1
            found.columns[name].append(list(values) if mixed else _compact(arrow(values)))
        found.sizes.append(len(rows))
        n_bytes += sum(parts[-1].nbytes for parts in found.columns.values() if isinstance(parts[-1], pa.Array))
        progress(f"reading {relation.title}", n_bytes, None)
    return found


def arrow(values: Sequence[Any]) -> pa.Array:
    """Values as a driver gives them, as an array of the type that fits all, which is text where nothing else does.

    >>> arrow([1, None, "b"]).to_pylist()
    ['1', None, 'b']
    """
    kinds = _types(values)
    if kinds == {dt.datetime}:
        zoned = any(value is not None and value.tzinfo is not None for value in values)
        return pa.array(values, pa.timestamp("us", "UTC" if zoned else None))
    if len(kinds) <= 1 and kinds <= {int, float, str, bool, bytes, dt.date, dt.time, dt.timedelta, list}:
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass
    if kinds == {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([None if value is None else _written(value) for value in values], pa.string())


def unify(parts: Sequence[pa.Array]) -> pa.ChunkedArray:
    """Chunks of one column as one column; where their types differ, of the type that holds all."""
    types = {part.type.value_type if pa.types.is_dictionary(part.type) else part.type for part in parts}
    types.discard(pa.null())
    if not types:
        return pa.chunked_array(parts, pa.null())
    if len(types) == 1:
        kind = types.pop()
    elif types == {pa.int64(), pa.float64()}:
        kind = pa.float64()
    else:
        kind = pa.string()
    if kind == pa.string():
        text = pa.dictionary(pa.int32(), pa.string())
        encoded = [_compact(_as_text(part)).cast(text) for part in parts]
        return pa.chunked_array(encoded, text).unify_dictionaries()
    return pa.chunked_array([part.cast(kind) for part in parts], kind)


def codes(column: pa.ChunkedArray) -> tuple[pa.Array, IntArray]:
    """The different values of a column as text, in their order, and each row as a position among them, -1 for none.

    Numbers and times are ordered as such, text by code point.
    """
    if pa.types.is_null(column.type) or not len(column):
        return pa.array([], pa.string()), np.full(len(column), -1)
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        column = pa.chunked_array([[None if value is None else _written(value) for value in column.to_pylist()]])
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    whole = encoded.unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    # Not all entries of a dictionary need occur: those of rows that were left out must not count.
    occurring = pc.drop_null(pc.unique(whole.indices)).to_numpy(zero_copy_only=False)
    order = pc.sort_indices(whole.dictionary.take(pa.array(occurring))).to_numpy()
    place = np.full(len(whole.dictionary) + 1, -1)
    place[occurring[order]] = np.arange(len(order))
    rows = pc.fill_null(whole.indices, len(whole.dictionary)).to_numpy(zero_copy_only=False)
    return _as_text(whole.dictionary.take(pa.array(occurring[order]))), place[rows]


def digest_of(columns: Mapping[str, tuple[pa.Array, IntArray]]) -> str:
    """SHA-256 of columns, coded, whose rows are in an order that only their content decides."""
    found = hashlib.sha256()
    for role, (levels, rows) in columns.items():
        written = json.dumps([role, len(rows), levels.to_pylist()], ensure_ascii=True)
        found.update(written.encode())
        found.update(np.ascontiguousarray(rows, dtype="<i8").tobytes())
    return found.hexdigest()


def _are_bytes(part: pa.Array | list[Any]) -> set[bool]:
    """Whether values are bytes: the answers that occur among those that are there."""
    if isinstance(part, list):
        return {isinstance(value, bytes) for value in part if value is not None}
    return {pa.types.is_binary(part.type)} if part.null_count < len(part) else set()


def _types(values: Sequence[Any]) -> set[type]:
    return set(map(type, values)) - {type(None)}


def _some(part: pa.Array | list[Any], rows: IntArray) -> pa.Array | list[Any]:
    return [part[row] for row in rows] if isinstance(part, list) else part.take(pa.array(rows))


def _compact(array: pa.Array) -> pa.Array:
    """Text with each different value once: ids recur."""
    return array.dictionary_encode() if is_text(array.type) and not pa.types.is_dictionary(array.type) else array


def _as_text(array: pa.Array) -> pa.Array:
    try:
        return pc.cast(array, pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.array([None if value is None else _written(value) for value in array.to_pylist()], pa.string())


def _written(value: Any) -> str:
    """A value of no simple type as text: a UUID, a decimal, JSON."""
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, default=str)
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # as Arrow has it
    return value if isinstance(value, str) else str(value)

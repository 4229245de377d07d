"""Ids of one kind, from several columns, to one ascending array and positions in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.config import IntArray
from recsys.data.values import integers


def encode(columns: Sequence[pd.Series]) -> tuple[NDArray[Any], list[IntArray]]:
    """All ids that occur, and each column as positions among them (-1 where an id is missing).

    Ids are int64, in numeric order, where every one of them is an integer as a program would write it: no leading zero
    or plus, within 64 bits. Else all are strings (an object array), in the order of code points.
    """
    factored = [_factorize(column) for column in columns]
    integers = [found for _, unique in factored if (found := _integers(unique)) is not None]
    if len(integers) == len(factored):
        ids = np.unique(np.concatenate([np.empty(0, np.int64), *integers]))
        return ids, [
            _apply(np.searchsorted(ids, found), codes) for (codes, _), found in zip(factored, integers, strict=True)
        ]
    texts = [_strings(unique) for _, unique in factored]
    every = pc.unique(pa.chunked_array(texts))
    # UTF-8 bytes sort as the code points do.
    every = every.take(pc.sort_indices(every))
    places = [pc.index_in(text, value_set=every).to_numpy() for text in texts]
    return (
        every.to_numpy(zero_copy_only=False),
        [_apply(place, codes) for (codes, _), place in zip(factored, places, strict=True)],
    )


def _factorize(column: pd.Series) -> tuple[IntArray, pd.Index]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        return column.cat.codes.to_numpy(), column.cat.categories
    codes, unique = pd.factorize(column)
    return codes, pd.Index(unique)


def _integers(unique: pd.Index) -> NDArray[np.int64] | None:
    """The ids as int64, or None where one of them is no integer in canonical form."""
    if pd.api.types.is_signed_integer_dtype(unique.dtype):
        return unique.to_numpy(dtype=np.int64)
    return integers(_strings(unique))


def _strings(unique: pd.Index) -> pa.Array:
    if unique.dtype == object:
        return pa.array([str(value) for value in unique], pa.string())
    found = pa.array(unique)
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    return pc.cast(found, pa.string())


def _apply(places: IntArray, codes: IntArray) -> IntArray:
    """The position of every row; a missing id, coded -1, keeps -1."""
    return np.append(places, -1).astype(np.int32)[codes]

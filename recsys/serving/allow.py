"""Which items may be recommended just now: a list of ids that is read again when it changes, and an age."""

from __future__ import annotations

import codecs
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from recsys.config import BoolArray, FloatArray
from recsys.data.dataset import Entities
from recsys.data.raw import Origin
from recsys.data.text import count
from recsys.data.values import A_TIME, MISSING, Column, Explain, times
from recsys.errors import InputError, require_regular
from recsys.retrieval.ann import Allowed
from recsys.splits.config import Duration, microseconds

log = logging.getLogger(__name__)

LARGEST = 256_000_000
LONGEST_ID = 256
HEADER = "item"
SHOWN = 5
# Days since 1970 are numbers below this; times in seconds that are smaller are of January 1970.
MOST_DAYS, SECONDS_A_DAY, MICROSECONDS = 1e6, 86_400.0, 1e6
REFRESH = 60.0
"""Seconds after which ages are looked at again."""

Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class AllowList:
    """Items in stock, by a text file with an id a line, and no older than an age.

    path: re-read when it changes; a first line `item` is a heading; what names no item is told in the log. max_age: of
    the time in the column of the items, as `_seconds` reads it; an item without one counts as new.
    """

    path: Path | None = None
    max_age: timedelta | None = None
    column: str | None = None
    now: Callable[[], float] = time.time
    _told: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.max_age is None) != (self.column is None):
            raise InputError("maximum age", "needs an age and the column that holds the time", "give both or neither")

    @classmethod
    def parse(cls, path: Path | None, max_age: str | None, column: str | None) -> AllowList:
        """As the commands take it. max_age: such as 12h, 30d or 8w. Raises InputError where it is no length of time."""
        try:
            age = None if max_age is None else microseconds(TypeAdapter(Duration).validate_python(max_age))
        except ValidationError:
            raise InputError("--max-age", f"'{max_age}' is no length of time", "write such as 12h, 30d, 8w") from None
        return cls(path, None if age is None else timedelta(microseconds=age), column)

    def stamp(self) -> Stamp:
        """Changes whenever the list has to be made again. Raises InputError where the file cannot be looked at."""
        aged = 0 if self.max_age is None else int(self.now() // REFRESH)
        if self.path is None:
            return (0, 0, aged)
        try:
            found = self.path.stat()
        except OSError as error:
            raise InputError(
                str(self.path), f"cannot be read ({error.strerror})", "write the items in stock"
            ) from error
        return (found.st_mtime_ns ^ found.st_ino, found.st_size, aged)

    def of(self, items: Entities) -> Allowed | None:
        """Which of these items are allowed; None where all are.

        Raises InputError where the file cannot be read or names none of them, or the column is not there or holds
        something that is no time.
        """
        mask = np.ones(len(items), dtype=bool)
        if self.path is not None:
            mask &= self._listed(self.path, items)
        if self.max_age is not None and self.column is not None:
            mask &= self._young(items, self.column, self.max_age)
        return None if mask.all() else Allowed(mask)

    def _listed(self, path: Path, items: Entities) -> BoolArray:
        ids = _read(path)
        positions = items.positions(ids) if ids else np.empty(0, dtype=np.int64)
        known = positions >= 0
        if not known.any():
            message = f"names {len(ids):,} items, and the model knows none of them"
            raise InputError(str(path), message, "write the ids of the items in stock, one a line")
        self._tell_unknown(path, ids, [ids[place] for place in np.flatnonzero(~known)])
        mask = np.zeros(len(items), dtype=bool)
        mask[positions[known]] = True
        return mask

    def _tell_unknown(self, path: Path, ids: list[str], unknown: list[str]) -> None:
        """Warn of lines that name no item: a newer one than the model, or a mistake. The same is said once."""
        shown = ", ".join(f"{text[:40]!r}" for text in unknown[:SHOWN]) + (" …" if len(unknown) > SHOWN else "")
        said = f"{path}: {len(unknown):,} of {len(ids):,} lines name no item that the model knows: {shown}"
        if said not in self._told:
            self._told.clear()
            if unknown:
                log.warning("%s", said)
                self._told.add(said)

    def _young(self, items: Entities, column: str, max_age: timedelta) -> BoolArray:
        if column not in items.features:
            known = ", ".join(map(str, items.features.columns)) or "none"
            raise InputError(f"column '{column}'", "is no column of the items", f"name one of: {known}")
        seconds = _seconds(items, column)
        return ~(self.now() - seconds > max_age.total_seconds())


def _read(path: Path) -> list[str]:
    try:
        require_regular(path)
        if path.stat().st_size > LARGEST:
            raise InputError(str(path), f"is larger than {LARGEST / 1e6:.0f} MB", "write one id a line")
        raw = path.read_bytes()
        text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "write the items in stock") from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), "is not UTF-8 text", "write one id a line") from error
    lines = text.split("\n")
    ids = []
    for number, line in enumerate(lines, start=1):
        line = line.removesuffix("\r")
        if len(line) > LONGEST_ID:
            raise InputError(f"{path}, line {number:,}", f"holds {len(line):,} characters", "write one id a line")
        if line and not (number == 1 and line == HEADER):
            ids.append(line)
    return ids


@dataclass(frozen=True, eq=False)
class _Times(Column):
    """The times of some items. items: their ids, (n,). What is no time is refused by item."""

    items: NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def refuse(self, bad: BoolArray, explain: Explain) -> None:
        """Raise InputError for the first of the bad ones, if there is one."""
        rows = np.flatnonzero(bad)
        if len(rows):
            message, remedy = explain(self.data[int(rows[0])].as_py())
            more = f" ({count(len(rows) - 1, 'more such item')})" if len(rows) > 1 else ""
            raise InputError(f"column '{self.name}'", f"of item {self.items[rows[0]]} is {message}{more}", remedy)


def _seconds(items: Entities, column: str) -> FloatArray:
    """Seconds since 1970 of each item, NaN where it has none, (n_items,); read as the times of interactions are.

    Days since 1970 are taken, too: numbers so small are no time in seconds that an item could have. Raises InputError
    where one is no time.
    """
    import pandas as pd
    import pyarrow as pa

    values = items.features[column]
    numeric = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    named = values.notna() if numeric else values.notna() & ~values.astype("str").str.strip().isin(MISSING)
    there = named.to_numpy()
    seconds = np.full(len(values), np.nan)
    found = values[there]
    if numeric and found.abs().max() < MOST_DAYS:
        seconds[there] = found.to_numpy(dtype=np.float64) * SECONDS_A_DAY
    elif len(found):
        data = pa.chunked_array([pa.Array.from_pandas(found)])
        own = _Times(column, data, (Origin("items", len(found), lambda row: row + 1),), items.ids[there])
        if own.is_text:
            own.refuse(~pc.match_substring_regex(own.text(), r"\d").to_numpy(), _no_date)
        seconds[there] = times(own) / MICROSECONDS
    return seconds


def _no_date(value: Any) -> tuple[str, str]:
    return f"'{value}', a time is needed", f"write {A_TIME}"

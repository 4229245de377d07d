"""Which items may be recommended just now: a list of ids that is read again when it changes, and an age."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from recsys.config import BoolArray, FloatArray
from recsys.data.dataset import Entities
from recsys.errors import InputError
from recsys.retrieval.ann import Allowed
from recsys.splits.config import Duration, microseconds

LARGEST = 256_000_000
LONGEST_ID = 256
HEADER = "item"
REFRESH = 60.0
"""Seconds after which ages are looked at again."""

Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class AllowList:
    """Items in stock, by a text file with an id a line, and no older than an age.

    path: re-read when it changes; a first line `item` is a heading. max_age: of the time in the column of the items
    (days, seconds, milliseconds or microseconds since 1970, or a date as text); an item without one counts as new.
    """

    path: Path | None = None
    max_age: timedelta | None = None
    column: str | None = None
    now: Callable[[], float] = time.time

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

        Raises InputError where the file cannot be read or names none of them, or the column is not there.
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
        positions = positions[positions >= 0]
        if not len(positions):
            message = f"names {len(ids):,} items, and the model knows none of them"
            raise InputError(str(path), message, "write the ids of the items in stock, one a line")
        mask = np.zeros(len(items), dtype=bool)
        mask[positions] = True
        return mask

    def _young(self, items: Entities, column: str, max_age: timedelta) -> BoolArray:
        if column not in items.features:
            known = ", ".join(map(str, items.features.columns)) or "none"
            raise InputError(f"column '{column}'", "is no column of the items", f"name one of: {known}")
        seconds = _seconds(items, column)
        return ~(self.now() - seconds > max_age.total_seconds())


def _read(path: Path) -> list[str]:
    try:
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


def _seconds(items: Entities, column: str) -> FloatArray:
    """Seconds since 1970 of each item, NaN where it has none, (n_items,)."""
    import pandas as pd

    values = items.features[column]
    if not pd.api.types.is_numeric_dtype(values.dtype):
        dates = pd.to_datetime(values, errors="coerce", utc=True, format="mixed")
        if dates.notna().sum() == 0 and values.notna().any():
            raise InputError(f"column '{column}'", f"holds no dates, such as {values.dropna().iloc[0]!r}", None)
        return ((dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).to_numpy(dtype=np.float64)
    numbers = values.to_numpy(dtype=np.float64)
    largest = np.nanmax(np.abs(numbers), initial=0.0)
    for limit, unit in ((1e6, 86_400.0), (1e11, 1.0), (1e14, 1e-3), (1e17, 1e-6)):
        if largest < limit:
            return numbers * unit
    return numbers * 1e-9

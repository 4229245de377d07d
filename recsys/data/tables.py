"""A table in one file or several of the same columns, text or parquet, read column by column."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.data.files import InputFile, find
from recsys.data.raw import Origin
from recsys.data.text import TextFile, open_text
from recsys.data.values import MISSING, Column, is_text
from recsys.errors import InputError


@dataclass(frozen=True, eq=False)
class ParquetFile:
    """The columns of one parquet file."""

    name: str
    content: bytes

    @cached_property
    def file(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(pa.BufferReader(pa.py_buffer(self.content)))
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(self.name, f"the file is damaged or not parquet ({error})", "write it anew") from error

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(self.file.schema_arrow.names)

    def read(self, columns: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
        """These columns as they are stored."""
        return self.file.read(columns=list(columns))

    def line(self, row: int) -> int:
        """A row (0..) as a person counts it: there is no header."""
        return row + 1


class Table:
    """One table of the user's: the files of a path, their columns and rows.

    field: the setting that names it, such as data.interactions. name: its first file. header: the column names.
    Raises InputError where a file is missing, unreadable, or has other columns than the first.
    """

    def __init__(self, path: str, field: str) -> None:
        self.field = field
        self.files = [_open(file) for file in find(path, field)]
        self.name = self.files[0].name
        self.header = [name for name in self.files[0].header if name]
        for other in self.files[1:]:
            self._refuse_other_columns(other)

    def has(self, name: str) -> bool:
        return name in self.header

    def require(self, name: str, role: str, hint: str = "") -> str:
        """The name of a column that must be there. role: the setting that names it. hint: what else to say.

        Raises InputError with the columns that are there, the nearest name first.
        """
        if self.has(name):
            return name
        self.refuse_headless()
        raise no_column(f"the file {self.name}", name, self.header, role, hint)

    def refuse_headless(self) -> None:
        """Raise InputError where the column names look like values."""
        if all(_is_data(column) for column in self.header):
            raise InputError(
                self.name, f"the first line is '{', '.join(self.header)}'", "a header line with column names is needed"
            )

    def read(self, names: Sequence[str], encoded: Sequence[str] = ()) -> dict[str, Column]:
        """These columns of all files. encoded: those whose values recur, such as ids.

        Raises InputError where a row is ragged, bytes are not UTF-8, or files hold different types.
        """
        names = list(dict.fromkeys(names))
        types = {name: pa.dictionary(pa.int32(), pa.string()) for name in encoded}
        tables = [file.read(names, types) for file in self.files]
        origins = tuple(
            Origin(file.name, table.num_rows, file.line) for file, table in zip(self.files, tables, strict=True)
        )
        return {name: Column(name, self._joined(name, [table[name] for table in tables]), origins) for name in names}

    def _joined(self, name: str, parts: list[pa.ChunkedArray]) -> pa.ChunkedArray:
        types = {part.type for part in parts}
        if len(types) > 1:
            parts = [part.cast(self._common(name, types)) for part in parts]
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)

    def _common(self, name: str, types: set[pa.DataType]) -> pa.DataType:
        if all(pa.types.is_integer(kind) for kind in types):
            return pa.int64()
        if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types):
            return pa.float64()
        if all(is_text(kind) or pa.types.is_integer(kind) for kind in types):
            return pa.string()
        raise InputError(
            self.name,
            f"column '{name}' is {' in one file and '.join(sorted(map(str, types)))} in another",
            "use one type",
        )

    def _refuse_other_columns(self, other: TextFile | ParquetFile) -> None:
        theirs = {name for name in other.header if name}
        missing, extra = [name for name in self.header if name not in theirs], sorted(theirs - set(self.header))
        if missing or extra:
            differs = [f"{what} {', '.join(names)}" for what, names in (("without", missing), ("with", extra)) if names]
            raise InputError(
                other.name,
                f"its columns are not those of {self.name}: {' and '.join(differs)}",
                f"all files of {self.field} need the same header",
            )


def no_column(table: str, name: str, header: Sequence[str], role: str, hint: str = "") -> InputError:
    """What to say where a column is not there. role: the setting that names it. hint: what else to say."""
    return InputError(role, f"{table} has no column '{name}'", f"it has: {by_likeness(name, header)}{hint}")


def by_likeness(name: str, known: Sequence[str], most: int | None = None) -> str:
    """Names that there are, the one most like `name` first, the others as they come. most: how many to show."""
    first = max(known, key=lambda other: _likeness(name, other), default=None)
    if first is None:
        return "nothing"
    names = [first, *(other for other in known if other != first)]
    return ", ".join(names[:most]) + (", …" if len(names[:most]) < len(names) else "")


def _open(file: InputFile) -> TextFile | ParquetFile:
    content = file.content()
    return ParquetFile(file.name, content) if file.is_parquet else open_text(file.name, content)


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()


def _is_data(name: str) -> bool:
    """Whether a name in a header looks like a value: the sign of a file without header."""
    return name in MISSING or name.replace(".", "", 1).replace("-", "").isdigit()

"""A table in one file or several of the same columns, text or parquet, read column by column."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.config import BoolArray
from recsys.data.files import InputFile, find
from recsys.data.raw import Origin
from recsys.data.shown import listed, quoted
from recsys.data.text import TextFile, more_rows, open_text, refuse_repeated
from recsys.data.values import MISSING, Column, is_text
from recsys.errors import InputError

# Types for which Arrow lacks most functions, and those that take their place.
PLAIN = {pa.string_view(): pa.string(), pa.float16(): pa.float32()}
# What Arrow says of lists of fixed size of which one is missing, and raises for bytes that do not fit.
FIXED_SIZE = "all lists to be of size"
DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError)


@dataclass(frozen=True, eq=False)
class ParquetFile:
    """The columns of one parquet file."""

    name: str
    content: bytes

    @cached_property
    def file(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(pa.BufferReader(pa.py_buffer(self.content)))
        except DAMAGED as error:
            raise self._damaged(error) from error

    @cached_property
    def header(self) -> tuple[str, ...]:
        """The column names. Raises InputError where two are the same."""
        names = tuple(self.file.schema_arrow.names)
        refuse_repeated(names, self.name)
        return names

    def read(self, columns: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
        """These columns as they are stored, but for PLAIN. Raises InputError where they cannot be read."""
        try:
            table = self.file.read(columns=list(columns)).select(list(columns))
            table.validate(full=True)
        except DAMAGED as error:
            if FIXED_SIZE in str(error):
                message = "a column of lists of fixed size has rows without a list, which cannot be read"
                raise InputError(self.name, message, "write lists of any size, or leave the column out") from error
            raise self._damaged(error) from error
        return table.cast(pa.schema([field.with_type(PLAIN.get(field.type, field.type)) for field in table.schema]))

    def _damaged(self, error: Exception) -> InputError:
        reason = str(error).splitlines()[0][:200]
        return InputError(self.name, f"the file is damaged or not parquet ({reason})", "write it anew")

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
                self.name, f"the first line is '{listed(self.header)}'", "a header line with column names is needed"
            )

    def read(self, names: Sequence[str], encoded: Sequence[str] = ()) -> dict[str, Column]:
        """These columns of all files. encoded: those whose values recur, such as ids.

        Raises InputError where a row is ragged or is the header again, bytes are not UTF-8, or files hold different
        types.
        """
        names = list(dict.fromkeys(names))
        tables = [file.read(names, _types(file, encoded)) for file in self.files]
        for file, table in zip(self.files, tables, strict=True):
            _refuse_header_again(file, table)
        origins = tuple(
            Origin(file.name, table.num_rows, file.line) for file, table in zip(self.files, tables, strict=True)
        )
        return {name: Column(name, self._joined(name, [table[name] for table in tables]), origins) for name in names}

    def _joined(self, name: str, parts: list[pa.ChunkedArray]) -> pa.ChunkedArray:
        types = {part.type for part in parts}
        if len(types) > 1:
            try:
                parts = [part.cast(self._common(name, types)) for part in parts]
            except pa.ArrowInvalid as error:
                raise self._different(name, types) from error
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)

    def _common(self, name: str, types: set[pa.DataType]) -> pa.DataType:
        if all(pa.types.is_integer(kind) for kind in types):
            return pa.int64()
        if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types):
            return pa.float64()
        if all(is_text(kind) or pa.types.is_integer(kind) for kind in types):
            return pa.string()
        raise self._different(name, types)

    def _different(self, name: str, types: set[pa.DataType]) -> InputError:
        found = " in one file and ".join(sorted(map(str, types)))
        return InputError(self.name, f"column {quoted(name)} is {found} in another", "use one type")

    def _refuse_other_columns(self, other: TextFile | ParquetFile) -> None:
        theirs = {name for name in other.header if name}
        missing, extra = [name for name in self.header if name not in theirs], sorted(theirs - set(self.header))
        if missing or extra:
            differs = [f"{what} {listed(names)}" for what, names in (("without", missing), ("with", extra)) if names]
            raise InputError(
                other.name,
                f"its columns are not those of {self.name}: {' and '.join(differs)}",
                f"all files of {self.field} need the same header",
            )


def no_column(table: str, name: str, header: Sequence[str], role: str, hint: str = "") -> InputError:
    """What to say where a column is not there. role: the setting that names it. hint: what else to say."""
    return InputError(role, f"{table} has no column {quoted(name)}", f"it has: {by_likeness(name, header)}{hint}")


def by_likeness(name: str, known: Sequence[str], most: int | None = None) -> str:
    """Names that there are, the one most like `name` first, the others as they come. most: how many to show."""
    first = max(known, key=lambda other: _likeness(name, other), default=None)
    if first is None:
        return "nothing"
    names = [first, *(other for other in known if other != first)]
    return listed(names[:most]) + (", …" if len(names[:most]) < len(names) else "")


def _open(file: InputFile) -> TextFile | ParquetFile:
    content = file.content()
    return ParquetFile(file.name, content) if file.is_parquet else open_text(file.name, content)


def _types(file: TextFile | ParquetFile, encoded: Sequence[str]) -> dict[str, pa.DataType]:
    """How to read columns whose values recur: strings once each. Integers are as short as a code, and reading them
    plainly takes a quarter of the time."""
    if isinstance(file, ParquetFile):
        return {}
    return {name: pa.dictionary(pa.int32(), pa.string()) for name in encoded if not file.starts_whole(name)}


def _refuse_header_again(file: TextFile | ParquetFile, table: pa.Table) -> None:
    """Files that were put one below the other hold the header as a row: it would be a user named 'user'."""
    if isinstance(file, ParquetFile) or table.num_columns < 2:
        return
    again = np.ones(table.num_rows, bool)
    for name in table.column_names:
        again[again] = _is_value(table[name].filter(pa.array(again)), name)
        if not again.any():
            return
    line = file.line(int(np.argmax(again)))
    more = more_rows(int(np.count_nonzero(again)) - 1, line)
    raise InputError(f"{file.name}, row {line:,}", f"the row is the header again{more}", "leave the row out")


def _is_value(column: pa.ChunkedArray, value: str) -> BoolArray:
    """Which rows of a text column hold this value, white space and byte-order marks around it left aside."""
    found = [np.empty(0, bool)]
    for chunk in column.chunks:
        entries = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        same = pc.equal(pc.utf8_trim(entries, " \t\ufeff"), value).to_numpy(zero_copy_only=False)
        found.append(same[chunk.indices.to_numpy()] if pa.types.is_dictionary(chunk.type) else same)
    return np.concatenate(found)


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()


def _is_data(name: str) -> bool:
    """Whether a name in a header looks like a value: the sign of a file without header."""
    return name in MISSING or name.replace(".", "", 1).replace("-", "").isdigit()

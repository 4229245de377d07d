"""Text tables: bytes to columns, strict about what a row is and precise about where it is not one."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from recsys.config import IntArray
from recsys.data.encoding import LONGEST_LINE, as_utf8, refuse_long_lines, refuse_other_encodings
from recsys.data.shown import quoted
from recsys.errors import InputError

SEPARATORS = (",", "\t", ";", "|", "::")
# Arrow splits at one byte; a two-character separator is first replaced by this one, which no text table holds.
UNIT_SEPARATOR = "\x1f"
BLOCK = 4 << 20
LARGEST_BLOCK = 64 << 20
SNIFFED = 1 << 16
SNIFFED_LINES = 1000
# The default, 128 KB, is below the longest line; it belongs to the whole process.
csv.field_size_limit(LARGEST_BLOCK)


@dataclass(frozen=True, eq=False)
class TextFile:
    """The text of one table, in UTF-8 and without byte-order mark.

    name: as error messages show it. separator: one of SEPARATORS. header: the column names; an empty one cannot be
    read. body: where the data begin, in bytes. first_line: the number of the line they begin on. quoted: whether double
    quotes protect separators and line ends (RFC 4180). ends_in_separator: whether the rows do and the header does not:
    the last, empty name of the header is then none of its own, and no row may hold a value there.
    """

    name: str
    content: bytes
    separator: str
    header: tuple[str, ...]
    body: int
    first_line: int
    quoted: bool = True
    ends_in_separator: bool = False

    def read(self, columns: Sequence[str], types: Mapping[str, pa.DataType] = MappingProxyType({})) -> pa.Table:
        """These columns, of the types given, else strings.

        Raises InputError where a row has too few or too many fields, or a quote swallows lines.
        """
        if self.is_empty():
            return pa.table({name: pa.array([], types.get(name, pa.string())) for name in columns})
        try:
            if not self.ends_in_separator:
                return self._arrow(columns, types)
            table = self._arrow([*columns, self._names()[-1]], types)
        except pa.ArrowInvalid as error:
            self._refuse_ragged()
            broken = self._broken_quote() if self.quoted else None
            if broken is not None:
                raise self._open_quote(broken) from error
            reason = str(error).splitlines()[0]
            raise InputError(
                self.name, f"cannot be read as a table ({reason})", "is it one? See docs/data.md"
            ) from error

        self._refuse_beyond(table.column(len(columns)))
        return table.select(range(len(columns)))

    def _refuse_beyond(self, column: pa.ChunkedArray) -> None:
        """Raise InputError for the first row with a value in the column that the header does not name."""
        rows = np.flatnonzero(pc.not_equal(pc.utf8_trim_whitespace(column), "").to_numpy())
        if len(rows):
            line, value = self.line(int(rows[0])), column[int(rows[0])].as_py()
            message = f"{quoted(value)} stands below no column name{more_rows(len(rows) - 1, line)}"
            raise InputError(f"{self.name}, row {line:,}", message, "name the column in the header, or leave it out")

    def starts_whole(self, column: str) -> bool:
        """Whether the first rows hold integers in this column: a sign of what is below, no promise."""
        place = self.header.index(column)
        first = [fields[place : place + 1] for _, fields in itertools.islice(self.records(SNIFFED_LINES), 50)]
        return all(field and field[0].isdigit() for field in first)

    def is_empty(self) -> bool:
        """True where nothing but white space follows the header."""
        return not self.content[self.body : self.body + SNIFFED].strip() and not self.content[self.body :].strip()

    def line(self, row: int) -> int:
        """The number of the line on which a row of data (0..) stands, counted from 1 with the header."""
        if not self.quoted:
            return self.first_line + int(np.flatnonzero(_line_widths(self.content, self.body))[row])
        for index, (line, _) in enumerate(self.records()):
            if index == row:
                return line
        return self.first_line + row

    def records(self, n_lines: int | None = None) -> Iterator[tuple[int, list[str]]]:
        """Every row of data in plain Python, with the number of its line: slow, for messages.

        n_lines: how many lines to look at, empty ones too; None: all.
        """
        lines = itertools.islice(self._lines(), n_lines)
        reader = csv.reader(_single(lines, self.separator), **_dialect(self.separator, self.quoted))
        line = self.first_line
        try:
            for fields in reader:
                if fields:
                    yield line, fields
                line = self.first_line + reader.line_num
        except csv.Error:
            return

    def _lines(self) -> io.TextIOWrapper:
        """The lines of the body, with their ends."""
        octets = io.BytesIO(self.content)
        octets.seek(self.body)
        return io.TextIOWrapper(octets, "utf-8", errors="replace", newline="")

    def _arrow(self, columns: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
        body, separator = pa.py_buffer(self.content).slice(self.body), self.separator
        if len(separator) > 1:
            body = pa.py_buffer(self.content[self.body :].replace(separator.encode(), UNIT_SEPARATOR.encode()))
            separator = UNIT_SEPARATOR
        if self.content.startswith(codecs.BOM_UTF8, self.body):
            # Arrow would take it for the mark of the file; an empty line in front keeps it a letter.
            body = pa.py_buffer(b"\n" + self.content[self.body :])
        parse = pacsv.ParseOptions(
            delimiter=separator, quote_char='"' if self.quoted else False, newlines_in_values=self.quoted
        )
        convert = pacsv.ConvertOptions(
            column_types={name: types.get(name, pa.string()) for name in columns},
            include_columns=list(columns),
            check_utf8=False,
            strings_can_be_null=False,
        )
        names, block = self._names(), BLOCK
        while True:
            options = pacsv.ReadOptions(column_names=names, block_size=block)
            try:
                return pacsv.read_csv(pa.BufferReader(body), options, parse, convert)
            except pa.ArrowInvalid as error:
                # One row is longer than a block.
                if "straddl" not in str(error) or block >= LARGEST_BLOCK:
                    raise
                block *= 16

    def _names(self) -> list[str]:
        """The column names, with others in place of the empty ones."""
        return [name or f"\x00{position}" for position, name in enumerate(self.header)]

    def _n_rows(self) -> int:
        """Rows of data, or -1 where they are ragged."""
        try:
            return self._arrow([next(name for name in self.header if name)], {}).num_rows
        except pa.ArrowInvalid:
            return -1

    def _settle_quotes(self) -> TextFile:
        """The same file with `quoted` as its rows show it.

        Titles such as `"Heroes" at five` in a file without quoting would otherwise run on to the next quote, over any
        number of rows, and nobody would notice. So where quotes join lines against RFC 4180, and every line is whole
        without them, they are letters. Where neither reading holds, or both do, or the names of the columns are in
        quotes, the file is refused.
        """
        plain = replace(self, quoted=False)
        if not self.quoted or self.content.find(b'"', self.body) < 0:
            return plain
        n_rows = self._n_rows()
        if n_rows == np.count_nonzero(_line_widths(self.content, self.body)) and not self._ends_in_quotes():
            return self
        broken, more = self._broken_quote(), plain._n_rows() > n_rows
        if broken is None:
            if more:
                raise self._swallowing_quote()
            return self
        if more and b'"' not in self.content[: self.body]:
            return plain
        if more or n_rows >= 0:
            raise self._open_quote(broken)
        return self

    def _open_quote(self, line: int) -> InputError:
        return InputError(
            f"{self.name}, row {line:,}",
            "a quote opens a value and no quote closes it before a separator or the end of the line",
            "close it, or write quotes inside a quoted value twice",
        )

    def _swallowing_quote(self) -> InputError:
        line = next((line for line, fields in self.records() if any("\n" in x or "\r" in x for x in fields)), 1)
        return InputError(
            f"{self.name}, row {line:,}",
            "a value in quotes goes on over the lines below, and every line is a whole row without the quotes",
            "take the quotes away where they are letters, or the line ends where they belong to the value",
        )

    def _ends_in_quotes(self) -> bool:
        """Whether the last line opens a quote and does not close it: the sign of a file that was cut."""
        tail = self.content[max(self.body, len(self.content) - LONGEST_LINE - 2) :].rstrip(b"\r\n")
        line = tail[max(tail.rfind(b"\n"), tail.rfind(b"\r")) + 1 :]
        try:
            list(csv.reader([line.decode()], delimiter=self.separator, strict=True))
        except csv.Error:
            return line.count(b'"') % 2 == 1
        return False

    def _broken_quote(self) -> int | None:
        """The line of the first row with a quote that opens a field and does not close it before a separator or the
        end of a line; None where there is none."""
        reader = csv.reader(self._lines(), delimiter=self.separator, strict=True)
        line = self.first_line
        try:
            for _ in reader:
                line = self.first_line + reader.line_num
        except csv.Error:
            return line
        return None

    def _refuse_ragged(self) -> None:
        wide = [(line, fields) for line, fields in self.records() if len(fields) != len(self.header)]
        if not wide:
            return
        line, fields = wide[0]
        n_columns = len(self.header)
        wanted = f"the header names {count(n_columns, 'column')}" if self.header[-1] else f"{n_columns} are expected"
        hint = "the row ends in a separator" if fields and fields[-1] == "" else None
        raise InputError(
            f"{self.name}, row {line:,}",
            f"{count(len(fields), 'field')}, {wanted}{more_rows(len(wide) - 1, line)}",
            hint or "quote values that hold the separator or a line end",
        )


def open_text(name: str, content: bytes) -> TextFile:
    """A text table with a header: encoding, separator and column names found out.

    Raises InputError where it is empty, is not text, has a line of more than LONGEST_LINE bytes, or names a column
    twice.
    """
    content = as_utf8(name, content)
    head = _head(content)
    if not head.strip():
        raise InputError(name, "the file is empty", "a header line and at least one row are needed")
    separator = sniff(head)
    lines = io.StringIO(head, newline="").readlines()
    header, n_lines = _header(lines, separator)
    names = tuple(column.strip() for column in header)
    rest = csv.reader(_single(lines[n_lines:], separator), **_dialect(separator, separator != "::"))
    first = next((fields for fields in _first(rest, 50) if fields), header)
    ends_in_separator = len(first) == len(names) + 1 and not first[-1]
    if ends_in_separator:
        names = (*names, "")
    if not any(names):
        raise InputError(name, "the first line names no column", "a header line with column names is needed")
    refuse_repeated((column for column in names if column), name)
    body = len("".join(lines[:n_lines]).encode())
    quoted_values = separator != "::"
    file = TextFile(name, content, separator, names, body, n_lines + 1, quoted_values, ends_in_separator)
    return file._settle_quotes()


def headless(name: str, content: bytes, separator: str, names: Sequence[str], encoding: str = "utf-8") -> TextFile:
    """A text table without header and quotes, of known columns: the format of the older MovieLens sets.

    Raises InputError where it is not in this encoding, or has a line of more than LONGEST_LINE bytes.
    """
    refuse_long_lines(name, content)
    if encoding != "utf-8":
        content = content.decode(encoding).encode()
    refuse_other_encodings(name, content)
    return TextFile(name, content, separator, tuple(names), body=0, first_line=1, quoted=False)


def sniff(head: str) -> str:
    """The separator of a table, from its first lines: the one that splits the header and most rows alike.

    >>> sniff("user;item;rating" + chr(10) + "1;2;4,5")
    ';'
    """

    def fit(separator: str) -> tuple[float, int]:
        rows = csv.reader(_single(io.StringIO(head, newline=""), separator), **_dialect(separator, separator != "::"))
        widths = [len(fields) for fields in _first(rows, 50) if fields]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    best = max(SEPARATORS, key=fit)
    return best if fit(best)[1] else ","


def _header(lines: Sequence[str], separator: str) -> tuple[list[str], int]:
    """The fields of the first line that is not empty, and the number of lines up to it and with it.

    Names in quotes may hold line ends; where a quote is not closed, it is a letter.
    """
    reader = csv.reader(_single(lines, separator), **_dialect(separator, separator != "::"), strict=True)
    try:
        return next(fields for fields in reader if fields), reader.line_num
    except csv.Error:
        plain = csv.reader(_single(lines, separator), **_dialect(separator, False))
        return next(fields for fields in plain if fields), plain.line_num


def count(n: int, noun: str) -> str:
    """A number and its noun.

    >>> count(1, "row"), count(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def refuse_repeated(names: Iterable[str], place: str) -> None:
    """Raise InputError for the first column name that stands there twice. place: the file."""
    seen = set[str]()
    for name in names:
        if name in seen:
            raise InputError(place, f"two columns are named {quoted(name)}", "rename one of them")
        seen.add(name)


def more_rows(n: int, first: int) -> str:
    """How many more rows have the same fault, for the end of a message; empty where there are none."""
    return f" ({n:,} more such {'row' if n == 1 else 'rows'}; first at {first:,})" if n else ""


def _head(content: bytes) -> str:
    """The first lines as text, none of them cut."""
    piece = content[:SNIFFED]
    if len(content) > SNIFFED:
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        piece = piece[:end] if end else content[:]
    return piece.decode("utf-8")


def _line_widths(content: bytes, body: int) -> IntArray:
    """Bytes of each line of the body, without its end."""
    octets = np.frombuffer(content, dtype=np.uint8)[body:]
    is_end = octets == 10
    if content.find(b"\r", body) >= 0:
        alone = octets == 13
        alone[:-1] &= octets[1:] != 10
        is_end |= alone
    ends = np.flatnonzero(is_end)
    if not len(octets) or not is_end[-1]:
        ends = np.append(ends, len(octets))
    starts = np.concatenate([[0], ends[:-1] + 1])
    widths = ends - starts
    return widths - ((widths > 0) & (octets[np.maximum(ends - 1, 0)] == 13))


def _dialect(separator: str, quoted: bool) -> dict[str, Any]:
    return {
        "delimiter": separator if len(separator) == 1 else UNIT_SEPARATOR,
        "quotechar": '"',
        "quoting": csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    }


def _single(lines: Iterable[str], separator: str) -> Iterator[str]:
    if len(separator) == 1:
        return iter(lines)
    return (line.replace(separator, UNIT_SEPARATOR) for line in lines)


def _first(rows: Iterator[list[str]], n: int) -> Iterator[list[str]]:
    try:
        yield from itertools.islice(rows, n)
    except csv.Error:
        return

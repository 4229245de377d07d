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
import pyarrow.csv as pacsv

from recsys.config import IntArray
from recsys.errors import InputError

SEPARATORS = (",", "\t", ";", "|", "::")
# Arrow splits at one byte; a two-character separator is first replaced by this one, which no text table holds.
UNIT_SEPARATOR = "\x1f"
BLOCK = 4 << 20
LARGEST_BLOCK = 1 << 30
SNIFFED = 1 << 16

# utf-32-le starts with the bytes of utf-16-le, so it is asked for first.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NOT_TEXT = {
    b"PK\x03\x04": ("a zip or Excel file", "save the sheet as CSV (UTF-8)"),
    b"\xd0\xcf\x11\xe0": ("an Excel file", "save the sheet as CSV (UTF-8)"),
    b"SQLite format 3": ("a SQLite database", "export the table as CSV"),
    b"PAR1": ("a parquet file", "give it a name that ends in .parquet"),
    b"\x1f\x8b": ("compressed with gzip", "give it a name that ends in .gz"),
}


@dataclass(frozen=True, eq=False)
class TextFile:
    """The text of one table, in UTF-8 and without byte-order mark.

    name: as error messages show it. separator: one of SEPARATORS. header: the column names; an empty one cannot be
    read. body: where the data begin, in bytes. first_line: the number of the line they begin on. quoted: whether double
    quotes protect separators and line ends (RFC 4180).
    """

    name: str
    content: bytes
    separator: str
    header: tuple[str, ...]
    body: int
    first_line: int
    quoted: bool = True

    def read(self, columns: Sequence[str], types: Mapping[str, pa.DataType] = MappingProxyType({})) -> pa.Table:
        """These columns, of the types given, else strings.

        Raises InputError where a row has too few or too many fields.
        """
        if self.is_empty():
            return pa.table({name: pa.array([], types.get(name, pa.string())) for name in columns})
        try:
            return self._arrow(columns, types)
        except pa.ArrowInvalid as error:
            self._refuse_ragged()
            reason = str(error).splitlines()[0]
            raise InputError(
                self.name, f"cannot be read as a table ({reason})", "is it one? See docs/data.md"
            ) from error

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

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Every row of data in plain Python, with the number of its line: slow, for messages."""
        text = io.TextIOWrapper(io.BytesIO(self.content[self.body :]), "utf-8", errors="replace", newline="")
        reader = csv.reader(_single(text, self.separator), **_dialect(self.separator, self.quoted))
        line = self.first_line
        try:
            for fields in reader:
                if fields:
                    yield line, fields
                line = self.first_line + reader.line_num
        except csv.Error:
            return

    def _arrow(self, columns: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
        body, separator = pa.py_buffer(self.content).slice(self.body), self.separator
        if len(separator) > 1:
            body = pa.py_buffer(self.content[self.body :].replace(separator.encode(), UNIT_SEPARATOR.encode()))
            separator = UNIT_SEPARATOR
        parse = pacsv.ParseOptions(
            delimiter=separator, quote_char='"' if self.quoted else False, newlines_in_values=self.quoted
        )
        convert = pacsv.ConvertOptions(
            column_types={name: types.get(name, pa.string()) for name in columns},
            include_columns=list(columns),
            check_utf8=False,
            strings_can_be_null=False,
        )
        names = [name or f"\x00{position}" for position, name in enumerate(self.header)]
        block = BLOCK
        while True:
            options = pacsv.ReadOptions(column_names=names, block_size=block)
            try:
                return pacsv.read_csv(pa.BufferReader(body), options, parse, convert)
            except pa.ArrowInvalid as error:
                # One row is longer than a block.
                if "straddl" not in str(error) or block >= LARGEST_BLOCK:
                    raise
                block *= 16

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
        without them, they are letters.
        """
        plain = replace(self, quoted=False)
        if not self.quoted or self.content.find(b'"', self.body) < 0:
            return plain
        n_rows = self._n_rows()
        if n_rows == np.count_nonzero(_line_widths(self.content, self.body)) or self._is_strictly_quoted():
            return self
        return plain if plain._n_rows() > n_rows else self

    def _is_strictly_quoted(self) -> bool:
        """Whether every quote that opens a field closes it, before a separator or the end of a line."""
        text = io.StringIO(self.content[self.body :].decode(), newline="")
        try:
            for _ in csv.reader(text, delimiter=self.separator, strict=True):
                pass
        except csv.Error:
            return False
        return True

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

    Raises InputError where it is empty, is not text, or names a column twice.
    """
    content = _as_utf8(name, content)
    head = _head(content)
    if not head.strip():
        raise InputError(name, "the file is empty", "a header line and at least one row are needed")
    separator = sniff(head)
    reader = csv.reader(_single(io.StringIO(head, newline=""), separator), **_dialect(separator, separator != "::"))
    header = next(fields for fields in reader if fields)
    lines = reader.line_num
    names = tuple(column.strip() for column in header)
    first = next((fields for fields in _first(reader, 50) if fields), header)
    if len(first) == len(names) + 1 and not first[-1]:
        names = (*names, "")  # every row ends in a separator, the header does not
    if not any(names):
        raise InputError(name, "the first line names no column", "a header line with column names is needed")
    twice = [column for position, column in enumerate(names) if column and column in names[:position]]
    if twice:
        raise InputError(name, f"two columns are named '{twice[0]}'", "rename one of them")
    body = len("".join(io.StringIO(head, newline="").readlines()[:lines]).encode())
    return TextFile(name, content, separator, names, body, lines + 1, quoted=separator != "::")._settle_quotes()


def headless(name: str, content: bytes, separator: str, names: Sequence[str], encoding: str = "utf-8") -> TextFile:
    """A text table without header and quotes, of known columns: the format of the older MovieLens sets."""
    if encoding != "utf-8":
        content = content.decode(encoding).encode()
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


def count(n: int, noun: str) -> str:
    """A number and its noun.

    >>> count(1, "row"), count(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def more_rows(n: int, first: int) -> str:
    """How many more rows have the same fault, for the end of a message; empty where there are none."""
    return f" ({n:,} more such {'row' if n == 1 else 'rows'}; first at {first:,})" if n else ""


def _as_utf8(name: str, content: bytes) -> bytes:
    start = content[:16]
    for magic, (what, remedy) in NOT_TEXT.items():
        if start.startswith(magic):
            raise InputError(name, f"the file is {what}, not text", remedy)
    for mark, encoding in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            if encoding == "utf-8":
                content = content[len(mark) :]
                break
            try:
                return content.decode(encoding).encode()
            except UnicodeDecodeError as error:
                raise InputError(
                    name,
                    f"byte {error.start:,} does not fit {encoding.upper()}, which its first bytes announce",
                    "save it as UTF-8",
                ) from error
    if b"\x00" in content[:SNIFFED]:
        raise InputError(name, "the file holds zero bytes: it is binary, or UTF-16 without mark", "save it as UTF-8")
    if content[:SNIFFED].lstrip()[:1] in (b"{", b"["):
        raise InputError(name, "the file is JSON, not a table", "save it as CSV")
    _refuse_other_encodings(name, content)
    return content


def _refuse_other_encodings(name: str, content: bytes) -> None:
    offsets = pa.py_buffer(np.array([0, len(content)], dtype=np.int64))
    try:
        pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(content)]).cast(pa.large_string())
    except pa.ArrowInvalid:
        position = _first_bad_byte(content)
        line = content[:position].count(b"\n") + 1
        raise InputError(
            f"{name}, row {line:,}",
            f"byte {position:,} of the file is 0x{content[position]:02x}, which is not UTF-8",
            f"save it as UTF-8, for example: iconv -f ISO-8859-1 -t UTF-8 {name} > utf8-{name.rsplit('/', 1)[-1]}",
        ) from None


def _first_bad_byte(content: bytes) -> int:
    decoder = codecs.getincrementaldecoder("utf-8")()
    position = 0
    while True:
        chunk = content[position : position + (1 << 20)]
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            return position - pending + error.start
        position += len(chunk)


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
    feed = 10 if content.find(b"\n", body) >= 0 else 13
    ends = np.flatnonzero(octets == feed)
    if not len(octets) or octets[-1] != feed:
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

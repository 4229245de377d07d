"""Bytes of a text file to UTF-8, or the first place where they are none."""

from __future__ import annotations

import codecs

import numpy as np
import pyarrow as pa

from recsys.errors import InputError

# A longer line is no row of a table, and reading it as one would take many times its size in memory.
LONGEST_LINE = 16 << 20
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


def as_utf8(name: str, content: bytes) -> bytes:
    """The bytes of a text file in UTF-8, without byte-order mark.

    Raises InputError where they are no text, are in another encoding without a mark, or hold a line that is too long.
    """
    start = content[:16]
    for magic, (what, remedy) in NOT_TEXT.items():
        if start.startswith(magic):
            raise InputError(name, f"the file is {what}, not text", remedy)
    refuse_long_lines(name, content)
    content = _without_mark(name, content)
    if content[:SNIFFED].lstrip()[:1] in (b"{", b"["):
        raise InputError(name, "the file is JSON, not a table", "save it as CSV")
    refuse_other_encodings(name, content)
    return content


def _without_mark(name: str, content: bytes) -> bytes:
    """The text in the encoding that a byte-order mark announces, in UTF-8 and without the mark."""
    start = content[:4]
    for mark, encoding in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            if encoding == "utf-8":
                return content[len(mark) :]
            try:
                return content.decode(encoding).encode()
            except UnicodeDecodeError as error:
                raise InputError(
                    name,
                    f"byte {error.start:,} does not fit {encoding.upper()}, which its first bytes announce",
                    "save it as UTF-8",
                ) from error
    return content


def refuse_long_lines(name: str, content: bytes) -> None:
    """Raise InputError for the first line of more than LONGEST_LINE bytes."""
    start = 0
    while len(content) - start > LONGEST_LINE:
        end = start + LONGEST_LINE + 1
        last = content.rfind(b"\n", start, end)
        if last < 0:
            last = content.rfind(b"\r", start, end)
        if last < 0:
            raise InputError(
                f"{name}, row {_line_at(content, start):,}",
                f"the line is longer than {LONGEST_LINE:,} bytes, which no row of a table is",
                "is it one? Write one row a line",
            )
        start = last + 1


def _line_at(content: bytes, position: int) -> int:
    """The number of the line on which a byte stands, counted from 1."""
    ends = [content.count(end, 0, position) for end in (b"\n", b"\r", b"\r\n")]
    return ends[0] + ends[1] - ends[2] + 1


def refuse_other_encodings(name: str, content: bytes) -> None:
    """Raise InputError for the first byte that is zero or no UTF-8."""
    zero = content.find(b"\x00")
    if zero >= 0:
        raise InputError(
            f"{name}, row {_line_at(content, zero):,}",
            "the row holds a zero byte: the file is binary, damaged, or UTF-16 without mark",
            "save it as UTF-8",
        )
    offsets = pa.py_buffer(np.array([0, len(content)], dtype=np.int64))
    try:
        pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(content)]).cast(pa.large_string())
    except pa.ArrowInvalid:
        position = _first_bad_byte(content)
        raise InputError(
            f"{name}, row {_line_at(content, position):,}",
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

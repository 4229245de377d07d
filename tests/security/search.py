"""Looks for a word in files: as it is, encoded, compressed, and in the rows of databases and tables."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq


def holds(path: Path, word: bytes) -> bool:
    """Whether a file holds a word, in any form that `forms` or `contents` knows."""
    wanted = forms(word)
    return any(form in content for content in contents(path) for form in wanted)


def forms(word: bytes) -> set[bytes]:
    """A word as it is, in base64 wherever it stands, percent-encoded, in hexadecimal digits, escaped, in UTF-16."""
    text = word.decode()
    percent = "".join(f"%{byte:02x}" for byte in word)
    found = {word, word.hex().encode(), word.hex().upper().encode(), text.encode("utf-16-le")}
    found |= {percent.encode(), percent.upper().encode(), quote(text, safe="").encode()}
    found |= {"".join(f"\\u{ord(letter):04x}" for letter in text).encode()}
    for before in range(3):
        # What comes before and after shares its first and last digits with the word.
        digits = base64.b64encode(b"\0" * before + word)
        found.add(digits[(8 * before + 5) // 6 : (8 * (before + len(word))) // 6])
    return found


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and those that are packed in it; of a database and a table of parquet also the rows, whose
    texts may be in pieces or compressed."""
    content = path.read_bytes()
    yield from unpacked(content)
    if content.startswith(b"SQLite format 3\0"):
        yield from _rows(path)
    if content.startswith(b"PAR1"):
        yield str(pq.read_table(path).to_pylist()).encode()


def unpacked(content: bytes) -> Iterator[bytes]:
    """Some bytes, and where they are compressed or an archive what is in them."""
    yield content
    if content.startswith(b"\x1f\x8b"):
        with contextlib.suppress(OSError, EOFError, zlib.error):
            yield from unpacked(gzip.decompress(content))
    if content.startswith(b"PK\x03\x04"):
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from unpacked(archive.read(name))


def _rows(path: Path) -> Iterator[bytes]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        tables = [name.decode() for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield from unpacked(value)

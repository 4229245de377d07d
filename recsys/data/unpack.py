"""Bytes that gzip packed, up to what a table can well be."""

from __future__ import annotations

import gzip
import io
import zlib

from recsys.errors import InputError

PIECE = 16 << 20
# Tables of which only an id changes from row to row shrink to a hundredth at most. Beyond both of these is no table.
MOST_TIMES, MOST_BYTES = 200, 100_000_000


def unpacked(name: str, packed: bytes) -> bytes:
    """What gzip packed. name: of the file, for messages.

    Raises InputError where it is damaged, or grows beyond MOST_BYTES and MOST_TIMES its size; no more is unpacked then.
    """
    found, most = io.BytesIO(), max(MOST_BYTES, MOST_TIMES * len(packed))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            while piece := file.read(PIECE):
                found.write(piece)
                if found.tell() > most:
                    raise _too_large(name, len(packed))
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(name, f"the file is damaged or not made by gzip ({error})", "get it again") from error
    return found.getvalue()


def _too_large(name: str, size: int) -> InputError:
    message = f"its {size:,} bytes unpack to more than {MOST_TIMES} times as many, which no table does"
    return InputError(name, message, "look at what it holds; if it is a table, name it unpacked")

"""A stored model looked over before anything in it is opened: where it comes from is not known."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from recsys.errors import InputError, remedy_by_format
from recsys.models.base import ABOUT, FILES, FORMAT, ITEMS, USERS
from recsys.store import file_digest, is_format, plain_json

REMEDY = "fit the model again"
LARGEST_ABOUT = 1_000_000
MOST_COLUMNS = 10_000
# What a table may take unpacked: so many bytes a byte on disk, and so many in any case.
EXPANSION, ROOM = 32, 256_000_000


def read_description(folder: Path) -> dict[str, Any]:
    """The file model.json of a stored model. Raises InputError where it is none, or of another format."""
    place = folder / ABOUT
    try:
        found = place.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_ABOUT:
            raise ValueError("no plain file of that size")
        about = plain_json(place.read_text())
        known: dict[str, Any] = {"family": str(about["family"]), "settings": dict(about["settings"])}
        known |= {"format": about["format"], "sha256": dict(about.get("sha256", {}))}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(str(place), "is not the description of a stored model", REMEDY) from error
    if not is_format(known["format"], FORMAT):
        message = f"describes format {known['format']}, and {FORMAT} is known"
        raise InputError(str(place), message, remedy_by_format(known["format"], FORMAT, REMEDY))
    return {**about, **known}


def check_files(folder: Path, hashes: dict[str, str]) -> None:
    """Refuse files of a stored model that are missing, links, changed, or unpack to far more than they take on disk.

    Raises InputError, with the first such file.
    """
    for name in FILES:
        path = folder / name
        if not path.is_file() or path.is_symlink() or file_digest(path) != hashes.get(name):
            raise InputError(str(path), "is missing or was changed after it was stored", REMEDY)
    for name, key in ((USERS, "user"), (ITEMS, "item")):
        check_table(folder / name, key)


def check_table(path: Path, key: str) -> None:
    """Refuse a parquet file that is no table with a column `key`, or that unpacks to far more than it takes on disk.

    Raises InputError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    limit = path.stat().st_size * EXPANSION + ROOM
    try:
        file = pq.ParquetFile(path)
        about = file.metadata
        if about.num_columns > MOST_COLUMNS or key not in file.schema_arrow.names:
            raise InputError(str(path), f"is no table with a column '{key}'", REMEDY)
        groups = [about.row_group(group) for group in range(about.num_row_groups)]
        packed = sum(
            group.column(column).total_uncompressed_size for group in groups for column in range(about.num_columns)
        )
        texts = [field.name for field in file.schema_arrow if not pa.types.is_primitive(field.type)]
        unpacked = packed if packed > limit else max(packed, _text_bytes(path, texts))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(str(path), "is no parquet file", REMEDY) from error
    if unpacked > limit:
        raise InputError(str(path), f"unpacks to {unpacked / 1e9:.1f} GB", "fit the model on data with shorter texts")


def _text_bytes(path: Path, columns: list[str]) -> int:
    """Bytes of the texts in these columns when each row holds its own: dictionaries hide how much that is."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    total = 0
    for name in columns:
        for chunk in pq.ParquetFile(path, read_dictionary=[name]).read(columns=[name]).column(0).chunks:
            if pa.types.is_dictionary(chunk.type):
                lengths = pc.take(pc.binary_length(chunk.dictionary).cast(pa.int64()), chunk.indices)
            else:
                raise InputError(str(path), f"column '{name}' holds {chunk.type}, no text or number", REMEDY)
            total += pc.sum(lengths).as_py() or 0
    return total

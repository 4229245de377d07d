"""Look a folder over before anything in it is opened: nothing but the files it lists, as they were written."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path, PurePosixPath

import psutil
from pydantic import ValidationError

from recsys.errors import InputError, RunError
from recsys.serving.about import ABOUT, FORMAT, About
from recsys.store import file_digest
from recsys.store.folders import MANIFEST

REMEDY = "write the bundle again"
LARGEST_ABOUT = 1_000_000
MOST_COLUMNS = 10_000
# What a table may take unpacked: so many bytes a byte on disk, and so many in any case.
EXPANSION, ROOM = 32, 256_000_000
# What a model takes in memory, a byte on disk.
HELD = 1.5


def read_about(folder: Path, expected: str | None = None) -> tuple[About, str]:
    """The description of the bundle in a folder, and the SHA-256 of its text, which names the bundle as a whole.

    expected: the digest it must have; a caller who got it from somewhere safe trusts the whole bundle by it. Raises
    InputError where there is no such description, or it is another one.
    """
    place = folder / ABOUT
    try:
        found = place.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_ABOUT:
            raise InputError(str(place), "is no description of a bundle", REMEDY)
        text = place.read_bytes()
        raw = json.loads(text)
        if not isinstance(raw, dict) or not isinstance(raw.get("format"), int):
            raise InputError(str(place), "is no description of a bundle", REMEDY)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(str(place), "is no description of a bundle", REMEDY) from error
    if raw["format"] != FORMAT:
        raise InputError(str(place), f"describes a bundle of format {raw['format']}, and {FORMAT} is known", REMEDY)
    digest = hashlib.sha256(text).hexdigest()
    if expected is not None and digest != expected:
        raise InputError(str(place), f"has digest {digest[:12]}, and {expected[:12]} is wanted", REMEDY)
    try:
        return About.model_validate_json(text), digest
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])[:200]
        raise InputError(str(place), f"{field}: {first['msg']}", REMEDY) from error


def verify(folder: Path, about: About) -> None:
    """Refuse a folder that holds a link, a special file, a file too many or too few, or one that was changed.

    Raises InputError, with the first such file.
    """
    for name in about.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or str(path) != name:
            raise InputError(f"{folder / ABOUT}: {name!r}", "is no path below the folder", REMEDY)
    there = files_of(folder)
    for name in sorted(there.keys() ^ about.files.keys()):
        message = "is in the folder and not in its list" if name in there else "is missing"
        raise InputError(str(folder / name), message, REMEDY)
    for name, size in there.items():
        if size != about.files[name].bytes:
            raise InputError(str(folder / name), f"holds {size:,} bytes, not {about.files[name].bytes:,}", REMEDY)
    for name, file in about.files.items():
        if file_digest(folder / name) != file.sha256:
            raise InputError(str(folder / name), "was changed after it was written", REMEDY)


def require_room(folder: Path, about: About) -> None:
    """Raises RunError where the model needs more memory than is free."""
    needed = HELD * sum(file.bytes for name, file in about.files.items() if not name.startswith("histories/"))
    free = psutil.virtual_memory().available
    if needed > free:
        message = f"needs about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free"
        raise RunError(str(folder), message, "serve it on a larger machine")


def check_table(path: Path, key: str, rows: int) -> None:
    """Refuse a parquet file that is no table of so many rows with a column `key`, or that unpacks to far more than it
    takes on disk. Raises InputError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    limit = path.stat().st_size * EXPANSION + ROOM
    try:
        file = pq.ParquetFile(path)
        about = file.metadata
        if about.num_rows != rows or about.num_columns > MOST_COLUMNS or key not in file.schema_arrow.names:
            message = f"holds {about.num_rows:,} rows, {rows:,} with a column '{key}' are needed"
            raise InputError(str(path), message, REMEDY)
        groups = [about.row_group(group) for group in range(about.num_row_groups)]
        packed = sum(
            group.column(column).total_uncompressed_size for group in groups for column in range(about.num_columns)
        )
        texts = [field.name for field in file.schema_arrow if not pa.types.is_primitive(field.type)]
        unpacked = packed if packed > limit else max(packed, _text_bytes(path, texts))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(str(path), "is no parquet file", REMEDY) from error
    if unpacked > limit:
        raise InputError(str(path), f"unpacks to {unpacked / 1e9:.1f} GB", "write the bundle with shorter texts")


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


def files_of(folder: Path) -> dict[str, int]:
    """Every file below a folder and its size, but for the description and a store's own. Raises InputError."""
    found = {}
    waiting = [folder]
    while waiting:
        for entry in os.scandir(waiting.pop()):
            path = Path(entry.path)
            name = path.relative_to(folder).as_posix()
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                raise InputError(str(path), "is a link or a special file", "a bundle holds plain files only")
            if entry.is_dir():
                waiting.append(path)
            elif name not in (ABOUT, MANIFEST):
                found[name] = entry.stat().st_size
    return found

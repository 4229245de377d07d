"""Input files: a path, folder, glob or fsspec URI to named files, their bytes and their digests."""

from __future__ import annotations

import glob
import gzip
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from recsys.errors import InputError, nearest
from recsys.store import file_digest

TEXT = (".csv", ".tsv", ".txt", ".dat")
PARQUET = (".parquet", ".pq")
ENDINGS = ", ".join((*TEXT, *PARQUET)) + ", also with .gz"


@dataclass(frozen=True)
class InputFile:
    """One file of a table. name: as messages show it. content: its bytes, unpacked. digest: SHA-256 as it is stored."""

    name: str
    content: Callable[[], bytes]
    digest: Callable[[], str]

    @property
    def is_parquet(self) -> bool:
        return ending(self.name) in PARQUET


def find(path: str, field: str) -> list[InputFile]:
    """The files that a path, folder, glob or URI means, in the order of their names.

    field: the setting that holds the path, for messages. Raises InputError where there is none.
    """
    if "://" in path and not path.startswith("file://"):
        return _remote(path, field)
    return [_local(file) for file in _local_files(path.removeprefix("file://"), field)]


def content(path: Path) -> bytes:
    """The bytes of a local file, unpacked where its name ends in .gz.

    Raises InputError where it cannot be read.
    """
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise _unreadable(str(path), error) from error
    return _unpacked(str(path), stored) if path.suffix == ".gz" else stored


def ending(name: str) -> str:
    """The ending of a file name that says what it holds.

    >>> ending("logs/events.CSV.gz")
    '.csv'
    """
    return PurePosixPath(name.lower().removesuffix(".gz")).suffix


def _local(path: Path) -> InputFile:
    def digest() -> str:
        try:
            return file_digest(path)
        except OSError as error:
            raise _unreadable(str(path), error) from error

    return InputFile(str(path), lambda: content(path), digest)


def _local_files(path: str, field: str) -> list[Path]:
    given = Path(path).expanduser()
    if given.is_dir():
        inside = [file for file in given.rglob("*") if file.is_file()]
        tables = [file for file in inside if is_table(file.relative_to(given).as_posix())]
        return _some(sorted(tables), field, path, f"the folder {path} holds no table", [file.name for file in inside])
    if given.exists():
        return [given]
    if any(character in path for character in "*?["):
        matching = map(Path, glob.glob(str(given), recursive=True))  # noqa: PTH207  (pathlib's matches hidden files too)
        found = sorted(file for file in matching if file.is_file())
        return _some(found, field, path, f"no file matches {path}", [])
    beside = [file.name for file in given.parent.iterdir()] if given.parent.is_dir() else []
    close = nearest(given.name, beside)
    remedy = f"did you mean {given.parent / close}?" if close else f"looked in {given.parent.absolute()}"
    raise InputError(field, f"there is no file {path}", remedy)


def _some(files: list[Any], field: str, path: str, message: str, inside: list[str]) -> list[Any]:
    if files:
        return files
    beside = f"; it has {', '.join(sorted(inside)[:5])}" if inside else ""
    raise InputError(field, message + beside, f"tables end in {ENDINGS}")


def is_table(name: str) -> bool:
    """Whether a file below a folder is one of its tables: engines mark their own files with a dot or underscore."""
    hidden = any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)
    return not hidden and ending(name) in (*TEXT, *PARQUET)


def _remote(uri: str, field: str) -> list[InputFile]:
    import fsspec.core

    protocol = uri.split("://", 1)[0]
    try:
        system, path = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        raise InputError(
            field, f"{protocol}:// needs a package that is not installed ({error})", "install it"
        ) from error
    except ValueError as error:
        raise InputError(
            field, f"'{protocol}' is no known kind of file system", "see fsspec.io for those there are"
        ) from error
    try:
        found = _remote_files(system, path, field, uri)
    except InputError:
        raise
    except Exception as error:  # every file system has its own errors
        raise _unreadable(uri, error) from error
    return [_remote_file(system, path, f"{protocol}://{path.lstrip('/')}") for path in found]


def _remote_files(system: Any, path: str, field: str, uri: str) -> list[str]:
    if system.isdir(path):
        inside = system.find(path)
        tables = [file for file in inside if is_table(file[len(path) :].lstrip("/"))]
        return _some(sorted(tables), field, uri, f"the folder {uri} holds no table", [])
    if any(character in path for character in "*?["):
        return _some(sorted(system.glob(path)), field, uri, f"no file matches {uri}", [])
    if not system.exists(path):
        raise InputError(field, f"there is no file {uri}", "name one that is there")
    return [path]


def _remote_file(system: Any, path: str, name: str) -> InputFile:
    def stored() -> bytes:
        try:
            return system.cat_file(path)
        except Exception as error:  # every file system has its own errors
            raise _unreadable(name, error) from error

    def unpacked() -> bytes:
        return _unpacked(name, stored()) if path.endswith(".gz") else stored()

    return InputFile(name, unpacked, lambda: hashlib.sha256(stored()).hexdigest())


def _unpacked(name: str, packed: bytes) -> bytes:
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(name, f"the file is damaged or not made by gzip ({error})", "get it again") from error


def _unreadable(name: str, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return InputError(name, f"the file cannot be read ({reason})", "name one that can be read")

"""Input files: a path, folder, glob or fsspec URI to named files, their bytes and their digests."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from recsys.data.shown import short
from recsys.data.unpack import unpacked
from recsys.errors import InputError, nearest, require_regular
from recsys.settings import user_path
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


def refuse_among(out: Path, path: str) -> None:
    """Raise InputError where tables that are written to a folder would be read as part of the data in this one."""
    path = path.removeprefix("file://")
    if "://" in path:
        return
    source, table = user_path(path, "interactions").resolve(), out.resolve() / "x.csv"
    if source.is_dir() and table.is_relative_to(source) and is_table(table.relative_to(source).as_posix()):
        message = f"is in {path}, and what is written there would be read as data"
        raise InputError(str(out), message, "name another folder with --out")


def content(path: Path) -> bytes:
    """The bytes of a local file, unpacked where its name ends in .gz.

    Raises InputError where it cannot be read.
    """
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise _unreadable(str(path), error) from error
    return unpacked(str(path), stored) if _is_packed(path.name) else stored


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
    try:
        given = user_path(path, field)
        _refuse_no_file(given)
    except OSError as error:  # such as a name that is too long
        raise _unreadable(short(path), error) from error
    if given.is_dir():
        inside = list(_inside(given))
        tables = _tables(inside, given)
        for table in tables:
            _refuse_no_file(table)
        return _some(tables, field, path, f"the folder {path} holds no table", [file.name for file in inside])
    if given.exists():
        return [given]
    if any(character in path for character in "*?["):
        matching = sorted(map(Path, glob.glob(str(given), recursive=True)))  # noqa: PTH207  (pathlib's: hidden files too)
        found = [file for file in matching if not file.is_dir()]
        for file in found:
            _refuse_no_file(file)
        _refuse_folders([folder for folder in matching if folder.is_dir()], found, path)
        return _some(found, field, path, f"no file matches {path}", [])
    beside = [file.name for file in given.parent.iterdir()] if given.parent.is_dir() else []
    close = nearest(given.name, beside)
    remedy = f"did you mean {given.parent / close}?" if close else f"looked in {given.parent.absolute()}"
    raise InputError(field, f"there is no file {path}", remedy)


def _inside(folder: Path) -> Iterator[Path]:
    """All that is below a folder but for folders, and what is in hidden ones.

    Raises InputError where one cannot be read, or is a link to tables that are not below the folder themselves.
    """

    def refuse(error: OSError) -> None:
        raise _unreadable(str(error.filename), error) from error

    links = []
    for root, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        links += [Path(root, name) for name in folders if Path(root, name).is_symlink()]
        yield from (Path(root, name) for name in files)
    for link in links:
        _refuse_link(link, folder)


def _tables(inside: Iterable[Path], folder: Path) -> list[Path]:
    """Those of the files below a folder that are tables, in the order of their names."""
    return sorted(file for file in inside if is_table(file.relative_to(folder).as_posix()))


def _refuse_link(link: Path, folder: Path) -> None:
    """Raise InputError where a link leads to a folder with tables that are not read as part of this one."""
    target, whole = link.resolve(), folder.resolve()
    if target.is_relative_to(whole) and is_table((target.relative_to(whole) / "x.csv").as_posix()):
        return
    for root, _, files in os.walk(target):
        if any(is_table((Path(root, name).relative_to(target)).as_posix()) for name in files):
            message = "is a link to a folder with tables, and links to folders are not followed"
            raise InputError(str(link), message, "put the tables there, or give the link a name with a dot in front")


def _refuse_folders(folders: Iterable[Path], found: Iterable[Path], path: str) -> None:
    """Raise InputError where a pattern matches a folder, and not the tables in it."""
    read = {file.resolve() for file in found}
    for folder in folders:
        left = [file for file in _tables(_inside(folder), folder) if file.resolve() not in read]
        if left:
            message = f"matches {path}, and is a folder with tables that do not, such as {left[0].name}"
            raise InputError(str(folder), message, "have the pattern match files (**/*.csv: at any depth)")


def _refuse_no_file(path: Path) -> None:
    """Raise InputError where a path is a pipe or a device, or a link that leads nowhere."""
    require_regular(path)
    if path.is_symlink() and not path.exists():
        raise InputError(str(path), "is a link that leads to no file", "mend the link, or leave it out")


def _some(files: list[Any], field: str, path: str, message: str, inside: list[str]) -> list[Any]:
    if files:
        return files
    beside = f"; it has {', '.join(sorted(inside)[:5])}" if inside else ""
    raise InputError(field, message + beside, f"tables end in {ENDINGS}")


def is_table(name: str) -> bool:
    """Whether a file below a folder is one of its tables: engines mark their own files with a dot or underscore."""
    hidden = any(_is_hidden(part) for part in PurePosixPath(name).parts)
    return not hidden and ending(name) in (*TEXT, *PARQUET)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _is_packed(name: str) -> bool:
    return name.lower().endswith(".gz")


def _remote(uri: str, field: str) -> list[InputFile]:
    import fsspec.core

    protocol, shown = uri.split("://", 1)[0], without_secrets(uri, uri)
    try:
        system, path = fsspec.core.url_to_fs(uri)
        found = _remote_files(system, path, field, shown)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            field, f"{protocol}:// needs a package that is not installed ({error})", "install it"
        ) from error
    except Exception as error:  # every file system has its own errors
        if "Protocol not known" in str(error):
            raise InputError(
                field, f"'{protocol}' is no known kind of file system", "see fsspec.io for those there are"
            ) from error
        raise _unreadable(shown, error, uri) from None
    return [_remote_file(system, path, uri) for path in found]


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


def _remote_file(system: Any, path: str, uri: str) -> InputFile:
    """A file of the file system that this address means."""
    full = path if "://" in path else f"{uri.split('://', 1)[0]}://{path.lstrip('/')}"
    name = without_secrets(full, uri)

    def stored() -> bytes:
        try:
            return system.cat_file(path)
        except Exception as error:  # every file system has its own errors
            raise _unreadable(name, error, uri) from None

    def content() -> bytes:
        return unpacked(name, stored()) if _is_packed(path) else stored()

    return InputFile(name, content, lambda: hashlib.sha256(stored()).hexdigest())


def without_secrets(text: str, uri: str) -> str:
    """Words about an address, without the names, passwords and options that the address holds.

    >>> without_secrets("login of 'xyz' at ftp://me:xyz@h/a.csv?key=7", "ftp://me:xyz@h/a.csv?key=7")
    "login of '***' at ftp://h/a.csv?key=***"
    """
    text = re.sub(r"(?<=://)[^/@\s]*@", "", text)
    text = re.sub(r"([?&][^=&\s]+=)[^&\s]+", r"\1***", text)
    secrets = re.findall(r"://[^/@\s]*:([^/@\s]+)@|[?&][^=&\s]+=([^&\s]{4,})", uri)
    for secret in sorted({one for pair in secrets for one in pair if one}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _unreadable(name: str, error: Exception, uri: str = "") -> InputError:
    reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    reason = without_secrets(short(reason.splitlines()[0], 200), uri)
    return InputError(name, f"the file cannot be read ({reason})", "name one that can be read")

"""Where the files of a MovieLens set are: a folder, an archive, or the official home."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recsys.data.config import MovieLensData
from recsys.data.files import content
from recsys.data.progress import Progress, silent
from recsys.errors import InputError
from recsys.settings import Settings, user_path
from recsys.store import file_digest

# What reading an archive raises, depending on the byte that is wrong.
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Facts:
    """What is published about one set.

    folder: the name of its folder and archive. ratings: how many. checksum: of the archive. members: the files that are
    read, each under one of its names.
    """

    folder: str
    ratings: int
    checksum: str
    members: tuple[tuple[str, ...], ...]


TABLES = (("ratings.csv",), ("movies.csv",))
# The md5 sums are those that files.grouplens.org serves beside each archive. latest-small may be replaced in place; its
# sha256 is that of the edition of September 2018, the one with the count below.
FACTS = {
    "movielens-100k": Facts(
        "ml-100k",
        100_000,
        "md5:0e33842e24a9c977be4e0107933c0723",
        (("u.data",), ("u.item",), ("u.user",), ("u.genre",)),
    ),
    "movielens-1m": Facts(
        "ml-1m",
        1_000_209,
        "md5:c4d9eecfca2ab87c1945afe126590906",
        (("ratings.dat", "ratings-seq.dat"), ("movies.dat",), ("users.dat",)),
    ),
    "movielens-latest-small": Facts(
        "ml-latest-small",
        100_836,
        "sha256:696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        TABLES,
    ),
    "movielens-20m": Facts("ml-20m", 20_000_263, "md5:cd245b17a1ae2cc31bb14903e1204af3", TABLES),
    "movielens-25m": Facts("ml-25m", 25_000_095, "md5:6b51fb2759a8657d3bfcbfc42b592ada", TABLES),
    "movielens-32m": Facts("ml-32m", 32_000_204, "md5:d472be332d4daa821edc399621853b57", TABLES),
}


@dataclass(frozen=True)
class Files:
    """The files of one set, in a folder or in an archive; nothing is ever unpacked.

    members: the names they go by, each a choice of names.
    """

    root: Path
    members: tuple[tuple[str, ...], ...]

    def has(self, name: str) -> bool:
        """Whether this file is there."""
        return self._find(name) is not None

    def read(self, name: str) -> tuple[str, bytes]:
        """The name of a file as messages show it, and its bytes.

        Raises InputError where it is missing, or the archive is damaged.
        """
        found = self._find(name)
        if found is None:
            raise InputError(str(self.root), f"there is no {name} in it", "get the official files again")
        if isinstance(found, Path):
            return str(found), content(found)
        try:
            with zipfile.ZipFile(self.root) as archive:
                return f"{self.root}/{found}", archive.read(found)
        except DAMAGED as error:
            raise _damaged(self.root, error) from error

    def missing(self) -> list[str]:
        """The files that are read and are not there."""
        return [names[0] for names in self.members if not any(self.has(name) for name in names)]

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file that is read, or of the archive, by name."""
        if self.root.is_file():
            return {self.root.name: file_digest(self.root)}
        found = [path for names in self.members for path in map(self._find, names) if isinstance(path, Path)]
        return {path.name: file_digest(path) for path in found}

    def _find(self, name: str) -> Path | str | None:
        """The path of a file in the folder, or its member in the archive."""
        if self.root.is_dir():
            path = self.root / name
            return path if path.is_file() else None
        named = [member for member in self._archive() if PurePosixPath(member).name == name]
        return min(named, key=lambda member: (member.count("/"), member), default=None)

    def _archive(self) -> Sequence[str]:
        try:
            with zipfile.ZipFile(self.root) as archive:
                return archive.namelist()
        except DAMAGED as error:
            raise _damaged(self.root, error) from error


def find(config: MovieLensData, settings: Settings, progress: Progress = silent) -> Files:
    """The files of the set: from `path`, else RECSYS_DATA_DIR, else the cache, else downloaded into the cache.

    Raises InputError where `path` does not hold them, RunError where they cannot be downloaded.
    """
    facts = FACTS[config.source]
    if config.path is not None:
        return _given(user_path(config.path, "data.path"), facts)
    if settings.data_dir is not None:
        for root in _roots(user_path(settings.data_dir, "RECSYS_DATA_DIR"), facts):
            return _complete(Files(root, facts.members))
    from recsys.data.download import download

    return Files(download(facts.folder, facts.checksum, settings, progress), facts.members)


def _given(path: Path, facts: Facts) -> Files:
    if not path.exists():
        raise InputError(
            "data.path", f"there is no {path}", f"it is the folder {facts.folder} or the archive {facts.folder}.zip"
        )
    for root in [path] if path.is_file() else [*_roots(path, facts), path]:
        return _complete(Files(root, facts.members))
    raise AssertionError


def _roots(folder: Path, facts: Facts) -> list[Path]:
    """The set's own folder or archive below a folder of downloaded sets."""
    candidates = [folder / facts.folder, folder / f"{facts.folder}.zip"]
    return [path for path in candidates if path.exists()]


def _complete(files: Files) -> Files:
    missing = files.missing()
    if missing:
        raise InputError(
            str(files.root), f"there is no {' and no '.join(missing)} in it", "get the official files again"
        )
    return files


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(str(path), f"the archive is damaged or no zip file ({error})", "delete it and get it again")

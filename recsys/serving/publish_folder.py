"""A folder of published lists: each set a folder of its own, and a link to the one that counts.

    FOLDER/current                                  a link to the newest set; renamed into place, so never half
    FOLDER/.set-20260131T020000.000000Z-7-1f3a9c/   recommendations.parquet, fallback.parquet; never changed
    FOLDER/.set-…                                   the set before, for readers that are still at it

A reader that resolves the link first reads one set, whatever is published meanwhile; see docs/serving.md.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from recsys.errors import InputError, RunError, not_written
from recsys.serving.publish_lists import UserLists

CURRENT = "current"
RECOMMENDATIONS, FALLBACK = "recommendations.parquet", "fallback.parquet"
LOCK = ".publish.lock"
# What a publication makes: sets, sets that are being written, links that are about to be `current`.
SET, UNFINISHED, LINK = ".set-", ".unfinished-", ".current-"
OWN = (SET, UNFINISHED, LINK)


class FolderTarget:
    """A folder that holds one set of lists; there from the first publication on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder / CURRENT)

    def check(self, lists: UserLists) -> None:
        """Raises InputError where something else is there, or nothing can be written."""
        with self._written():
            self.folder.mkdir(parents=True, exist_ok=True)
            foreign = sorted(path.name for path in self.folder.iterdir() if not _is_own(path))
            if foreign:
                message = f"holds something else ({', '.join(foreign[:3])}{' …' if len(foreign) > 3 else ''})"
                raise InputError(str(self.folder), message, "name a folder that holds nothing but published lists")
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise PermissionError(13, os.strerror(13), str(self.folder))

    def put(self, lists: UserLists) -> int:
        """Write a complete set beside the others and point `current` to it; one publication at a time.

        Raises InputError where the folder cannot be written, RunError where the disk is full.
        """
        with self._written(), FileLock(self.folder / LOCK):
            before = self._current()
            self._remove(keep=before)
            name = _name_of(lists)
            unfinished = self.folder / f"{UNFINISHED}{uuid.uuid4().hex}"
            try:
                unfinished.mkdir()
                rows = write_rows(unfinished / RECOMMENDATIONS, lists.schema, lists.tables())
                rows += write_rows(unfinished / FALLBACK, lists.schema, [lists.fallback()])
                _sync(unfinished)
                unfinished.rename(self.folder / name)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            self._point(name)
            self._remove(keep=before, and_keep=name)
        return rows

    def _current(self) -> str | None:
        """The set that counts, or None."""
        link = self.folder / CURRENT
        return str(link.readlink()) if link.is_symlink() else None

    def _point(self, name: str) -> None:
        """Let `current` be this set: a rename replaces a link in one step."""
        link = self.folder / f"{LINK}{uuid.uuid4().hex}"
        try:
            link.symlink_to(name)
            link.replace(self.folder / CURRENT)
        finally:
            link.unlink(missing_ok=True)
        _sync(self.folder)

    def _remove(self, keep: str | None, and_keep: str | None = None) -> None:
        """Remove older sets, and what a killed publication has left."""
        for path in self.folder.iterdir():
            if path.name.startswith(OWN) and path.name not in (keep, and_keep):
                path.unlink() if path.is_symlink() else shutil.rmtree(path)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            expected = not_written(error, self.folder)
            if expected is None:
                raise
            full = isinstance(expected, RunError)
            expected.remedy = "free some space; what was published before stays" if full else "name another folder"
            raise expected from error


def write_rows(file: object, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables to a parquet file, each a row group, and have them on disk; the number of rows.

    file: a path, or a file open for writing.
    """
    rows = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
            rows += len(table)
    return rows


def _is_own(path: Path) -> bool:
    """Whether something in the folder is ours to replace."""
    if path.name == CURRENT:
        return path.is_symlink() and str(path.readlink()).startswith(SET)
    return path.name == LOCK or path.name.startswith(OWN)


def _name_of(lists: UserLists) -> str:
    """The name of a set: when, by which version; and a part of chance, for the same one may be published twice."""
    time = lists.time.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    version = re.sub(r"[^A-Za-z0-9_-]", "-", lists.version)[:40]
    return f"{SET}{time}-{version}-{uuid.uuid4().hex[:6]}"


def _sync(folder: Path) -> None:
    """Have a folder and its files on disk, so that no power cut leaves the link without what it points to."""
    for path in [*(path for path in folder.iterdir() if path.is_file() and not path.is_symlink()), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

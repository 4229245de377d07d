"""Folders that are complete or absent: computed under a lock, verified by hash, moved into place in one step."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from recsys.errors import InputError, not_written, remedy_by_format
from recsys.store.keys import digest, file_digest
from recsys.store.plain import KeyTwiceError, is_format, plain_json

log = logging.getLogger(__name__)

MANIFEST = "store.json"
FORMAT = 1


class Ref(BaseModel):
    """A small reference to a stored folder: what tasks pass instead of frames.

    key: hash of what went in. digest: hash of the files that came out. cached: True where it was there before.
    """

    model_config = ConfigDict(frozen=True)

    stage: str
    key: str
    digest: str
    folder: Path
    cached: bool = False


class Store:
    """Stored folders below one root: `root/<stage>/<key>`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, stage: str, key: str) -> Ref | None:
        """The stored folder, verified file by file, or None where it is absent, damaged or of an earlier format.

        Raises InputError where a newer version has made it, or it does not say which one: to compute it anew would take
        it from that one.
        """
        folder = self.root / stage / key
        if not folder.is_dir():
            return None
        found = _verified(folder)
        if found is None:
            log.warning("%s/%s is damaged or of an earlier format and will be computed anew", stage, key)
            return None
        with contextlib.suppress(OSError):  # a store that may only be read serves as well
            os.utime(folder / MANIFEST)  # `recsys gc` goes by the last use
        return Ref(stage=stage, key=key, digest=found, folder=folder, cached=True)

    def produce(self, stage: str, key: str, build: Callable[[Path], None], fresh: bool = False) -> Ref:
        """The stored folder under this key; where it is absent, or `fresh` is asked for, `build` fills it.

        Two processes with one key: one computes, the other waits and reuses. An exception of `build` leaves nothing.
        Raises RunError where the disk is full, InputError where the folder may not be written.
        """
        parent = self.root / stage
        try:
            parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(parent / f".{key}.lock")
            with lock:
                found = None if fresh else self.get(stage, key)
                if found is not None:
                    return found
                for leftover in parent.glob(f".{key}.*.tmp"):
                    shutil.rmtree(leftover, ignore_errors=True)
                temporary = parent / f".{key}.{uuid.uuid4().hex[:8]}.tmp"
                former = temporary.with_name(f".{key}.gone.tmp")
                temporary.mkdir()
                try:
                    began = time.perf_counter()
                    build(temporary)
                    found_digest = _seal(temporary, stage, key, time.perf_counter() - began)
                    # Renamed first: whoever reads it finds all of it, or nothing.
                    with contextlib.suppress(FileNotFoundError):
                        (parent / key).rename(former)
                    temporary.replace(parent / key)
                    _sync_folder(parent)
                    shutil.rmtree(former, ignore_errors=True)
                finally:
                    shutil.rmtree(temporary, ignore_errors=True)
        except OSError as error:
            raise not_written(error, parent) or error from error
        return Ref(stage=stage, key=key, digest=found_digest, folder=parent / key)

    @contextlib.contextmanager
    def scratch(self, key: str) -> Iterator[Path]:
        """An empty folder for what is needed inside alone, one at a time for a key.

        What a kill leaves of it goes with the next one, or with `recsys gc`.
        """
        parent = self.root / "scratch"
        parent.mkdir(parents=True, exist_ok=True)
        folder = parent / f".{key}.scratch.tmp"
        with FileLock(parent / f".{key}.lock"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def _seal(folder: Path, stage: str, key: str, seconds: float) -> str:
    """Write the manifest of a finished folder, and make both durable; seconds: what it took to build."""
    files = {}
    for path in _files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.relative_to(folder).as_posix()] = {"sha256": file_digest(path), "bytes": path.stat().st_size}
    manifest = {
        "format": FORMAT,
        "stage": stage,
        "key": key,
        "seconds": seconds,
        "files": files,
        "digest": digest(files),
    }
    with (folder / MANIFEST).open("w") as file:
        json.dump(manifest, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(folder)
    return str(manifest["digest"])


def _verified(folder: Path) -> str | None:
    """The digest of a folder that is as it was sealed: every file of its list, no other, and no link."""
    try:
        manifest = _manifest(folder)
        if not is_format(manifest["format"], FORMAT) or digest(manifest["files"]) != manifest["digest"]:
            return None
        if any(path.is_symlink() for path in folder.rglob("*")):
            return None
        if {path.relative_to(folder).as_posix() for path in _files(folder)} != set(manifest["files"]):
            return None
        for name, expected in manifest["files"].items():
            path = folder / name
            if path.stat().st_size != expected["bytes"] or file_digest(path) != expected["sha256"]:
                return None
        return str(manifest["digest"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _manifest(folder: Path) -> dict[str, Any]:
    """What a folder says of itself, of this format or an earlier one.

    Raises OSError or ValueError where it says nothing or was torn, InputError where its format is not known here.
    """
    remedy = f"remove the folder {folder}, and it is computed anew"
    try:
        found = plain_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except KeyTwiceError as error:
        raise InputError(str(folder / MANIFEST), str(error), remedy) from error
    number = found.get("format") if isinstance(found, dict) else None
    if type(number) is not int or number > FORMAT:
        said = "does not say its format" if number is None else f"is of format {number!r:.100}"
        raise InputError(str(folder), f"{said}, and {FORMAT} is known", remedy_by_format(number, FORMAT, remedy))
    return found


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

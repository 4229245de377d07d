"""Folders in a place that every machine of a cluster sees: a bucket, or a file system of the network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from recsys.errors import InputError, RunError
from recsys.settings import shown_address
from recsys.store import Ref, Store, file_digest
from recsys.store.folders import MANIFEST

PLACE = "RECSYS_SHARED"


class Shared:
    """A place that RECSYS_SHARED names, an fsspec URI; credentials come from the environment of each machine.

    `inputs/<stage>/<digest>/` holds stored folders: their manifest is written last, and whoever finds it finds the
    rest. `files/<digest><ending>` holds single files. Other names are the caller's. Raises InputError where the URI
    means nothing here, and RunError, from every method, where the place cannot be read or written.
    """

    def __init__(self, uri: str) -> None:
        import fsspec.core

        self.uri = shown_address(uri)  # it may hold a secret
        try:
            # Listings that were kept would hide what another machine has written since.
            self._system, self._root = fsspec.core.url_to_fs(uri, use_listings_cache=False)
        except ImportError as error:
            message = f"{uri.split('://', 1)[0]}:// needs a package ({error})"
            raise InputError(PLACE, message, "install it on every machine") from error
        except ValueError as error:
            message = f"'{self.uri}' is no address of files"
            raise InputError(PLACE, message, "see fsspec.io for those there are") from error

    def offer(self, ref: Ref) -> None:
        """Have a stored folder there."""
        name = _input(ref)
        if not self.has(f"{name}/{MANIFEST}"):
            self.push(ref.folder, name)
            self._push_file(ref.folder / MANIFEST, f"{name}/{MANIFEST}")

    def offer_file(self, path: Path) -> str:
        """Have a file there; its name: digest and endings."""
        name = file_digest(path) + "".join(path.suffixes)
        if not self.has(f"files/{name}"):
            self._push_file(path, f"files/{name}")
        return name

    def fetch(self, ref: Ref, store: Store) -> Ref:
        """A stored folder of another machine in the store of this one, each byte of it the same.

        Raises RunError where what came is something else.
        """

        def build(folder: Path) -> None:
            self.pull(_input(ref), folder)
            (folder / MANIFEST).unlink()

        found = store.produce(ref.stage, ref.key, build)
        if found.digest != ref.digest:  # a store of this machine's own has another build of the same key
            found = store.produce(ref.stage, ref.key, build, fresh=True)
        if found.digest != ref.digest:
            message = f"the {ref.stage} there has digest {found.digest[:12]}, and {ref.digest[:12]} is needed"
            raise RunError(self.uri, message, f"delete {_input(ref)} there and run again")
        return found

    def fetch_file(self, name: str, folder: Path) -> Path:
        """A file that was offered, in a folder of this machine. Raises RunError where its bytes are others now."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        self._pull_file(f"files/{name}", path)
        if file_digest(path) != name.partition(".")[0]:
            raise RunError(self.uri, f"files/{name} is damaged", "delete it there and run again")
        return path

    def push(self, folder: Path, name: str) -> dict[str, str]:
        """Copy all files of a folder but its manifest there; their digests by name."""
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        files.pop(MANIFEST, None)
        for relative, path in files.items():
            self._push_file(path, f"{name}/{relative}")
        return {relative: file_digest(path) for relative, path in files.items()}

    def pull(self, name: str, folder: Path) -> dict[str, str]:
        """Copy all files of that name below a folder of this machine; their digests by name."""
        top = f"{self._root}/{name}"
        with self._told("read"):
            found = [PurePosixPath(path).relative_to(top) for path in self._system.find(top)]
        for relative in found:
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            self._pull_file(f"{name}/{relative}", folder / relative)
        return {str(relative): file_digest(folder / relative) for relative in found}

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        with self._told("read"):
            return bool(self._system.isfile(f"{self._root}/{name}"))

    def remove(self, name: str) -> None:
        """Remove a folder, where it is there."""
        with self._told("written"):
            if self._system.exists(f"{self._root}/{name}"):
                self._system.rm(f"{self._root}/{name}", recursive=True)

    def _push_file(self, path: Path, name: str) -> None:
        target = f"{self._root}/{name}"
        with self._told("written"):
            if self._system.protocol in ("file", ("file", "local")):  # a bucket has no folders, and is not ours to make
                self._system.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            self._system.put_file(str(path), target)

    def _pull_file(self, name: str, path: Path) -> None:
        with self._told("read"):
            self._system.get_file(f"{self._root}/{name}", str(path))

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # every file system has its own errors
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise RunError(
                PLACE, f"{self.uri} cannot be {what} ({lines[0]})", "check the address and its credentials"
            ) from error


def _input(ref: Ref) -> str:
    return f"inputs/{ref.stage}/{ref.digest}"

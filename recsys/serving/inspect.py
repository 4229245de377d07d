"""Look a folder over before anything in it is opened: nothing but the files it lists, as they were written."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path, PurePosixPath

import psutil
from pydantic import ValidationError

from recsys.errors import InputError, RunError, remedy_by_format
from recsys.serving.about import ABOUT, FORMAT, About
from recsys.store import KeyTwiceError, file_digest, is_format, plain_json
from recsys.store.folders import MANIFEST

REMEDY = "make it again: recsys retrain SPEC"
LARGEST_ABOUT = 1_000_000
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
        raw = plain_json(text)
        if not isinstance(raw, dict) or type(raw.get("format")) is not int:
            raise InputError(str(place), "is no description of a bundle", REMEDY)
    except KeyTwiceError as error:
        raise InputError(str(place), str(error), REMEDY) from error
    except (OSError, ValueError) as error:
        raise InputError(str(place), "is no description of a bundle", REMEDY) from error
    if not is_format(raw["format"], FORMAT):
        message = f"describes a bundle of format {raw['format']}, and {FORMAT} is known"
        raise InputError(str(place), message, remedy_by_format(raw["format"], FORMAT, REMEDY))
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


def files_of(folder: Path) -> dict[str, int]:
    """Every file below a folder and its size, but for the description and a store's own. Raises InputError."""
    found = {}
    waiting = [folder]
    while waiting:
        for entry in os.scandir(waiting.pop()):
            path = Path(entry.path)
            name = path.relative_to(folder).as_posix()
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                raise InputError(str(path), "is a link or a special file", f"a bundle holds plain files only; {REMEDY}")
            if entry.is_dir():
                waiting.append(path)
            elif name not in (ABOUT, MANIFEST):
                found[name] = entry.stat().st_size
    return found

"""The two kinds of expected failure, and the wording they share."""

from __future__ import annotations

import difflib
import errno
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class ExpectedError(Exception):
    """A failure that one message explains: where, what is wrong, and what to do.

    place: the file, field or row. message: what is wrong there, with the value. remedy: the next step, or None. answer:
    what was reached all the same, for a command that answers in JSON.
    """

    exit_status = 1
    answer: Mapping[str, Any] | None = None

    def __init__(self, place: str, message: str, remedy: str | None = None) -> None:
        super().__init__(place, message, remedy)
        self.place, self.message, self.remedy = place, message, remedy

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}; {self.remedy}" if self.remedy else text

    def as_dict(self) -> dict[str, str | None]:
        """The members of `error` in the JSON that a failed command prints."""
        return {"place": self.place, "message": self.message, "remedy": self.remedy}


class InputError(ExpectedError):
    """The input is wrong: a spec, a table, a setting, an argument. Exit status 2."""

    exit_status = 2


class RunError(ExpectedError):
    """The input is right and it failed while running: a time limit, a full disk, a server gone. Exit status 1."""


class NotANumberError(ValueError):
    """What a model gives holds NaN, or infinity where a number is needed."""


def remedy_by_format(found: object, known: int, older: str) -> str:
    """What to do about a file of a format that is not known here. older: about one of an earlier format.

    >>> remedy_by_format(2, 1, "fit the model again")
    'it was made by a newer version of this project: upgrade this one'
    >>> remedy_by_format(0, 1, "fit the model again")
    'fit the model again'
    """
    is_newer = isinstance(found, int | float) and found > known
    return "it was made by a newer version of this project: upgrade this one" if is_newer else older


def require_regular(path: Path) -> None:
    """Raise InputError where a path is a pipe, a device or a socket: reading that may never end, nor twice be alike."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(str(path), "is a pipe, a device or a socket", "write what it brings to a file, and name that")


FULL = {errno.ENOSPC, errno.EDQUOT}
LEAST_FREE = 8_000_000
FORBIDDEN = {
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}


def is_of_kernel(place: str) -> bool:
    """Whether a path is in a file system of the kernel's: there a folder cannot be made, as if none was above it."""
    return Path(place).absolute().parts[:2] in (("/", "proc"), ("/", "sys"))


def not_written(error: OSError, place: object) -> ExpectedError | None:
    """What to say where a file cannot be written; None where the error is of another kind.

    A full disk is RunError: what is finished stays. A place that may not be written is InputError.
    """
    # Of two names the second is what a finished file was to be renamed to.
    where, why = str(error.filename2 or error.filename or place), error.strerror or str(error)
    if error.errno in FULL:
        return RunError(where, f"cannot be written ({why})", "free some space; what is finished stays")
    if error.errno in FORBIDDEN or (error.errno == errno.ENOENT and is_of_kernel(where)):
        return InputError(where, f"cannot be written ({why})", "choose a folder that can be: RECSYS_HOME, or --out")
    return None


def disk_full(folder: Path) -> RunError | None:
    """What to say where the disk of a folder has next to nothing left; None where that is not the trouble."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE:
        return None
    message = f"its disk is full, {free / 1e6:.1f} MB are free"
    return RunError(str(folder), message, "free some space; what is finished stays")


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely means, or None where nothing is close.

    >>> nearest("epochz", ["epochs", "batch_size"])
    'epochs'
    """
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A remedy that names the nearest known name, and all of them.

    >>> did_you_mean("epochz", ["batch_size", "epochs"])
    "did you mean 'epochs'? Known: batch_size, epochs"
    """
    known = sorted(known)
    close = nearest(name, known)
    listed = "Known: " + ", ".join(known)
    return f"did you mean '{close}'? {listed}" if close else listed

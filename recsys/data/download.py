"""Downloads that go on where they stopped, and are used only when their checksum is right."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from recsys.data.progress import Progress, silent
from recsys.errors import ExpectedError, InputError, RunError, not_written
from recsys.settings import Settings

CHUNK = 1 << 18
BUSY = frozenset({408, 429, 500, 502, 503, 504})


def download(name: str, checksum: str, settings: Settings, progress: Progress = silent) -> Path:
    """The archive of a MovieLens set in the cache, downloaded and verified unless it is there.

    checksum: such as "md5:…". A download that was cut goes on at its last byte. Raises RunError, in seconds where there
    is no network, with the address, the place where the archive is expected, and what else can be done; and InputError
    where that place may not be written.
    """
    target = settings.cache / "movielens" / f"{name}.zip"
    if target.is_file():
        return target
    url = f"{settings.movielens_url.rstrip('/')}/{name}.zip"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f".{name}.lock"):
            return target if target.is_file() else _retrieve(url, target, checksum, progress)
    except OSError as error:
        raise _not_kept(error, target) from error


def _retrieve(url: str, target: Path, checksum: str, progress: Progress) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    part = target.with_name(f"{target.name}.part")
    # What an earlier attempt left may be of another file: then the whole is fetched once more.
    for _ in range(2 if part.exists() else 1):
        try:
            pooch.retrieve(url, checksum, target.name, target.parent, downloader=Resuming(part, target, progress))
            return target
        except ValueError:
            part.unlink(missing_ok=True)
    raise _failed(url, target, f"what it serves has not the published checksum {checksum}")


@dataclass(frozen=True)
class Resuming:
    """A downloader for pooch that keeps what it has in `part` and asks for the rest.

    target: where the file will be, for messages. attempts: how often in a row it may get nothing. pause: seconds before
    the second attempt, doubled for each further one. timeout: seconds without a byte.
    """

    part: Path
    target: Path
    progress: Progress = silent
    attempts: int = 4
    pause: float = 0.5
    timeout: float = 10.0

    def __call__(self, url: str, output_file: str, _: Any = None) -> None:
        """Fetch url to output_file. Raises RunError when it has got nothing for too many attempts."""
        failures = 0
        while True:
            before = self._have()
            try:
                if self._fetch(url):
                    break
                reason = "the connection was cut"
            except urllib.error.HTTPError as error:
                reason = f"{error.code} {error.reason}"
                if error.code not in BUSY:
                    raise _failed(url, self.target, reason) from error
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                reason = str(getattr(error, "reason", None) or error or type(error).__name__)
                if not before and _is_hopeless(error):
                    raise _failed(url, self.target, reason) from error
            failures = 1 if self._have() > before else failures + 1
            if failures >= self.attempts:
                raise _failed(url, self.target, reason)
            time.sleep(self.pause * 2 ** (failures - 1))
        self.part.replace(output_file)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _fetch(self, url: str) -> bool:
        """Append what is missing; True where the file is whole."""
        have = self._have()
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        try:
            response = urllib.request.urlopen(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            if error.code != 416:
                raise
            # Nothing follows the last byte we have: the file is whole, or ours is longer and of another one.
            whole = error.headers.get("Content-Range", "").rpartition("/")[2] == str(have)
            if not whole:
                self.part.unlink()
            return whole
        with response:
            resumed = response.status == 206
            length = response.headers.get("Content-Length")
            have = have if resumed else 0
            total = have + int(length) if length else None
            with self.part.open("ab" if resumed else "wb") as file:
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    self.progress(f"downloading {url}", have, total)
        return total is None or have >= total


def _is_hopeless(error: Exception) -> bool:
    """Whether another attempt would only cost time: no such host, nobody there, no trust."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, ssl.SSLError) or (
        isinstance(reason, OSError) and not isinstance(reason, ConnectionResetError)
    )


def _not_kept(error: OSError, target: Path) -> ExpectedError:
    remedy = "set RECSYS_HOME elsewhere, or name the folder or archive where it is: data.path, or RECSYS_DATA_DIR"
    expected = not_written(error, target)
    if isinstance(expected, RunError):  # the disk is full
        return expected
    kind = RunError if expected is None else InputError
    return kind(str(error.filename or target), f"cannot be written ({error.strerror or error})", remedy)


def _failed(url: str, target: Path, reason: str) -> RunError:
    return RunError(
        url,
        f"cannot be downloaded ({reason})",
        f"get it by other means and put it at {target}, or name the folder or archive where it is: data.path, or "
        "RECSYS_DATA_DIR for the folder above it",
    )

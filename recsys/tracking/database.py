"""MLflow's SQLite file, which appears complete or not at all."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from filelock import FileLock

from recsys.errors import InputError, RunError, disk_full
from recsys.processes import end, end_with_parent, python, start_leashed
from recsys.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

ANEW = "put a copy of it there, or move it away: that begins without its records"
"""What to do about a damaged one."""
MALFORMED = "image is malformed"
"""What SQLite says of one that is damaged."""
OTHER_SCHEMA = "out-of-date database schema"
"""What MLflow says of a database that an older or a newer version of it has made."""


def ensure_database(settings: Settings) -> None:
    """Make MLflow's database where the home has none and keeps MLflow's records itself.

    The schema takes seconds, and a kill in between would leave a file that MLflow can neither use nor repair: it is
    made under another name, in a process that ends with this one, and renamed. Raises RunError where that fails.
    """
    database, log = settings.database, settings.logs / "mlflow-database.log"
    if database.exists() or not settings.owns_tracking:
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(database.with_suffix(".lock")):
        if database.exists():
            return
        for leftover in database.parent.glob(f".{database.name}.*"):
            leftover.unlink(missing_ok=True)
        temporary = database.with_name(f".{database.name}.{uuid.uuid4().hex[:8]}")
        with log.open("ab") as output:
            maker = start_leashed(python("recsys.tracking.database", str(temporary)), settings.processes, output=output)
        try:
            returncode = maker.wait()
            full = disk_full(database.parent) if returncode != 0 else None
        finally:
            end(maker, settings.processes)
        if returncode != 0:
            temporary.unlink(missing_ok=True)
            raise full or RunError(str(database), "MLflow could not make its database", f"see {log}")
        temporary.replace(database)


def require_sound(database: Path, remedy: str) -> None:
    """Raise InputError where a file is no database of SQLite, or has lost its end; one that has not begun is sound.

    The header alone is looked at (https://sqlite.org/fileformat2.html, section 1.3): that takes no time.
    """
    if not database.exists():
        return
    if not database.is_file():
        raise InputError(str(database), "is no file, and should be a database", remedy)
    size = database.stat().st_size
    if size == 0:
        return
    with database.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise InputError(str(database), "is no database of SQLite", remedy)
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    is_known = header[24:28] == header[92:96]  # else another library has written, and the number of pages is an old one
    waits = any(database.with_name(f"{database.name}-{kind}").exists() for kind in ("wal", "journal"))
    if is_known and not waits and size < pages * (65536 if page == 1 else page):
        raise InputError(str(database), f"has lost its end: {size:,} bytes are left of it", remedy)


def require_records(settings: Settings) -> None:
    """Raise InputError where the home keeps MLflow's records itself, and its database is damaged or of another home."""
    database = settings.database
    if not settings.owns_tracking:
        return
    require_sound(database, ANEW)
    if database.exists() and database.stat().st_size == 0:  # ours appears complete or not at all
        raise InputError(str(database), "is empty, and had records in it", ANEW)
    if database.exists():
        _require_own_files(settings)


def _require_own_files(settings: Settings) -> None:
    """Raise InputError where the home was moved or copied: MLflow keeps absolute addresses, and would read and write
    at the old place."""
    try:
        with _opened(settings.database) as connection:
            asked = "SELECT artifact_location FROM experiments WHERE name LIKE 'recsys/%'"
            places = [unquote(urlparse(place).path) for (place,) in connection.execute(asked) if place]
    except sqlite3.Error:
        return  # whoever asks MLflow hears what is wrong
    for place in places:
        before, there, _ = place.rpartition("/artifacts/")
        home = Path(before)
        if there and not (home.exists() and home.samefile(settings.root)):
            message = f"was {home} when MLflow noted where its files are"
            raise InputError(str(settings.root), message, f"move the home back, or make {home} a link to it")


@contextlib.contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    # Not mode=ro: what a kill left half-written has to be rolled back before anything can be read.
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=10)) as connection:
        yield connection


def damaged(error: Exception, settings: Settings) -> InputError | None:
    """What to say where SQLite finds in the middle of MLflow's records that they are damaged; None of another error."""
    cause = getattr(error, "orig", None)
    if not isinstance(cause, sqlite3.DatabaseError) or MALFORMED not in str(cause):
        return None
    return InputError(_where(settings), f"is damaged ({cause})", ANEW)


def _where(settings: Settings) -> str:
    return str(settings.database) if settings.owns_tracking else settings.mlflow_place


def require_server(settings: Settings) -> None:
    """Where the environment names a tracking server, one has to answer there: MLflow itself tries for minutes.

    Raises RunError where none does.
    """
    uri = settings.mlflow_uri
    if not uri.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(f"{settings.mlflow_place.rstrip('/')}/health", timeout=10).close()
    except urllib.error.HTTPError:
        return  # somebody answers; what may be asked there is another matter
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise RunError(
            f"MLFLOW_TRACKING_URI {settings.mlflow_place}", f"no answer ({reason})", "start that server, or unset it"
        ) from None


def connected(settings: Settings) -> MlflowClient:
    """MLflow's client for this installation. Raises InputError where another version of MLflow made the database, or it
    is damaged."""
    require_records(settings)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    place = settings.mlflow_place
    try:
        return MlflowClient(settings.mlflow_uri)
    except MlflowException as error:
        if OTHER_SCHEMA not in str(error):
            said = str(error).splitlines()[0].replace(settings.mlflow_uri, place)
            raise RunError(f"MLflow at {place}", said, "is it there?") from error
        raise other_mlflow(_where(settings), place) from error


def other_mlflow(where: str, place: str) -> InputError:
    """What to say where MLflow says OTHER_SCHEMA of a database; place: its address."""
    message = f"is of another version of MLflow than the {version('mlflow')} that is installed"
    remedy = f"of an older one: back it up, then `mlflow db upgrade {place}`; of a newer one: install that"
    return InputError(where, message, remedy)


def run_status(database: Path, run_id: str) -> str | None:
    """The status of a run, read from the file without importing MLflow; None where there is no such run."""
    if not database.exists():
        return None
    try:
        with _opened(database) as connection:
            row = connection.execute(
                "SELECT status FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'", (run_id,)
            ).fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None


def _make(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{path}", str(path.parent / "artifacts"))  # type: ignore[no-untyped-call]
    store.engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")


if __name__ == "__main__":
    end_with_parent()
    gc.disable()
    _make(Path(sys.argv[1]))

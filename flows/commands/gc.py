"""`recsys gc`: free the space of what can be computed again."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from flows.command import Speech
from flows.flow_runs import oldest_at_work
from recsys.settings import Settings

DAY = 86_400.0


def run(days: float, dry_run: bool, speech: Speech) -> None:
    """Remove stored stages, checkpoints and logs that nobody has used for so many days, and what kills have left of
    stages; never what is in use.

    In use is what somebody fills at this moment, and all that was used since the oldest run at work was started: a run
    marks what it reads, and reads it again later. Results in runs/, MLflow's records and the registry are left alone:
    `mlflow gc` is for those.
    """
    settings = Settings()
    # In this order: what begins after the look at the runs uses nothing before that time.
    before = time.time() - days * DAY
    before = min(before, oldest_at_work(settings))
    removed, freed = [], 0
    for path in sorted(_entries(settings)):
        with contextlib.suppress(Timeout, FileNotFoundError), _lock(path, settings):
            if not _is_temporary(path) and _last_use(path) >= before:
                continue
            size = _size(path)
            if not dry_run:
                _remove(path)
            removed.append(str(path.relative_to(settings.root)))
            freed += size
    would = "would be removed" if dry_run else "removed"
    speech.say(f"{len(removed):,} entries not used for {days:g} days {would}, {freed / 1e6:,.1f} MB")
    speech.answer({"removed": removed, "bytes": freed, "dry_run": dry_run})


def _entries(settings: Settings) -> Iterator[Path]:
    for folder in (settings.logs, settings.checkpoints, *_folders(settings.store)):
        if folder.is_dir():
            yield from (path for path in folder.iterdir() if path.suffix != ".lock")


def _lock(path: Path, settings: Settings) -> AbstractContextManager[object]:
    """What whoever computes this entry holds; nothing for a log."""
    if path.parent == settings.logs:
        return nullcontext()
    stage = settings.store / "fit" if path.parent == settings.checkpoints else path.parent
    key = path.name.split(".")[1] if _is_temporary(path) else path.name
    return FileLock(stage / f".{key}.lock").acquire(timeout=0)


def _is_temporary(path: Path) -> bool:
    """Whether this is a folder `.<key>.<what>.tmp`, being filled or removed; one whose lock is free a kill has left."""
    return path.name[0] == "." and path.suffix == ".tmp"


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []


def _last_use(path: Path) -> float:
    """The store touches a folder's manifest whenever it is read."""
    manifest = path / "store.json"
    return (manifest if manifest.exists() else path).stat().st_mtime


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        # Renamed first: a folder is complete or absent, whoever looks at it.
        doomed = path if _is_temporary(path) else path.with_name(f".{path.name}.gone.tmp")
        path.rename(doomed)
        shutil.rmtree(doomed)
    else:
        path.unlink()

"""`recsys gc`: free the space of what can be computed again."""

from __future__ import annotations

import shutil
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from flows.command import Speech
from recsys.settings import Settings

DAY = 86_400.0


def run(days: float, dry_run: bool, speech: Speech) -> None:
    """Remove stored stages, checkpoints and logs that nobody has used for so many days; never what is in use.

    Results in runs/, MLflow's records and the registry are left alone: `mlflow gc` is for those.
    """
    settings = Settings()
    before = time.time() - days * DAY
    removed, freed = [], 0
    for path in _old(settings, before):
        try:
            with _lock(path, settings):
                size = _size(path)
                if not dry_run:
                    _remove(path)
        except Timeout:
            continue
        removed.append(str(path.relative_to(settings.root)))
        freed += size
    would = "would be removed" if dry_run else "removed"
    speech.say(f"{len(removed):,} entries not used for {days:g} days {would}, {freed / 1e6:,.1f} MB")
    speech.answer({"removed": removed, "bytes": freed, "dry_run": dry_run})


def _lock(path: Path, settings: Settings) -> AbstractContextManager[object]:
    """What whoever computes this entry holds; nothing for a log."""
    if path.parent == settings.logs:
        return nullcontext()
    stage = settings.store / "fit" if path.parent == settings.checkpoints else path.parent
    return FileLock(stage / f".{path.name}.lock").acquire(timeout=0)


def _old(settings: Settings, before: float) -> list[Path]:
    folders = [settings.logs, settings.checkpoints, *_folders(settings.store)]
    entries = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return sorted(path for path in entries if path.suffix != ".lock" and _last_use(path) < before)


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
        doomed = path.with_name(f".{path.name}.gone.tmp")
        path.rename(doomed)
        shutil.rmtree(doomed)
    else:
        path.unlink()

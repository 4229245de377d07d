"""From the section `data` of an experiment to a Dataset, whatever its source.

Nothing heavy is imported until a table is read: `inputs` is asked at every start of a finished experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from recsys.data import files, movielens_files
from recsys.data.config import Columns, DataConfig, MovieLensData, Predefined, SyntheticData, TableData
from recsys.data.progress import Progress, silent
from recsys.errors import RunError
from recsys.settings import Settings

if TYPE_CHECKING:
    from recsys.data.dataset import Dataset
    from recsys.data.raw import Raw

PARTS = {"test": 1, "validation": 2}


def load(
    config: DataConfig,
    predefined: Predefined | None,
    settings: Settings,
    progress: Progress = silent,
    expected: Mapping[str, str] | None = None,
) -> Dataset:
    """Read the source, join the files of a predefined split, and build the data set.

    expected: what `inputs` said before; where the files say otherwise now, they were written while they were read.
    Raises InputError where the files or the options are wrong, RunError where a download fails or files change.
    """
    from recsys.data.build import build

    data = build(read(config, predefined, settings, progress), config)
    if expected is not None:
        _refuse_changed(expected, inputs(config, predefined, settings))
    return data


def read(config: DataConfig, predefined: Predefined | None, settings: Settings, progress: Progress = silent) -> Raw:
    """What the source holds, and the rows of a predefined split behind it, before anything is checked or filtered.

    Raises InputError and RunError as `load` does.
    """
    raw = _source(config, settings, progress)
    if predefined is None:
        return raw
    from recsys.data.table import join, read_part

    columns = config.columns if isinstance(config, TableData) else Columns()
    added = {PARTS[name]: read_part(path, f"split.{name}", columns, raw) for name, path in _paths(predefined).items()}
    interactions = join({0: raw.interactions} | {part: frame for part, (frame, _) in added.items()})
    origins = (*raw.rows_of_interactions(), *(origin for _, own in added.values() for origin in own))
    return replace(raw, interactions=interactions, origins={**raw.origins, "interactions": origins})


def inputs(
    config: DataConfig, predefined: Predefined | None, settings: Settings, progress: Progress = silent
) -> dict[str, str]:
    """SHA-256 of every input file, by role and name (without folder); empty for a made world.

    The order is that of reading. A set that is not here yet is downloaded.

    Raises InputError where a file is missing, RunError where a download fails.
    """
    found: dict[str, str] = {}
    if isinstance(config, MovieLensData):
        found |= movielens_files.find(config, settings, progress).digests()
    if isinstance(config, TableData):
        for name in ("interactions", "items", "users", "sessions"):
            found |= _digests(getattr(config, name), f"data.{name}")
    if predefined is not None:
        for name, path in _paths(predefined).items():
            found |= _digests(path, f"split.{name}")
    return found


def _refuse_changed(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        raise RunError(changed[0], "the file changed while it was read", "run again when nobody writes to it")


def _paths(predefined: Predefined) -> dict[str, str]:
    return {name: path for name in PARTS if (path := getattr(predefined, name)) is not None}


def _digests(path: str | None, field: str) -> dict[str, str]:
    if path is None:
        return {}
    found = files.find(path, field)
    role = field.split(".")[-1]
    numbers = [""] if len(found) == 1 else [f" {number}" for number in range(1, len(found) + 1)]
    return {
        f"{role}{number}: {PurePosixPath(file.name).name}": file.digest()
        for number, file in zip(numbers, found, strict=True)
    }


def _source(config: DataConfig, settings: Settings, progress: Progress) -> Raw:
    if isinstance(config, MovieLensData):
        from recsys.data import movielens

        return movielens.read(config.source, movielens_files.find(config, settings, progress))
    if isinstance(config, SyntheticData):
        from recsys.data import synthetic

        return synthetic.load(config)
    from recsys.data import table

    return table.read(config)

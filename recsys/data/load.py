"""From the section `data` of an experiment to a Dataset, whatever its source.

Nothing heavy is imported until a table is read: `inputs` is asked at every start of a finished experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from recsys.data import files, movielens_files
from recsys.data.config import (
    Columns,
    DataConfig,
    MovieLensData,
    NotebookData,
    Predefined,
    SqlData,
    SyntheticData,
    TableData,
)
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
    as_of: int | None = None,
) -> Dataset:
    """Read the source, join the files of a predefined split, and build the data set.

    expected: what `inputs` said before, for the same time; where the source says otherwise now, it was written to while
    it was read. A file counts as a whole for that, whatever the times of its rows; asking `inputs` anew and loading
    again is the way on. as_of: microseconds since 1970, UTC; rows whose own time is later are left out before anything
    else happens to them, so that the data set is the same, byte for byte, whether they are there or not: duplicates,
    counts and even wrong values among them play no part. A row that arrives late belongs to every data set as of its
    time or after, from then on.

    Raises InputError where the files or the options are wrong, or where `as_of` is asked of a source without times;
    RunError where a download fails, a database is lost, or the source changes.
    """
    from recsys.data.build import build

    raw = read(config, predefined, settings, progress, as_of)
    data = build(raw, config)
    if expected is not None:
        # A database tells in the very snapshot that was read; of files it can only be asked afterwards.
        now = {**raw.digests, **_of_split(predefined)} if raw.digests else inputs(config, predefined, settings)
        _refuse_changed(expected, now, isinstance(config, SqlData), as_of)
    return data


def read(
    config: DataConfig,
    predefined: Predefined | None,
    settings: Settings,
    progress: Progress = silent,
    as_of: int | None = None,
) -> Raw:
    """What the source holds, and the rows of a predefined split behind it, before anything is checked or filtered.

    as_of: as in `load`, and for the files of a predefined split too. Raises InputError and RunError as `load` does.
    """
    raw = _source(config, settings, progress, as_of)
    if predefined is None:
        return raw
    from recsys.data.table import join, read_part

    columns = config.columns if isinstance(config, TableData | SqlData) else Columns()
    added = {
        PARTS[name]: read_part(path, f"split.{name}", columns, raw, as_of) for name, path in _paths(predefined).items()
    }
    interactions = join({0: raw.interactions} | {part: frame for part, (frame, _) in added.items()})
    origins = (*raw.rows_of_interactions(), *(origin for _, own in added.values() for origin in own))
    return replace(raw, interactions=interactions, origins={**raw.origins, "interactions": origins})


def inputs(
    config: DataConfig,
    predefined: Predefined | None,
    settings: Settings,
    progress: Progress = silent,
    as_of: int | None = None,
) -> dict[str, str]:
    """SHA-256 of every input, by role and name: of a file (without its folder), or of what a table of a database holds.

    The order is that of reading; empty for a made world. A file is digested as a whole; of the interactions in a
    database only the rows up to `as_of` count, whatever their order. A set that is not here yet is downloaded.

    Raises InputError where a file or table is missing, RunError where a download fails or a database is lost.
    """
    found: dict[str, str] = {}
    if isinstance(config, MovieLensData):
        found |= movielens_files.find(config, settings, progress).digests()
    if isinstance(config, TableData):
        for name in ("interactions", "items", "users", "sessions"):
            found |= _digests(getattr(config, name), f"data.{name}")
    if isinstance(config, SqlData):
        from recsys.data import sql

        found |= sql.inputs(config, settings, as_of, progress)
    return found | _of_split(predefined)


def _of_split(predefined: Predefined | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if predefined is not None:
        for name, path in _paths(predefined).items():
            found |= _digests(path, f"split.{name}")
    return found


def _refuse_changed(before: Mapping[str, str], now: Mapping[str, str], database: bool, as_of: int | None) -> None:
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if not changed:
        return
    if database:
        remedy = "run again, or ask for rows up to a time" if as_of is None else "run again"
        raise RunError(changed[0], "its rows changed while they were read", remedy)
    if len(before) != len(now):
        number = f"{len(now)} files in place of {len(before)}"
        raise RunError(changed[-1], f"files came or went while they were read: {number}", "run again")
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


def _source(config: DataConfig, settings: Settings, progress: Progress, as_of: int | None) -> Raw:
    if isinstance(config, TableData):
        from recsys.data import table

        return table.read(config, as_of)
    if isinstance(config, SqlData):
        from recsys.data import sql

        return sql.read(config, settings, as_of, progress)
    if isinstance(config, SyntheticData):
        from recsys.data import synthetic

        raw = synthetic.load(config)
    elif isinstance(config, NotebookData):
        from recsys.data import notebook

        raw = notebook.load(config)
    else:
        from recsys.data import movielens

        raw = movielens.read(config.source, movielens_files.find(config, settings, progress))
    if as_of is None:
        return raw
    from recsys.data.as_of import cut

    return cut(raw, as_of)

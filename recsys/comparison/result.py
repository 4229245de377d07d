"""What a comparison leaves: the files of its folder, and how to read them back."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys.data.config import DataOptions, TableData
from recsys.data.files import refuse_among
from recsys.errors import InputError, is_of_kernel, not_written
from recsys.settings import Settings
from recsys.store import Ref, file_digest, plain_json, replacing

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"
DIGESTED = ("leaderboard.csv", "recommendations.parquet", "per_user.parquet", "spec.yaml")
FILES = (MANIFEST, *DIGESTED, "report.html")


@dataclass(frozen=True)
class Comparison:
    """A finished comparison in its folder."""

    out: Path
    run_key: str
    run_id: str
    cached: bool = False

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """A row a label, best first."""
        return read_leaderboard(self.out / "leaderboard.csv")

    @cached_property
    def recommendations(self) -> pd.DataFrame:
        """model, seed, fold, user, item, rank, score."""
        import pandas as pd

        return pd.read_parquet(self.out / "recommendations.parquet")

    @cached_property
    def per_user(self) -> pd.DataFrame:
        """model, seed, fold, user and a column a metric."""
        import pandas as pd

        return pd.read_parquet(self.out / "per_user.parquet")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Fingerprints, versions, seeds, threads, accounts and warnings."""
        return json.loads((self.out / "manifest.json").read_text())

    @property
    def failures(self) -> dict[str, str]:
        """Why models failed, by label."""
        return dict(self.manifest["failures"])


def read_leaderboard(path: Path) -> pd.DataFrame:
    """A written leaderboard, numbers exactly as they were; a label such as 7 or NA stays a text."""
    import pandas as pd

    texts = dict.fromkeys(("model", "status", "group", "mlflow_run_id"), "str")
    return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[""])


def write_manifest(folder: Path, about: Mapping[str, Any]) -> None:
    """Write manifest.json when the other files are there, with the SHA-256 of each for `require_as_written`."""
    digests = {name: file_digest(folder / name) for name in DIGESTED}
    (folder / MANIFEST).write_text(json.dumps({**about, "files": digests}, indent=1, sort_keys=True))


def require_as_written(found: Comparison) -> None:
    """Raise InputError where a file of a comparison is not the one that its manifest was written for."""
    remedy = "put it back as it was, or compare again into a new folder"
    try:
        digests = dict(found.manifest.get("files", {}))  # manifests of before have none
    except (ValueError, TypeError, AttributeError):
        raise InputError(str(found.out / MANIFEST), "is not that of one comparison", remedy) from None
    for name in DIGESTED if digests else ():
        if file_digest(found.out / name) != digests.get(name):
            raise InputError(str(found.out / name), "was changed after the comparison wrote it", remedy)


def deliver(refs: Sequence[Ref], out: Path, files: Sequence[str] = FILES) -> None:
    """Copy stored files of these names to the folder `out`, as `copy_into` does."""
    copy_into([path for ref in refs for path in ref.folder.iterdir() if path.name in files], out)


def copy_into(sources: Iterable[Path], out: Path) -> None:
    """Copy files to the folder `out`, each in one step: the manifest first, by which `require_place` knows the rest.

    Raises RunError where the disk is full, InputError where the folder may not be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for source in sorted(sources, key=lambda path: path.name != MANIFEST):
            with replacing(out / source.name) as part:
                shutil.copyfile(source, part)
    except OSError as error:
        raise not_written(error, out) or error from error


def require_writable(out: Path) -> None:
    """Before hours of work. Raises InputError where nothing could be written to this folder, or the home keeps it for
    itself."""
    for own in Settings().own_folders:
        if out.resolve().is_relative_to(own.resolve()):
            raise InputError(str(out), f"is in {own}, which RECSYS_HOME keeps for itself", "name another with --out")
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or is_of_kernel(str(out)):
        raise InputError(str(out), "is no folder that can be written", "choose another one with --out")


def require_place(out: Path, data: DataOptions) -> None:
    """Raises InputError where `deliver` could not write to this folder, would replace what no comparison wrote, or add
    to what the data are read from."""
    require_writable(out)
    if isinstance(data, TableData):
        refuse_among(out, data.interactions)
    there = [name for name in FILES if (out / name).exists()]
    if there and not _is_ours(out / MANIFEST):
        message = "is there already, and is not of a comparison"
        raise InputError(str(out / there[0]), message, "name another folder with --out")


def _is_ours(manifest: Path) -> bool:
    try:
        return "choices" in plain_json(manifest.read_bytes())
    except (OSError, ValueError, TypeError):
        return False


def default_out(name: str, run_key: str) -> Path:
    """Where results go that are sent nowhere else: `runs/<name>/<run key>` here."""
    return Path("runs") / name / run_key[:12]


def rows_of(leaderboard: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Rows of the leaderboard as plain JSON values, null where there is none."""
    return [
        {str(name): None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in leaderboard.to_dict(orient="records")
    ]

"""What holds after every fault, once the same command has gone through: all of it once, and nothing besides."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from faults.harness import Workplace
from filelock import FileLock

from recsys.store import Store
from recsys.store.keys import file_digest

NAMES = ("role", "label", "seed", "fold", "trial", "as_of", "verdict")
"""Tags that tell the runs of an experiment apart."""

READY = 2
"""What MLflow writes for a stored model that is complete."""

HALVES = ("*.tmp", "*.part", ".unfinished-*", ".current-*", ".mlflow.db.*", "home/tmp*")
"""What is on its way somewhere, and what only one step needs."""


def assert_lawful(place: Workplace, undisturbed: dict[str, Any]) -> None:
    """Fail where a process, an open or half-logged run, a half-written file or a held lock is left, or where MLflow
    does not hold what it holds of the one that nothing disturbed. undisturbed: from `kept_by_mlflow`."""
    place.assert_empty()
    kept = kept_by_mlflow(place.home)
    assert set(kept["runs"]) == set(undisturbed["runs"])
    for name, run in undisturbed["runs"].items():
        for part, wanted in run.items():
            assert kept["runs"][name][part] == wanted, (name, part)
    assert kept == undisturbed
    assert_nothing_half(place)


def assert_nothing_half(place: Workplace) -> None:
    """Fail where a half-written file or a held lock is left, or a stored folder is damaged."""
    left = [str(path) for pattern in HALVES for path in place.folder.rglob(pattern)]
    assert left == []
    for path in place.folder.rglob("*.lock"):
        with FileLock(path).acquire(timeout=0):
            pass
    store = Store(place.home / "store")
    for stage in store.root.iterdir():
        for folder in place.stored(stage.name):
            assert store.get(stage.name, folder.name) is not None, folder


def kept_by_mlflow(home: Path) -> dict[str, Any]:
    """What a home's MLflow holds, but for ids, times and what is measured.

    runs: by what tells them apart; two alike, one that is open, a stored model that no run names or that is not
    complete, and a version of a model that is not there fail the test. versions, aliases: of registered models.
    """
    with contextlib.closing(sqlite3.connect(f"file:{home / 'mlflow.db'}?mode=rw", uri=True)) as database:

        def rows(query: str) -> list[Any]:
            return database.execute(query).fetchall()

        active = rows("SELECT run_uuid, status, artifact_uri FROM runs WHERE lifecycle_stage = 'active'")
        tags = _by_run(rows("SELECT run_uuid, key, value FROM tags"))
        params = _by_run(rows("SELECT run_uuid, key, value FROM params"))
        steps = _by_run(rows("SELECT run_uuid, key, step, value FROM metrics ORDER BY step, value"))
        inputs = rows(
            "SELECT i.destination_id, d.name, d.digest FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id"
        )
        outputs = rows("SELECT source_id, destination_id FROM inputs WHERE destination_type = 'MODEL_OUTPUT'")
        models = rows(
            "SELECT model_id, name, status, source_run_id, artifact_location FROM logged_models"
            " WHERE lifecycle_stage = 'active'"
        )
        versions = rows(
            "SELECT name, version, run_id, source FROM model_versions WHERE current_stage != 'Deleted_Internal'"
        )
        aliases = rows("SELECT name, alias, version FROM registered_model_aliases")
    assert {status for _, status, _ in active} <= {"FINISHED", "FAILED"}, active
    # A decision to do nothing is one more, each time that it is asked for.
    active = [run for run in active if ("verdict", "skipped") not in tags[run[0]]]
    names = {run: tuple(dict(tags[run]).get(name) for name in NAMES) for run, _, _ in active}
    assert len(set(names.values())) == len(names), f"a run twice: {sorted(map(str, names.values()))}"
    for model, name, status, run, place in models:
        assert status == READY, (name, status)
        assert run in names, f"the model {name} is of a run that is not there"
        assert (run, model) in outputs, f"no run names the model {name}"
        assert _folder(place, home).is_dir(), place
    for name, version, run, source in versions:
        assert run in names, f"{name} {version} is of a run that is not there"
        assert source in [place for *_, place in models], f"{name} {version} is of a model that is not there"
    runs = {
        names[run]: {
            "status": status,
            "tags": sorted(key for key, _ in tags[run]),
            "params": dict(params[run]),
            "metrics": _curves(steps[run]),
            "inputs": sorted((name, digest) for destination, name, digest in inputs if destination == run),
            "artifacts": _files(_folder(place, home)),
            "models": [(name, _files(_folder(at, home))) for _, name, _, source, at in models if source == run],
        }
        for run, status, place in active
    }
    return {
        "runs": runs,
        "versions": sorted((name, version) for name, version, _, _ in versions),
        "aliases": sorted(aliases),
    }


def _by_run(rows: list[Any]) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for run, *row in rows:
        found[run].append(tuple(row))
    return found


def _curves(steps: list[tuple[str, int, float]]) -> dict[str, list[tuple[int, float | None]]]:
    """The points of each metric; of one that is measured, at what steps."""
    curves: defaultdict[str, list[tuple[int, float | None]]] = defaultdict(list)
    for name, step, value in steps:
        measured = "cost." in name or name.endswith("cpu_seconds")
        curves[name].append((step, None if measured else value))
    return dict(curves)


def _files(folder: Path) -> dict[str, str | None]:
    """The names of all files below a folder; of weights and lists also what is in them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    exact = (".safetensors", ".parquet")
    return {str(path.relative_to(folder)): file_digest(path) if path.suffix in exact else None for path in paths}


def _folder(uri: str, home: Path) -> Path:
    """Where artifacts are, also those that a server keeps in its home."""
    parsed = urlparse(uri)
    path = unquote(parsed.path)
    return home / "artifacts" / path.lstrip("/") if parsed.scheme == "mlflow-artifacts" else Path(path)

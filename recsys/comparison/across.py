"""Finished runs held against one another: no fits, the same statistics and files as of one comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from recsys.comparison.leaderboard import MEASURED, OK, SPREADS, Outcome, leaderboard, spread_column
from recsys.comparison.result import rows_of, write_manifest
from recsys.comparison.stored_run import StoredRun, changes
from recsys.comparison.users import with_test_rows
from recsys.errors import InputError
from recsys.experiment.rebuild import Rebuilt
from recsys.experiment.spec import FORMAT
from recsys.metrics.registry import is_primary, metric_key
from recsys.models.base import ModelConfig


@dataclass(frozen=True, eq=False)
class _Row:
    """A model of a run. own: its label there. label: its label here, which no other has. entry: its settings, as a spec
    has them. record: its row of the run's leaderboard, None where it has no number."""

    run: StoredRun
    own: str
    label: str
    entry: Mapping[str, Any]
    record: Mapping[str, Any]


def refuse_unlike(runs: Sequence[StoredRun]) -> None:
    """Raise InputError where runs have other data, another split, or numbers of another passport than the first."""
    first = runs[0]
    primary = first.spec.evaluation.primary
    for other in runs[1:]:
        place = f"run {other.short}"
        for what in ("data", "split"):
            if first.manifest[what]["digest"] != other.manifest[what]["digest"]:
                message = f"has other {what} than run {first.short}: {_unlike(first, other, what)}"
                raise InputError(place, message, "compare runs on the same data and split")
        for column, own in other.manifest["passports"].items():
            if first.manifest["passports"].get(column, own) != own:
                message = f"its {column} is not that of run {first.short}: {_unlike(first, other, 'choices')}"
                raise InputError(place, message, "compare runs of one passport")
        if primary not in other.manifest["passports"]:
            message = f"has no {primary}, the primary metric of run {first.short}"
            raise InputError(place, message, "compare runs that share it, or name that run first")


def _unlike(first: StoredRun, other: StoredRun, what: str) -> str:
    """What lies behind other data, another split or another passport, as far as the runs tell."""
    if what == "data":
        then, now = first.manifest["data"]["inputs"], other.manifest["data"]["inputs"]
        files = [name for name in {**then, **now} if then.get(name) != now.get(name)]
        if files:
            return f"another {files[0]}"
    if what == "choices":
        one, two = first.manifest["choices"], other.manifest["choices"]
    else:
        one, two = (getattr(run.spec, what).as_json() for run in (first, other))
    said = [f"{name} is {two.get(name)!r} and was {one.get(name)!r}" for name in one if one[name] != two.get(name)]
    return ", ".join(said) or "made by other code"


def compare_runs(runs: Sequence[StoredRun], rebuilt: Rebuilt, folder: Path) -> None:
    """Write what `recsys.comparison.assemble` writes, of the models of all runs, to an existing folder.

    runs: alike, as `refuse_unlike` wants them. A label that stands in several gets the id of its run beside it; a
    control that is the same in all stands once. Raises InputError where models were evaluated on different folds.
    """
    rows = _rows(runs)
    spec, manifest = runs[0].spec, runs[0].manifest
    shared = [name for name in spec.evaluation.columns if all(name in run.manifest["passports"] for run in runs)]
    columns = [name for name in shared if any(name in run.leaderboard for run in runs)]
    by_user = list(filter(is_primary, columns))
    per_user = pd.concat([_own(row, row.run.per_user) for row in rows], ignore_index=True)
    _refuse_other_folds(per_user)
    per_user = per_user.reindex(columns=["model", "seed", "fold", "user", *by_user])
    primary = spec.evaluation.primary
    outcomes = [_outcome(row, columns, primary) for row in rows]
    folds = [rebuilt.fold(int(number)) for number in per_user["fold"].unique()]
    weighed = with_test_rows(per_user, rebuilt.data, folds)
    board = leaderboard(weighed, outcomes, columns, primary, intervals=by_user)
    board.frame.to_csv(folder / "leaderboard.csv", index=False)
    for name in ("intervals", "differences", "pairs"):
        getattr(board, name).to_csv(folder / f"{name}.csv", index=False)
    per_user.to_parquet(folder / "per_user.parquet", index=False)
    lists = pd.concat([_own(row, row.run.recommendations) for row in rows], ignore_index=True)
    lists.to_parquet(folder / "recommendations.parquet", index=False)
    (folder / "curves.json").write_text("{}")
    seeds = list(dict.fromkeys(seed for run in runs for seed in run.manifest["seeds"]))
    document = {"format": FORMAT, **spec.model_dump(mode="json", exclude_none=True)}
    document |= {"models": [{**row.entry, "label": row.label} for row in rows], "seeds": seeds}
    (folder / "spec.yaml").write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    about = _about(runs, rows) | {"best": board.best, "note": board.note, "seeds": seeds}
    about["passports"] = {name: manifest["passports"][name] for name in columns}
    write_manifest(folder, about)


def _rows(runs: Sequence[StoredRun]) -> list[_Row]:
    """The models of all runs, in the order of their leaderboards, each under a label of its own."""
    found: list[_Row] = []
    for run in runs:
        entries = {model.row: {"name": model.name, **model.settings()} for model in _compared(run)}
        for record in rows_of(run.leaderboard):
            row = _Row(run, str(record["model"]), str(record["model"]), entries[str(record["model"])], record)
            if not any(_same_control(row, other) for other in found):
                found.append(row)
    labels = [row.own for row in found]
    return [row if labels.count(row.own) == 1 else replace(row, label=f"{row.own} {row.run.short}") for row in found]


def _compared(run: StoredRun) -> tuple[ModelConfig, ...]:
    return (*run.spec.models, *run.spec.controls)


def _same_control(row: _Row, other: _Row) -> bool:
    """Whether two rows are the same control, to the last bit of its numbers."""
    if not row.record["control"] or row.run.cell is not None or other.run.cell is not None or row.own != other.own:
        return False
    shared = row.run.manifest["passports"].keys() & other.run.manifest["passports"].keys()
    return row.entry == other.entry and all(row.record.get(name) == other.record.get(name) for name in shared)


def _own(row: _Row, frame: pd.DataFrame) -> pd.DataFrame:
    """What is the row's of a frame of its run, under its label."""
    return frame[frame["model"] == row.own].assign(model=row.label)


def _refuse_other_folds(per_user: pd.DataFrame) -> None:
    folds = {str(label): sorted(set(own["fold"])) for label, own in per_user.groupby("model", sort=False)}
    (first, wanted), *others = folds.items()
    for label, found in others:
        if found != wanted:
            message = f"was evaluated on folds {found}, and {first} on folds {wanted}"
            raise InputError(label, message, "compare whole runs, or models on the same fold")


def _outcome(row: _Row, columns: Sequence[str], primary: str) -> Outcome:
    record, control = row.record, bool(row.record["control"])
    if record["status"] != OK:
        return Outcome(row.label, control, status=str(record["status"]))
    of_sets = [name for name in columns if not is_primary(name)]
    if row.run.cell is not None:
        metrics = row.run.metrics
        overall = {name: metrics.get(f"test.{metric_key(name)}", math.nan) for name in of_sets}
        measured = {name: metrics.get(f"cost.{name}") for name in MEASURED} | {"mlflow_run_id": row.run.run_id}
        return Outcome(row.label, control, tuned=bool(record["tuned"]), overall=overall, measured=measured)
    return Outcome(
        row.label,
        control,
        seeds=record["seeds"],
        folds=record["folds"],
        tuned=bool(record["tuned"]),
        overall={name: record[name] for name in of_sets if record.get(name) is not None},
        spread={over: record.get(spread_column(primary, over)) or math.nan for over in SPREADS},
        measured={name: record[name] for name in MEASURED},
    )


def _about(runs: Sequence[StoredRun], rows: Sequence[_Row]) -> dict[str, Any]:
    """The manifest, but for what the ranking adds: that of the first run, and what the others have beside it."""
    kept = {name: value for name, value in runs[0].manifest.items() if name not in ("run_key", "tuning")}

    def of_rows(part: str) -> dict[str, Any]:
        whole = [row for row in rows if row.run.cell is None]
        return {row.label: own[row.own] for row in whole if row.own in (own := row.run.manifest.get(part, {}))}

    warnings = [text for run in runs for text in run.manifest["warnings"]]
    warnings += [
        f"the runs {one.short} and {other.short} differ in {', '.join(changed)}"
        for one, other in combinations(runs, 2)
        # The code of a run is that of its models too, which may well be others.
        if (changed := sorted(changes(one.manifest, other.manifest).keys() - {"code"}))
    ]
    return kept | {
        "runs": [run.run_id for run in runs],
        "mlflow_run_id": " ".join(run.run_id for run in runs),
        "failures": {row.label: row.record["status"] for row in rows if row.record["status"] != OK},
        "controls": [row.label for row in rows if row.own in row.run.manifest["controls"]],
        "warnings": list(dict.fromkeys(warnings)),
        "cold": of_rows("cold"),
        "tuning": of_rows("tuning"),
    }

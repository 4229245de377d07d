"""From the cells of a comparison to the files of its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from recsys.comparison.evaluation import Evaluation
from recsys.comparison.leaderboard import SPREADS, Leaderboard, Outcome, leaderboard
from recsys.comparison.result import write_manifest
from recsys.data.dataset import Dataset
from recsys.experiment.lists import Lists
from recsys.experiment.spec import FORMAT, Experiment
from recsys.metrics.registry import is_primary
from recsys.models.base import ModelConfig
from recsys.models.registry import model_class


@dataclass(frozen=True)
class CellResult:
    """One fitted and evaluated (model, seed, fold), by its folders."""

    label: str
    seed: int
    fold: int
    fit: Path
    evaluation: Path
    run_id: str | None

    @property
    def key(self) -> tuple[str, int, int]:
        return self.label, self.seed, self.fold


def assemble(
    folder: Path,
    spec: Experiment,
    data: Dataset,
    cells: Sequence[CellResult],
    failures: Mapping[str, str],
    manifest: Mapping[str, Any],
) -> Leaderboard:
    """Write leaderboard.csv, recommendations.parquet, per_user.parquet, spec.yaml, manifest.json and what the report
    adds to them: intervals.csv, differences.csv, pairs.csv, curves.json.

    A label with any failed cell counts as failed: its row says why, and it has no numbers. Controls that the spec
    leaves out have rows like the rest; the manifest names them under `controls`. folder: exists. failures: why, by
    label.
    """
    whole = [cell for cell in cells if cell.label not in failures]
    evaluations = {cell: Evaluation.load(cell.evaluation) for cell in whole}
    per_user = pd.concat([_user_rows(cell, found) for cell, found in evaluations.items()] or [pd.DataFrame()])
    primary = spec.evaluation.primary
    columns = [name for name in spec.evaluation.columns if name == primary or _has(name, evaluations.values())]
    there = {cell.label for cell in cells} | failures.keys()
    controls = [model for model in spec.controls if model.row in there]
    outcomes = [_outcome(model, primary, manifest, evaluations, failures) for model in (*spec.models, *controls)]
    by_user = list(filter(is_primary, columns))
    per_user = per_user.reindex(columns=[*_KEYS, "rows", *by_user])
    with ThreadPoolExecutor(1) as beside:  # most of both is done outside the interpreter
        lists = beside.submit(_write_recommendations, folder / "recommendations.parquet", data, whole)
        board = leaderboard(per_user, outcomes, columns, primary, intervals=by_user)
        lists.result()
    board.frame.to_csv(folder / "leaderboard.csv", index=False)
    board.intervals.to_csv(folder / "intervals.csv", index=False)
    board.differences.to_csv(folder / "differences.csv", index=False)
    board.pairs.to_csv(folder / "pairs.csv", index=False)
    public = per_user.drop(columns="rows").assign(user=data.users.ids[per_user["user"].to_numpy(dtype=np.int64)])
    public.to_parquet(folder / "per_user.parquet", index=False)
    curves = {
        f"{cell.label}/{cell.seed}/{cell.fold}": json.loads((cell.fit / "curves.json").read_text()) for cell in whole
    }
    (folder / "curves.json").write_text(json.dumps(curves))
    resolved = {"format": FORMAT, **spec.model_dump(mode="json", exclude_none=True)}
    (folder / "spec.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
    added = [model.row for model in controls]
    notes = {"best": board.best, "note": board.note, "failures": dict(failures), "controls": added}
    cold = {cell.label: {"users": found.n_cold, **found.cold} for cell, found in evaluations.items() if found.n_cold}
    write_manifest(folder, {**manifest, **notes, "cold": cold})
    return board


# Of recommendations, written at once.
ROWS = 2**20
_KEYS = ("model", "seed", "fold", "user")


def _user_rows(cell: CellResult, found: Evaluation) -> pd.DataFrame:
    keys = {"model": cell.label, "seed": cell.seed, "fold": cell.fold, "user": found.users, "rows": found.rows}
    return pd.DataFrame({**keys, **found.per_user})


def _has(column: str, evaluations: Iterable[Evaluation]) -> bool:
    """Whether any model has this column: without values in the data, or a model that predicts them, rmse has none."""
    return any(column in found.overall for found in evaluations)


def _outcome(
    model: ModelConfig,
    primary: str,
    manifest: Mapping[str, Any],
    evaluations: Mapping[CellResult, Evaluation],
    failures: Mapping[str, str],
) -> Outcome:
    label, control = model.row, model_class(model.name).control
    tuned = label in manifest.get("tuning", {})
    if label in failures:
        return Outcome(label, control, status=failures[label], tuned=tuned)
    own = {cell: found for cell, found in evaluations.items() if cell.label == label}
    overall = _means([found.overall for found in own.values()])
    measured = _means([json.loads((cell.fit / "measured.json").read_text()) for cell in own])
    run_ids = " ".join(cell.run_id for cell in own if cell.run_id)
    return Outcome(
        label,
        control,
        seeds=len({cell.seed for cell in own}),
        folds=len({cell.fold for cell in own}),
        tuned=tuned,
        overall=overall,
        spread=spreads({(cell.seed, cell.fold): found.overall.get(primary, math.nan) for cell, found in own.items()}),
        measured=measured | {"mlflow_run_id": run_ids},
    )


def spreads(values: Mapping[tuple[int, int], float]) -> dict[str, float]:
    """Standard deviations between seeds, each a mean over folds, and between folds, each a mean over seeds.

    values: by (seed, fold). NaN where there is one alone.

    >>> spreads({(1, 0): 0.1, (1, 1): 0.3, (2, 0): 0.1, (2, 1): 0.3})
    {'seeds': 0.0, 'folds': 0.1414213562373095}
    """
    cells = pd.DataFrame([(*cell, value) for cell, value in values.items()], columns=[*SPREADS, "value"])
    return {over: float(cells.groupby(over)["value"].mean().std()) for over in SPREADS}


def _means(each: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {str(name): value for name, value in pd.DataFrame(each).mean().items()}


def _write_recommendations(path: Path, data: Dataset, cells: Sequence[CellResult]) -> None:
    """A block of a cell's users at a time, so that memory never holds more."""
    types = {"model": pa.string(), "seed": pa.int64(), "fold": pa.int64(), "user": _type_of(data.users.ids)}
    types |= {"item": _type_of(data.items.ids), "rank": pa.int32(), "score": pa.float32()}
    schema = pa.schema(types)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for cell in cells:
            lists = Lists.load(cell.fit)
            size = max(1, ROWS // lists.items.shape[1])
            for start in range(0, len(lists.users), size):
                block = slice(start, start + size)
                items = lists.items[block]
                row, place = np.nonzero(items >= 0)
                columns = {
                    "model": pa.repeat(cell.label, len(row)),
                    "seed": pa.repeat(cell.seed, len(row)),
                    "fold": pa.repeat(cell.fold, len(row)),
                    "user": data.users.ids[lists.users[block][row]],
                    "item": data.items.ids[items[row, place]],
                    "rank": (place + 1).astype(np.int32),
                    "score": lists.scores[block][row, place],
                }
                writer.write_table(pa.table(columns, schema=schema))


def _type_of(ids: NDArray[Any]) -> pa.DataType:
    return pa.string() if ids.dtype == object else pa.int64()

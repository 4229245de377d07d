"""The folder of a comparison, read for the report."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from recsys.comparison.bootstrap import Interval
from recsys.comparison.closer import CLOSER
from recsys.comparison.leaderboard import MEASURED, OK, SPREADS, spread_column
from recsys.errors import InputError
from recsys.metrics.registry import METRICS, parse_column

NOTHING = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Row:
    """A model's row of the leaderboard. values: by column, NaN where it has none. measured: the finite ones of
    MEASURED. status: "ok", or why it failed. p_adjusted, group: as in the leaderboard, NaN and empty for a control.
    spread: the standard deviations of the primary metric by SPREADS, NaN where there is one seed or fold alone."""

    label: str
    control: bool
    status: str
    seeds: int
    folds: int
    values: dict[str, float]
    measured: dict[str, float]
    interval: Interval
    difference: Interval
    p_adjusted: float = math.nan
    group: str = ""
    tuned: bool = False
    spread: Mapping[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return self.status != OK


@dataclass(frozen=True)
class Curve:
    """The progress of one fit: steps as curves.json holds them."""

    seed: str
    fold: str
    steps: list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Board:
    """What a comparison found.

    rows: best first, failed ones last. columns: the metrics, in order. intervals: by (model, column). curves: by model.
    users: how many were counted. spec: as resolved; text: its YAML. closer: what `recsys.comparison.closer` found,
    empty where nobody has looked.
    """

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    intervals: dict[tuple[str, str], Interval]
    curves: dict[str, list[Curve]]
    users: int
    spec: dict[str, Any]
    text: str
    manifest: dict[str, Any] = field(default_factory=dict)
    closer: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Board:
        """Read what `recsys.comparison.assemble` wrote."""
        text = (folder / "spec.yaml").read_text(encoding="utf-8")
        spec = yaml.safe_load(text)
        records = _records(folder / "leaderboard.csv")
        primary = spec["evaluation"]["primary"]
        columns = tuple(name for name in records[0] if _is_metric(name))
        differences = {row["model"]: _interval(row) for row in _records(folder / "differences.csv")}
        closer = folder / CLOSER
        intervals = {(row["model"], row["column"]): _interval(row) for row in _records(folder / "intervals.csv")}
        return cls(
            rows=tuple(_row(record, columns, primary, differences) for record in records),
            columns=columns,
            intervals=intervals,
            curves=_curves(folder / "curves.json"),
            users=_users(folder / "per_user.parquet"),
            spec=spec,
            text=text,
            manifest=json.loads((folder / "manifest.json").read_text(encoding="utf-8")),
            closer=json.loads(closer.read_text(encoding="utf-8")) if closer.exists() else {},
        )

    @property
    def primary(self) -> str:
        return str(self.spec["evaluation"]["primary"])

    @property
    def higher_is_better(self) -> bool:
        return parse_column(self.primary)[0].higher_is_better

    @property
    def note(self) -> str | None:
        """Why there are no intervals, or None."""
        return self.manifest.get("note")

    @cached_property
    def ok(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.failed)

    @cached_property
    def failed(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.failed)

    @cached_property
    def ranked(self) -> tuple[Row, ...]:
        """Rows that have a value of the primary metric, best first."""
        return tuple(row for row in self.ok if math.isfinite(row.values[self.primary]))

    @cached_property
    def best(self) -> Row | None:
        """The row that differences are to."""
        return next((row for row in self.ranked if row.label == self.manifest.get("best")), None)

    @cached_property
    def by_metric(self) -> dict[str, dict[int, str]]:
        """Columns of the metrics that have a list length: metric -> k -> column, k ascending."""
        found: dict[str, dict[int, str]] = {}
        for column in self.columns:
            metric, k = parse_column(column)
            if k is not None:
                found.setdefault(metric.name, {})[k] = column
        return {name: dict(sorted(columns.items())) for name, columns in found.items()}

    def interval(self, label: str, column: str) -> Interval:
        """A model's interval in a column, NaN where there is none."""
        return self.intervals.get((label, column), NOTHING)


def primary_like(board: Board) -> list[str]:
    """The columns the leaderboard shows: each metric at the primary's k, or at the nearest there is; primary first."""
    metric, wanted = parse_column(board.primary)
    near = {
        name: columns[min(columns, key=lambda k: abs(k - (wanted or 10)))] for name, columns in board.by_metric.items()
    }
    single = {name: name for name in board.columns if name in METRICS and not METRICS[name].has_k}
    shown = {metric.name: board.primary} | {name: (near | single)[name] for name in _in_order(board)}
    return list((shown | {metric.name: board.primary}).values())


def _in_order(board: Board) -> list[str]:
    return list(dict.fromkeys(parse_column(column)[0].name for column in board.columns))


def _records(path: Path) -> list[dict[str, str]]:
    """The rows of a table as text: a model may be called NA, or 10."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _is_metric(name: str) -> bool:
    try:
        parse_column(name)
    except InputError:
        return False
    return True


def _interval(record: Mapping[str, str], value: str = "value", low: str = "low", high: str = "high") -> Interval:
    return Interval(*(_float(record[name]) for name in (value, low, high)))


def _row(record: Mapping[str, str], columns: tuple[str, ...], primary: str, differences: Mapping[str, Interval]) -> Row:
    label = record["model"]
    measured = {name: _float(record.get(name, "")) for name in MEASURED if name != "mlflow_run_id"}
    return Row(
        label=label,
        control=record["control"] == "True",
        status=record["status"],
        seeds=int(record["seeds"]),
        folds=int(record["folds"]),
        values={column: _float(record[column]) for column in columns},
        measured={name: value for name, value in measured.items() if math.isfinite(value)},
        interval=_interval(record, primary, f"{primary}_low", f"{primary}_high"),
        difference=differences.get(label, NOTHING),
        p_adjusted=_float(record["p_adjusted"]),
        group=record["group"],
        tuned=record["tuned"] == "True",
        spread={over: _float(record.get(spread_column(primary, over), "")) for over in SPREADS},
    )


def _float(text: str) -> float:
    return float(text) if text else math.nan


def _curves(path: Path) -> dict[str, list[Curve]]:
    found: dict[str, list[Curve]] = {}
    for key, steps in json.loads(path.read_text(encoding="utf-8")).items():
        label, seed, fold = key.rsplit("/", 2)
        if steps:
            found.setdefault(label, []).append(Curve(seed, fold, steps))
    return found


def _users(path: Path) -> int:
    if "user" not in pq.read_schema(path).names:
        return 0
    return int(pc.count_distinct(pq.read_table(path, columns=["user"])["user"]).as_py())

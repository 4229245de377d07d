"""The end of a comparison as Prefect tasks: ranking, report, files and links."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from recsys.comparison.assemble import CellResult, assemble
from recsys.comparison.result import Comparison, default_out, deliver
from recsys.data.dataset import Dataset
from recsys.metrics.registry import metric_key
from recsys.report.page import write_report
from recsys.store import Ref
from tasks.context import Run
from tasks.manifest import manifest_of
from tasks.recorder import Recorder


@task(name="rank models", cache_policy=NO_CACHE)
def rank_models(
    cells: Sequence[CellResult],
    failures: Mapping[str, str],
    dataset: Ref,
    split: Ref,
    warnings: Sequence[str],
    recorder: Recorder,
    run: Run,
) -> Ref:
    """The leaderboard and everything beside it but the report."""
    manifest = manifest_of(run, dataset, split, warnings) | {
        "mlflow_run_id": recorder.parent.run_id,
        "mlflow_experiment_id": recorder.parent.experiment_id,
    }

    def build(folder: Path) -> None:
        assemble(folder, run.spec, Dataset.load(dataset.folder), cells, failures, manifest)

    return run.store.produce("comparison", run.key, build, fresh=True)


@task(name="publish report", cache_policy=NO_CACHE)
def publish_report(board: Ref, dataset: Ref, out: Path | None, recorder: Recorder, run: Run) -> Comparison:
    """The report, all files in the run's artifacts and in the folder asked for, and links in the Prefect UI."""

    def build(folder: Path) -> None:
        write_report(folder / "report.html", board.folder, dataset.folder)

    report = run.store.produce("report", run.key, build, fresh=True)
    run_id = recorder.parent.run_id
    place = (out or default_out(run.spec.name, run.key)).absolute()
    deliver([board, report], place)
    recorder.tracker.log_files(run_id, place)
    frame = pd.read_csv(board.folder / "leaderboard.csv")
    _log_best(frame, recorder, run)
    create_table_artifact(_plain(frame), key="leaderboard", description=f"Leaderboard of {run.spec.name}")
    link = run_link(run, recorder)
    if link.startswith("http"):
        create_link_artifact(link, key="mlflow-run", link_text="This comparison in MLflow")
    else:
        create_markdown_artifact(f"MLflow run `{run_id}` in `{link}`", key="mlflow-run")
    return Comparison(place, run.key, run_id)


def run_link(run: Run, recorder: Recorder) -> str:
    """Where the parent run is shown, or the database it is in."""
    uri, parent = run.settings.mlflow_uri, recorder.parent
    base = uri if uri.startswith("http") else f"http://127.0.0.1:{run.settings.mlflow_port}"
    return f"{base.rstrip('/')}/#/experiments/{parent.experiment_id}/runs/{parent.run_id}"


def _log_best(frame: pd.DataFrame, recorder: Recorder, run: Run) -> None:
    """The best model and its value on the parent run, so that comparisons can be searched and sorted."""
    done = frame[(frame["status"] == "ok") & ~frame["control"].astype(bool)]
    if len(done):
        primary = run.spec.evaluation.primary
        best = done.iloc[0]
        recorder.tracker.tag(recorder.parent.run_id, {"best": str(best["model"])})
        recorder.tracker.log_metrics(recorder.parent.run_id, {f"best.{metric_key(primary)}": float(best[primary])})


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame.to_dict(orient="records")  # type: ignore[assignment]
    return [{key: _shown(value) for key, value in row.items()} for row in rows]


def _shown(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.5g}")
    return value

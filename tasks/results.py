"""The end of a comparison as Prefect tasks: ranking, report, files and links."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from pandas import DataFrame
from prefect import task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from recsys.comparison.assemble import CellResult, assemble
from recsys.comparison.closer import closer_look
from recsys.comparison.leaderboard import OK
from recsys.comparison.leaks import leak_facts, said
from recsys.comparison.result import Comparison, default_out, deliver, read_leaderboard
from recsys.data.dataset import Dataset
from recsys.experiment.trials import Tuned
from recsys.experiment.tuning_facts import tuning_facts
from recsys.metrics.registry import metric_key
from recsys.report.page import write_report
from recsys.report.text_board import text_board
from recsys.splits.leaks import Finding
from recsys.store import Ref
from recsys.tracking.links import run_page
from tasks.context import Run
from tasks.manifest import manifest_of
from tasks.recorder import Recorder
from tasks.stages import folds_of


@task(name="rank models", cache_policy=NO_CACHE)
def rank_models(
    cells: Sequence[CellResult],
    failures: Mapping[str, str],
    dataset: Ref,
    split: Ref,
    leaks: Sequence[Finding],
    recorder: Recorder,
    run: Run,
    tuned: Mapping[str, Tuned] = MappingProxyType({}),
) -> Ref:
    """The leaderboard and everything beside it but the report.

    leaks: the warnings of the leak checks. tuned: what tuning found, by row.
    """
    data, whole = Dataset.load(dataset.folder), [cell for cell in cells if cell.label not in failures]
    manifest = manifest_of(run, dataset, split, said(leaks)) | {
        "leaks": leak_facts(leaks, run.spec, data, folds_of(split), whole),
        "mlflow_run_id": recorder.parent.run_id,
        "mlflow_experiment_id": recorder.parent.experiment_id,
    }
    models = {model.row: model for model in run.spec.models}
    facts = {label: tuning_facts(found, models[label]) for label, found in tuned.items() if found.trials}
    if facts:
        manifest["tuning"] = facts

    def build(folder: Path) -> None:
        assemble(folder, run.spec, data, cells, failures, manifest)
        folds = {fold.number: split.folder / str(fold.number) for fold in folds_of(split)}
        # The last one of a label stands: that of the first fold and seed.
        fits = {cell.label: cell.fit for cell in reversed(whole) if cell.fold == min(folds)}
        closer_look(folder, run.spec, dataset.folder, folds, fits)

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
    with TemporaryDirectory(dir=run.settings.root) as only_these:  # in `place` may lie what is nobody's business
        deliver([board, report], Path(only_these))
        recorder.tracker.log_files(run_id, Path(only_these))
    frame = read_leaderboard(place / "leaderboard.csv")
    _log_best(frame, recorder, run)
    _tag_runs(frame, board, recorder, run)
    rows = text_board(frame, run.spec.evaluation.primary)
    create_table_artifact(rows, key="leaderboard", description=f"Leaderboard of {run.spec.name}")
    page = run_page(run.settings, recorder.parent.experiment_id, run_id)
    create_link_artifact(page, key="mlflow-run", link_text="This comparison in MLflow")
    return Comparison(place, run.key, run_id)


def _log_best(frame: DataFrame, recorder: Recorder, run: Run) -> None:
    """The best model and its value on the parent run, so that comparisons can be searched and sorted."""
    primary = run.spec.evaluation.primary
    done = frame[(frame["status"] == OK) & ~frame["control"] & frame[primary].notna()]
    if len(done):
        best = done.iloc[0]
        recorder.tracker.tag(recorder.parent.run_id, {"best": str(best["model"])})
        recorder.tracker.log_metrics(recorder.parent.run_id, {f"best.{metric_key(primary)}": float(best[primary])})


def _tag_runs(frame: DataFrame, board: Ref, recorder: Recorder, run: Run) -> None:
    """What runs are searched by, on the parent and on each child: data, split, the passport of the primary metric, and
    whether the model was tuned; on the parent which were, `none` without any."""
    manifest = json.loads((board.folder / "manifest.json").read_text(encoding="utf-8"))
    shared = {f"{what}.digest": str(manifest[what]["digest"]) for what in ("data", "split")}
    shared["passport"] = manifest["passports"][run.spec.evaluation.primary]
    tuned = frame.loc[frame["tuned"], "model"].tolist()
    recorder.tracker.tag(recorder.parent.run_id, shared | {"tuned": ", ".join(tuned)[:5000] or "none"})
    for (label, _, _), run_id in recorder.parent.children.items():
        recorder.tracker.tag(run_id, shared | {"tuned": str(label in tuned).lower()})

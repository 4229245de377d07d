"""The end of a comparison as Prefect tasks: ranking, report, files and links."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from prefect import task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from recsys.comparison.assemble import CellResult, assemble
from recsys.comparison.closer import closer_look
from recsys.comparison.leaks import leak_facts, said
from recsys.comparison.result import Comparison, default_out, deliver, read_leaderboard
from recsys.data.dataset import Dataset
from recsys.experiment.trials import Tuned
from recsys.experiment.tuning_facts import tuning_facts
from recsys.report.page import write_report
from recsys.report.pictures import write_pictures
from recsys.report.text_board import text_board
from recsys.splits.leaks import Finding
from recsys.store import Ref
from recsys.tracking.links import run_page
from recsys.tracking.summary import log_summary
from tasks.context import Run
from tasks.manifest import manifest_of
from tasks.ornaments import shown
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
    frame = read_leaderboard(place / "leaderboard.csv")

    def log() -> None:
        with run.store.scratch(run.key) as only_these:  # in `place` may lie what is nobody's business
            deliver([board, report], only_these)
            write_pictures(only_these / "figures", board.folder, dataset.folder)
            recorder.tracker.log_files(run_id, only_these)
        manifest = json.loads((board.folder / "manifest.json").read_text(encoding="utf-8"))
        log_summary(recorder.tracker, recorder.parent, frame, manifest, run.spec.evaluation.primary)

    recorder.attempt(log)
    rows = text_board(frame, run.spec.evaluation.primary)
    page = run_page(run.settings, recorder.parent.experiment_id, run_id)

    def show() -> None:
        create_table_artifact(rows, key="leaderboard", description=f"Leaderboard of {run.spec.name}")
        create_link_artifact(page, key="mlflow-run", link_text="This comparison in MLflow")

    shown(show)
    return Comparison(place, run.key, run_id)

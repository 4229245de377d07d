"""The steps of an exploration as Prefect tasks: one library function each, references in and out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from recsys.data.dataset import Dataset
from recsys.experiment.exploring import exploration
from recsys.report.explore import explore_page
from recsys.report.explore_words import headline
from recsys.store import Ref
from recsys.tracking.explored import FACTS, PAGE, RUN, RUN_STAGE, STAGE, Explored, delivered, place
from tasks.context import Run
from tasks.recorder import Recorder
from tasks.stages import done, folds_of

OF_SPLITS = ("train", "test", "warm_users", "cold_users", "cold_items", "overlap")


@task(name="explore data", cache_policy=NO_CACHE)
def explore_data(dataset: Ref, split: Ref, run: Run) -> Any:
    """What is told of the data, as facts and as a page."""

    def build(folder: Path) -> None:
        data = Dataset.load(dataset.folder)
        facts = exploration(run.spec, data, folds_of(split))
        (folder / FACTS).write_text(json.dumps(facts, allow_nan=False, ensure_ascii=False, indent=1), encoding="utf-8")
        (folder / PAGE).write_text(explore_page(facts, data), encoding="utf-8")

    with run.core():
        return done(run.produce(STAGE, run.key, build))


@task(name="publish exploration", cache_policy=NO_CACHE)
def publish_exploration(found: Ref, out: Path | None, recorder: Recorder, run: Run) -> Explored:
    """Facts and page, in the folder asked for and in the run's artifacts; the main figures as metrics."""
    run_id, tracker = recorder.parent.run_id, recorder.tracker
    explored = delivered(found, run_id, place(run.spec.name, run.key, out))
    for name in (FACTS, PAGE):
        tracker.log_text(run_id, name, (found.folder / name).read_text(encoding="utf-8"))
    tracker.log_metrics(run_id, dict(metrics(explored.facts)))
    tracker.tag(run_id, {"data": headline(explored.facts)})
    # Which run it is stands apart from what was found: that is the same in a run that begins anew.
    run.store.produce(RUN_STAGE, run.key, lambda folder: _write(folder / RUN, {"run_id": run_id}), fresh=True)
    return explored


def metrics(facts: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The main figures as MLflow takes them: finite numbers by name; nothing that is not known."""
    for name in ("rows", "users", "items", "density", "duplicates"):
        yield name, facts[name]
    for what in ("user", "item"):
        yield f"rows_per_{what}.median", facts[f"rows_per_{what}"]["median"]
        yield f"rows_per_{what}.max", facts[f"rows_per_{what}"]["max"]
        yield f"rows_of_busiest_tenth.{what}s", facts["tenth"][f"{what}s"]
        yield f"{what}s_without_rows", facts["cold"][f"{what}s_without_rows"]
    if facts["values"]:
        yield "value.mean", facts["values"]["mean"]
    if facts["times"] and facts["times"]["days"] is not None:
        yield "days", facts["times"]["days"]
    drift = facts["drift"]
    for what in ("items", "users"):
        yield f"drift.{what}.share_on_new", drift[what]["share_on_new"]
        if drift[what]["rank_correlation"] is not None:
            yield f"drift.{what}.rank_correlation", drift[what]["rank_correlation"]
    if drift["values"]:
        yield "drift.values.distance", drift["values"]["distance"]
    for each in facts["choices"]["splits"]:
        yield from ((f"split.{each['kind']}.{name}", each[name]) for name in OF_SPLITS if each[name] is not None)


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")

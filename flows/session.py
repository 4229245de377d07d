"""What surrounds a comparison: its key, its lock, its runs in MLflow, and how it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.context import get_run_context
from prefect.runtime import deployment, flow_run
from prefect.settings import PREFECT_API_URL

from flows.flow_runs import mark_killed, remembered
from flows.interrupts import Overtime, end_in_time
from flows.logs import LogReporter
from flows.watch import cancellation, started_by_worker
from recsys.data.dataset import Dataset
from recsys.data.load import inputs
from recsys.errors import ExpectedError
from recsys.experiment.external import refuse_commands
from recsys.experiment.forks import Forks
from recsys.experiment.keys import run_key, versions
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.store import Ref, digest
from recsys.tracking.database import ensure_database
from recsys.tracking.entities import DataInput
from recsys.tracking.finished import finished_comparison
from recsys.tracking.links import flow_run_page
from recsys.tracking.source import source_tags
from recsys.tracking.uninterrupted import uninterrupted
from tasks.context import Reporter, Run, alone, width
from tasks.recorder import Recorder

if TYPE_CHECKING:
    from recsys.tracking.runs import Tracker


@dataclass(frozen=True)
class Options:
    """What the caller of a run decides and an experiment does not.

    reporter: whom to tell; None: the log of the flow run. overtime: ends the process where a stopped run does not end
    by itself; None where the process is not ours to end. forks: where the fits are forked from, run after run; None:
    the run's own, which end with it.
    """

    out: Path | None = None
    fresh: bool = False
    reporter: Reporter | None = None
    overtime: Overtime | None = None
    forks: Forks | None = None


options: ContextVar[Options] = ContextVar("options", default=Options())  # noqa: B039 -- frozen


@contextlib.contextmanager
def choosing(**changes: Any) -> Iterator[None]:
    """Options that are others for the runs in the block."""
    token = options.set(replace(options.get(), **changes))
    try:
        yield
    finally:
        options.reset(token)


def run_of(spec: Experiment, settings: Settings, key: str, found: dict[str, str]) -> Run:
    """A run with what its caller decides. key: of its work; found: what the data are read from, with its digest."""
    chosen = options.get()
    return Run(spec, settings, key, found, chosen.reporter or LogReporter(), chosen.fresh, forks=chosen.forks)


@contextlib.contextmanager
def session(spec: Experiment) -> Iterator[Run]:
    """The run of an experiment; `finished` is its result, where it was finished before.

    One process at a time works on a run key; a second one waits and finds the work done. However this ends, no child
    process is left.
    """
    settings, chosen = Settings(), options.get()
    found = inputs(spec.data, spec.predefined, settings)
    key = run_key(spec, found, width(spec)[1])
    run = run_of(spec, settings, key, found)
    with supervised(run, key, "another process works on this very comparison; its work is used when it is done"):
        run.finished = None if chosen.fresh else finished_comparison(spec, key, settings, chosen.out)
        if run.finished is not None:
            run.reporter.stage("done", f"{spec.name} was finished before: nothing is fitted and no run is started")
        else:
            run.connect()
        yield run


@contextlib.contextmanager
def supervised(run: Run, lock: str, waiting: str) -> Iterator[None]:
    """Nobody else works under this lock inside, and the run can be ended from outside, without a child process left.

    waiting: what is said while another process holds the lock. Raises InputError where the run may not be started here.
    """
    if started_by_worker() and not run.settings.allow_external:
        refuse_commands(run.spec)
    flow_run, overtime = get_run_context().flow_run.id, options.get().overtime  # type: ignore[union-attr]
    with (
        cancellation(flow_run, run.stop),
        remembered(flow_run, run.settings),
        alone(run.settings, lock, run.reporter, waiting),
        contextlib.nullcontext() if options.get().forks else run.forks,
    ):
        mark_killed(str(PREFECT_API_URL.value()), run.settings)  # the one that had the lock may have been killed
        try:
            yield
        except BaseException as error:
            run.stop.set()
            if not isinstance(error, Exception) and overtime is not None:
                end_in_time(error, overtime)
            raise


@contextlib.contextmanager
def recording(run: Run, dataset: Ref, split: Ref, role: str, recorder: Recorder | None = None) -> Iterator[Recorder]:
    """The parent run in MLflow of work on one split, as `opened` gives it.

    recorder: one that is not open yet, of fits that may have begun; None: a new one.
    """
    from recsys.tracking.runs import Tracker  # MLflow, while fits are under way

    ensure_database(run.settings)
    tracker = Tracker(run.settings)
    tags = {"data.digest": dataset.digest, "split.digest": split.digest, "spec.digest": digest(resolved(run.spec))}
    read = data_inputs(run.spec, run.spec.split.kind, dataset, split)
    with opened(run, tracker, role, tags, read, recorder) as recorder:
        tracker.log_inputs(recorder.parent.run_id, read)
        yield recorder


@contextlib.contextmanager
def opened(
    run: Run,
    tracker: Tracker,
    role: str,
    tags: Mapping[str, str],
    inputs: Sequence[DataInput] = (),
    recorder: Recorder | None = None,
) -> Iterator[Recorder]:
    """A parent run in MLflow: FINISHED at the end, FAILED after an error, KILLED where the run was stopped, also while
    MLflow makes it.

    tags: its own, beside those of every run. inputs: of each run below it. recorder: as of `recording`.
    """
    recorder = recorder or Recorder()
    tags = {**source_tags(), **prefect_tags(run.settings), **tags}
    params = resolved(run.spec) | {"threads": run.threads, "versions": versions()}

    @uninterrupted
    def begin() -> None:
        parent = tracker.open_parent(run.spec.name, run.key, tags, params, run.fresh, role)
        recorder.open(tracker, parent, list(inputs))

    try:
        begin()
        yield recorder
    except BaseException as error:
        stopped = bool(run.stop) or not isinstance(error, Exception)
        run.stop.set()
        with contextlib.suppress(ExpectedError):  # the first trouble is the one to tell; the next start mends the rest
            recorder.close("KILLED" if stopped else "FAILED")
        raise
    recorder.close("FINISHED")


def resolved(spec: Experiment) -> dict[str, Any]:
    """The experiment with all defaults, as plain values."""
    return spec.model_dump(mode="json", exclude_none=True)


def data_inputs(spec: Experiment, kind: str, dataset: Ref, split: Ref) -> list[DataInput]:
    """The data and its split as a run names them; kind: of the split."""
    data = Dataset.load(dataset.folder)
    profile = f'{{"rows": {len(data)}, "users": {len(data.users)}, "items": {len(data.items)}}}'
    whole = DataInput(spec.data.source, dataset.digest, "data", profile)
    return [whole, DataInput(f"{spec.data.source}-{kind}", split.digest, "split", profile)]


def prefect_tags(settings: Settings) -> dict[str, str]:
    """The flow run and deployment that this is, and a description for MLflow's UI with a link to it."""
    tags = {"prefect.flow_run_id": flow_run.id, "prefect.deployment": deployment.name}
    if flow_run.id:
        page = flow_run_page(settings, str(PREFECT_API_URL.value()), flow_run.id)
        tags["mlflow.note.content"] = f"Flow run [{flow_run.name}]({page}) in Prefect"
    return {key: str(value) for key, value in tags.items() if value}

"""What surrounds a comparison: its key, its lock, its runs in MLflow, and how it ends."""

from __future__ import annotations

import _thread
import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import get_run_context
from prefect.runtime import deployment, flow_run

from recsys.data.dataset import Dataset
from recsys.data.load import inputs
from recsys.experiment.keys import run_key, versions
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.store import Ref, digest
from recsys.tracking.database import ensure_database
from recsys.tracking.finished import finished_comparison
from recsys.tracking.runs import DataInput, Tracker
from recsys.tracking.source import source_tags
from tasks.context import Reporter, Run, width
from tasks.recorder import Recorder

POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Options:
    """What the caller of a run decides and an experiment does not."""

    out: Path | None = None
    fresh: bool = False
    reporter: Reporter = field(default_factory=Reporter)


options: ContextVar[Options] = ContextVar("options", default=Options())  # noqa: B039 -- frozen


@contextlib.contextmanager
def session(spec: Experiment) -> Iterator[Run]:
    """The run of an experiment; `finished` is its result, where it was finished before.

    One process at a time works on a run key; a second one waits and finds the work done. However this ends, no child
    process is left.
    """
    settings, chosen = Settings(), options.get()
    found = inputs(spec.data, spec.predefined, settings)
    key = run_key(spec, found, width(spec)[1])
    run = Run(spec, settings, key, found, chosen.reporter, chosen.fresh)
    locks = settings.root / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / f"{key}.lock"), _cancellation(run):
        try:
            run.finished = None if chosen.fresh else finished_comparison(spec, key, settings, chosen.out)
            yield run
        except BaseException:
            run.stop.set()
            raise


@contextlib.contextmanager
def recording(run: Run, dataset: Ref, split: Ref) -> Iterator[Recorder]:
    """The parent run in MLflow: FINISHED at the end, FAILED after an error, KILLED where the run was stopped."""
    settings = run.settings
    ensure_database(settings)
    tracker = Tracker(settings)
    tags = {**source_tags(), **_prefect_tags()}
    tags |= {"data.digest": dataset.digest, "split.digest": split.digest, "spec.digest": digest(_resolved(run.spec))}
    params = _resolved(run.spec) | {"threads": run.threads, "versions": versions()}
    parent = tracker.open_parent(run.spec.name, run.key, tags, params, run.fresh)
    recorder = Recorder(tracker, parent, _data_inputs(run.spec, dataset, split))
    tracker.log_inputs(parent.run_id, recorder.inputs)
    try:
        yield recorder
    except Exception:
        run.stop.set()
        recorder.close("FAILED")
        raise
    except BaseException:
        run.stop.set()
        recorder.close("KILLED")
        raise
    recorder.close("FINISHED")


def _resolved(spec: Experiment) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude_none=True)


def _data_inputs(spec: Experiment, dataset: Ref, split: Ref) -> list[DataInput]:
    data = Dataset.load(dataset.folder)
    profile = f'{{"rows": {len(data)}, "users": {len(data.users)}, "items": {len(data.items)}}}'
    whole = DataInput(spec.data.source, dataset.digest, "data", profile)
    return [whole, DataInput(f"{spec.data.source}-{spec.split.kind}", split.digest, "split", profile)]


def _prefect_tags() -> dict[str, str]:
    tags = {"prefect.flow_run_id": flow_run.id, "prefect.deployment": deployment.name}
    return {key: str(value) for key, value in tags.items() if value}


@contextlib.contextmanager
def _cancellation(run: Run) -> Iterator[None]:
    """Ends the run soon after it was cancelled in the Prefect UI, which tells a plain process nothing."""
    identity = get_run_context().flow_run.id  # type: ignore[union-attr]
    done = threading.Event()

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not done.wait(POLL_SECONDS):
                with contextlib.suppress(Exception):  # the API may be away for a moment; the run goes on without
                    state: State | None = client.read_flow_run(identity).state
                    if state is not None and (state.is_cancelling() or state.is_cancelled()):
                        run.stop.set()
                        _thread.interrupt_main()
                        return

    threading.Thread(target=watch, name="cancellation", daemon=True).start()
    try:
        yield
    finally:
        done.set()

"""What surrounds a retraining: its lock, what was decided before, its run in MLflow, and how it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from prefect.runtime import deployment
from prefect.settings import PREFECT_API_URL

from flows.flow_runs import call
from flows.freshness import rows_until
from flows.session import opened, run_of, supervised
from recsys.champion.record import Contender, DecisionRecord, moment
from recsys.data.load import inputs
from recsys.errors import ExpectedError
from recsys.experiment.candidates import NAMED
from recsys.experiment.external import require_model
from recsys.experiment.keys import decision_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.splits.config import RandomSplit
from recsys.tracking.database import ensure_database
from recsys.tracking.decisions import Decided
from recsys.tracking.entities import RETRAINING
from tasks.context import Run
from tasks.night import Night, Office
from tasks.notice import notify
from tasks.recorder import Recorder
from tasks.settling import settle_unfinished

BUSY = "another retraining of this name is at work; this one looks again when that is done"


@dataclass(frozen=True)
class Rehearsal:
    """Nights as they would have been: what only they know of champion and decisions. Nothing is registered."""

    champion: Contender | None = None
    past: tuple[Decided, ...] = ()


rehearsal: ContextVar[Rehearsal | None] = ContextVar("rehearsal", default=None)


@contextlib.contextmanager
def night(spec: Experiment, as_of: datetime | None) -> Iterator[Night]:
    """A retraining that does not overlap with another of the same name, on this home.

    What the last decision still asks for is done first. Raises InputError where the source has no row up to `as_of`,
    and where the first model leaves nothing that could serve.
    """
    settings = Settings()
    require_model(spec.models[0], "retraining")
    ensure_database(settings)
    run = run_of(_for_retraining(spec), settings, "", {})
    with supervised(run, f"retrain-{spec.name}", BUSY):
        office = Office(settings, next_run())
        try:
            yield _night(run, office, as_of)
        except ExpectedError as error:
            notify(settings, f"retraining of {spec.name} failed: {error}", None, run.reporter)
            raise


def _night(run: Run, office: Office, as_of: datetime | None) -> Night:
    name, alone = run.spec.name, rehearsal.get()
    fresh, asked = rows_until(run.spec.data, run.settings, as_of)
    past = list(alone.past) if alone else office.decisions.all(name)
    if alone is None:
        past = settle_unfinished(office, name, past, run.reporter)
    found = Night(
        run,
        office,
        asked=asked,
        fresh=fresh,
        past=past,
        champion=alone.champion if alone else office.champion(name),
        decided_by="backfill" if alone else ("schedule" if deployment.id else "command"),
        rehearsal=alone is not None,
    )
    run.as_of = found.as_of
    run.inputs = inputs(run.spec.data, None, run.settings, as_of=found.as_of)
    known = {"rows": fresh.rows, "newest": fresh.newest, "decisions": 0 if asked is not None else len(past)}
    run.key = decision_key(run.spec, as_of=found.as_of, rehearsal=found.rehearsal, **known)
    return found


def repeated(night: Night) -> DecisionRecord | None:
    """The decision that was made before for the very time that is asked for, by the same experiment."""
    if night.asked is None:
        return None
    key = night.run.key
    return next((each.record for each in reversed(night.past) if each.key == key), None)


def deciding(night: Night) -> contextlib.AbstractContextManager[Recorder]:
    """The run of a decision in MLflow: FINISHED once all that follows from it is done."""
    tags = {"as_of": moment(night.as_of).isoformat(), "spec.digest": night.asks}
    return opened(night.run, night.office.tracker, "rehearsal" if night.rehearsal else RETRAINING, tags)


def next_run() -> datetime | None:
    """When the schedule of this deployment begins the next run; None where there is none, or it cannot be asked."""
    if not deployment.id:
        return None
    question = {
        "flow_runs": {"deployment_id": {"any_": [deployment.id]}, "state": {"type": {"any_": ["SCHEDULED"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
        "limit": 1,
    }
    found = call(f"{PREFECT_API_URL.value()}/flow_runs/filter", question)
    return datetime.fromisoformat(found[0]["expected_start_time"]) if found else None


def _for_retraining(spec: Experiment) -> Experiment:
    """The experiment without what retraining does not use: the split of the comparison, candidates from a file."""
    share = spec.validation_share
    plain = RandomSplit(test=0.01, validation=share if share < 0.9 else 0.0)
    evaluation = spec.evaluation
    if evaluation.candidates not in NAMED:
        evaluation = evaluation.model_copy(update={"candidates": "train"})
    return spec.model_copy(update={"split": plain, "evaluation": evaluation, "models": spec.models[:1], "tuning": None})

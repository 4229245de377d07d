"""What the runs in MLflow are to us; MLflow itself, which takes a second to import, is not needed for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from recsys.errors import RunError

COMPARISON, RETRAINING, TUNING, EXPLORATION = "comparison", "retraining", "tuning", "exploration"
CANDIDATE, TRIAL = "candidate", "trial"
"""The roles of runs: of parents, and of those below them."""


@dataclass(frozen=True)
class ParentRun:
    """The run of a comparison. children: ids of the finished ones by (label, seed, fold). trials: of tuning, by
    (label, number)."""

    run_id: str
    experiment_id: str
    children: dict[tuple[str, int, int], str]
    trials: dict[tuple[str, int], str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataInput:
    """A data set as a run names it: what it is called, our digest of its content, and what it was used for."""

    name: str
    digest: str
    context: str
    profile: str


class TrackingError(RunError):
    """MLflow, or what it keeps its records in, does not do its part."""

"""What the runs of a finished comparison are searched and sorted by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pandas import DataFrame

from recsys.comparison.leaderboard import OK
from recsys.metrics.registry import metric_key
from recsys.tracking.entities import ParentRun

if TYPE_CHECKING:
    from recsys.tracking.runs import Tracker


def log_summary(
    tracker: Tracker, parent: ParentRun, frame: DataFrame, manifest: Mapping[str, Any], primary: str
) -> None:
    """Data, split, the passport of the primary metric and whether the model was tuned, on the parent and each child; on
    the parent also the best model with its value. frame, manifest: of the comparison. Raises as Tracker does."""
    done = frame[(frame["status"] == OK) & ~frame["control"] & frame[primary].notna()]
    if len(done):
        best = done.iloc[0]
        tracker.tag(parent.run_id, {"best": str(best["model"])})
        tracker.log_metrics(parent.run_id, {f"best.{metric_key(primary)}": float(best[primary])})
    shared = {f"{what}.digest": str(manifest[what]["digest"]) for what in ("data", "split")}
    shared["passport"] = manifest["passports"][primary]
    tuned = frame.loc[frame["tuned"], "model"].tolist()
    tracker.tag(parent.run_id, shared | {"tuned": ", ".join(tuned)[:5000] or "none"})
    for (label, _, _), run_id in parent.children.items():
        tracker.tag(run_id, shared | {"tuned": str(label in tuned).lower()})

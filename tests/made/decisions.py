"""Records of decisions as a year of nights leaves them, without a model behind them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from recsys.champion.behaviour import Finding
from recsys.champion.drift import Drift, Measure
from recsys.champion.gate import Guard
from recsys.champion.record import Bounded, Contender, DecisionRecord, Window

OPENING = datetime(2024, 3, 1, 3, 0, tzinfo=UTC)
NIGHT = timedelta(days=1)
EASE = Contender(label="ease", settings={"name": "ease", "regularization": 500.0}, data="d" * 64, rows=90_000)
KNN = Contender(
    label="item-knn", settings={"name": "item-knn", "neighbors": 100}, version=1, data="c" * 64, rows=80_000
)


def record(night: int = 0, verdict: str = "kept", **changes: Any) -> DecisionRecord:
    """The record of a night; a refresh that was kept, unless changed."""
    time = OPENING + night * NIGHT
    newest = time - timedelta(minutes=2)
    about: dict[str, Any] = {
        "name": "shop",
        "time": time,
        "as_of": newest,
        "verdict": verdict,
        "kind": "refresh",
        "reasons": ("Refresh: ndcg@10 0.4100 after 0.4000, gain +0.0100, 95 % interval +0.0010 to +0.0190",),
        "challenger": EASE.model_copy(update={"newest": newest}),
        "champion": KNN,
        "newest": newest,
        "rows": 90_000 + 500 * night,
        "new_rows": 500,
        "data": "ab" * 32,
        "window": Window(start=newest - timedelta(days=14), end=newest, users=412, rows=6_000),
        "primary": "ndcg@10",
        "challenger_value": Bounded(value=0.41, low=0.395, high=0.425),
        "champion_value": Bounded(value=0.40, low=0.385, high=0.415),
        "gain": Bounded(value=0.01, low=0.001, high=0.019),
        "guards": (
            Guard(name="segment regular", value=0.41, reference=0.4, limit=0.1, text="segment regular: held"),
            Guard(name="drift", value=1.4, limit=5.0, text="drift: rows 500, usually 480 (1.4 times the usual spread)"),
            Guard(name="anomalous rows", value=0.0, limit=0.1, text="0.0% of the new rows look made"),
            Guard(name="list churn", value=0.2, text="20.0% of the first 10 items are others"),
            Guard(name="determinism", value=0.0, text="0 of 200 users get another list when asked again"),
        ),
        "drift": Drift(
            rows=500, periods=1, earlier=60, measures=(Measure(name="rows", value=500, usual=480, units=1.4),)
        ),
        "behaviour": (Finding(name="determinism", fell=False, value=0, text="0 of 200 users get another list"),),
        "decided_by": "schedule",
        "runs": {"mlflow": "0a" * 16},
    }
    return DecisionRecord.model_validate(about | changes)


def poisoned(night: int) -> DecisionRecord:
    """A night on which somebody floods one item."""
    text = "drift: top item 0.31, usually 0.0095 (14.6 times the usual spread); at most 5 is allowed"
    flood = Measure(name="top item", value=0.31, usual=0.0095, units=14.6)
    return record(
        night,
        "rejected",
        guards=(Guard(name="drift", value=14.6, limit=5.0, fell=True, text=text),),
        drift=Drift(rows=800, periods=1, earlier=60, measures=(flood,), anomalous=0.29, made={"one item": 232}),
        challenger_value=Bounded(value=0.33, low=0.31, high=0.35),
        gain=Bounded(value=-0.07, low=-0.09, high=-0.05),
        reasons=("Refresh: ndcg@10 0.3300 after 0.4000, gain -0.0700", text),
    )


def year(nights: int = 60) -> list[DecisionRecord]:
    """Nights with a first champion, changes, refreshes, skipped nights, a rejection, a rollback."""
    random = np.random.default_rng(4)
    records, version, level = [], 0, 0.40
    for night in range(nights):
        level += random.normal(0, 0.004)
        value = Bounded(value=level, low=level - 0.015, high=level + 0.015)
        better = Bounded(value=level + 0.008, low=level - 0.007, high=level + 0.023)
        if night == 0:
            version = 1
            changes = {"kind": "first", "champion": None, "champion_value": Bounded(value=0.21, low=0.2, high=0.22)}
            records.append(record(0, "promoted", version=1, serving=1, challenger_value=value, **changes))
        elif night == nights // 2:
            records.append(poisoned(night).model_copy(update={"serving": version}))
        elif night == nights // 2 + 5:
            records.append(
                record(
                    night,
                    "rolled back",
                    **dict.fromkeys(("kind", "challenger", "champion", "drift", "gain"), None),
                    **dict.fromkeys(("challenger_value", "champion_value", "window", "newest", "new_rows"), None),
                    guards=(),
                    behaviour=(),
                    reasons=("complaints about lists full of sequels",),
                    version=max(1, version - 1),
                    serving=max(1, version - 1),
                    decided_by="person",
                    person="ines",
                )
            )
        elif night % 7 == 6:
            empty = dict.fromkeys(("kind", "challenger_value", "champion_value", "gain", "window", "drift"), None)
            changes = {"serving": version, "guards": (), "behaviour": (), "challenger": None, "new_rows": 0}
            records.append(
                record(night, "skipped", reasons=("no new rows since the last decision",), **changes, **empty)
            )
        elif night % 3 == 0:
            version += 1
            records.append(
                record(
                    night,
                    "promoted",
                    version=version,
                    serving=version,
                    challenger_value=better,
                    champion_value=value,
                    new_rows=int(random.integers(300, 900)),
                )
            )
        else:
            units = float(min(4.5, random.gamma(3, 0.6)))
            drift = Drift(
                rows=500, periods=1, earlier=60, measures=(Measure(name="rows", value=500, usual=480, units=units),)
            )
            records.append(record(night, champion_value=value, challenger_value=better, serving=version, drift=drift))
    return records

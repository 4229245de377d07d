"""The section `retrain` of an experiment: how a challenger is held against the champion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from recsys.config import Config
from recsys.splits.config import Duration

Fall = Annotated[float, Field(gt=0, le=1)]
Mode = Literal["enforce", "report", "manual"]


class Guards(Config):
    """What must not fall, whatever the gain. null: reported only.

    coverage, novelty, segment, cold: largest fall, as a share of the champion's value; segments and cold users count
    from 30 users on. drift: how far the new rows may be from those before, in units of what is usual between earlier
    periods. anomalous: largest share of the new rows that look made. churn: largest share of the lists that changes.
    latency (milliseconds a user), size (MB), age (of the newest row): limits of their own.
    """

    coverage: Fall | None = 0.10
    novelty: Fall | None = 0.10
    segment: Fall | None = 0.10
    cold: Fall | None = 0.10
    drift: PositiveFloat | None = 5.0
    anomalous: Fall | None = 0.10
    churn: Fall | None = None
    latency: PositiveFloat | None = None
    size: PositiveFloat | None = None
    age: Duration | None = None


class Retrain(Config):
    """When to retrain, and when the result may serve.

    window: the newest stretch of time, which neither side has trained on and both are scored on. margin: what the lower
    bound of the gain of a change must exceed. tolerance: what the lower bound of a refresh may lose, as a share of the
    champion's value. mode: enforce promotes, report only says, manual waits for approval. min_new_rows: fewer are no
    reason to retrain.
    """

    window: Duration = "14d"
    margin: NonNegativeFloat = 0.0
    tolerance: NonNegativeFloat = 0.02
    mode: Mode = "enforce"
    min_new_rows: PositiveInt = 1
    guards: Guards = Guards()

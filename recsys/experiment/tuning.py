"""The section `tuning` of an experiment: how much searching for settings each model gets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from recsys.config import Config


class Tuning(Config):
    """What each model may spend, equal for all. trials: settings tried, those of the spec first. seconds: of work,
    summed over trials, two at once count double; what still runs then is ended. The first trial always runs whole."""

    trials: Annotated[int, Field(ge=1, le=10_000)] = 20
    seconds: PositiveFloat = 600.0

"""`recsys explore`: the data alone, before any model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.command import Speech
from flows.orchestration import orchestrated
from recsys.comparison.result import require_writable
from recsys.data.load import inputs
from recsys.experiment.keys import exploration_key
from recsys.experiment.spec import Experiment
from recsys.report.explore_words import lines
from recsys.settings import Settings
from recsys.tracking.explored import PAGE, finished_exploration, place

if TYPE_CHECKING:
    from recsys.tracking.explored import Explored

WIDTH = 16


def run(spec: Path, overrides: list[str], out: Path | None, speech: Speech) -> None:
    """Explore the data of the spec. What was explored before is answered from the store, before Prefect is imported."""
    settings, began = Settings(), time.monotonic()
    experiment = Experiment.load(spec, overrides)
    found = inputs(experiment.data, experiment.predefined, settings, speech.progress())
    key = exploration_key(experiment, found)
    done = finished_exploration(experiment.name, key, settings, out)
    if done is not None:
        speech.say(f"the data of {experiment.name} were explored before")
    else:
        require_writable(place(experiment.name, key, out))
        done = _explored(experiment, out, settings, speech)
        speech.say(f"done in {time.monotonic() - began:.0f} s")
    speech.answer(answer_of(done))
    show(done, speech)


def _explored(experiment: Experiment, out: Path | None, settings: Settings, speech: Speech) -> Explored:
    with orchestrated("explore", settings, speech) as ready:
        from flows.explore import explore
        from flows.session import choosing

        ready()
        with choosing(out=out):
            return explore(experiment)


def answer_of(done: Explored) -> dict[str, Any]:
    """What a program is told."""
    return {"out": str(done.out), "run_id": done.run_id, **done.facts}


def show(done: Explored, speech: Speech) -> None:
    """The main figures, a line each, and where the page is."""
    speech.say()
    for what, text in [*lines(done.facts), ("page", str(done.out / PAGE))]:
        speech.say(f"{what:<{WIDTH}}{text}")

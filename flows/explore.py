"""The data alone, before any model."""

from __future__ import annotations

from flows.local import local_flow
from flows.session import options, recording, run_of, supervised
from recsys.data.load import inputs
from recsys.experiment.keys import exploration_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.tracking.entities import EXPLORATION
from recsys.tracking.explored import Explored
from tasks.exploring import explore_data, publish_exploration
from tasks.stages import load_data, split_data


@local_flow(name="explore", description="The data alone: what there is, what is missing, what each split would do")
def explore(spec: Experiment, overrides: list[str] | None = None) -> Explored:
    """Load, split, look, publish. Nothing is fitted; the models of the spec play no part.

    Raises InputError where spec or data are wrong, or the split leaves a part empty.
    """
    spec, settings = spec.override(overrides or []), Settings()
    found = inputs(spec.data, spec.predefined, settings)
    key = exploration_key(spec, found)
    run = run_of(spec, settings, key, found)
    with supervised(run, key, "another process looks at these very data; its work is used when it is done"):
        data = load_data.submit(run).result()
        split = split_data.submit(data, run).result()
        with recording(run, data, split, EXPLORATION) as recorder:
            told = explore_data.submit(data, split, run).result()
            return publish_exploration.submit(told, options.get().out, recorder, run).result()

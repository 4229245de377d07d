"""The searches for the settings of several models, within a flow."""

from __future__ import annotations

from flows.finishing import as_they_finish
from recsys.experiment.trials import Tuned
from recsys.store import Ref
from tasks.context import Cell, Run
from tasks.recorder import Recorder
from tasks.tuning import cut_tuning_fold, tune_model, tuned_of


def tune_models(data: Ref, split: Ref, failures: dict[str, str], recorder: Recorder, run: Run) -> dict[str, Tuned]:
    """What tuning finds for each model, by row, in the order of the spec; nothing without a section `tuning`."""
    if run.spec.tuning is None:
        return {}
    fold = cut_tuning_fold.submit(data, split, run).result()
    cells = [Cell(model=model, seed=run.spec.seeds[0], fold=0) for model in run.spec.models]
    futures = {tune_model.submit(cell, data, fold, recorder, run): cell for cell in cells}
    found = {cell.label: tuned_of(ref, cell) for cell, ref in as_they_finish(futures, failures, recorder, run)}
    return {cell.label: found[cell.label] for cell in cells if cell.label in found}
